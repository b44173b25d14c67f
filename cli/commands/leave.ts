import { Command } from 'commander';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { EXIT } from '../exit-codes.ts';
import { planText } from '../plan-text.ts';
import { printable } from '../text-table.ts';

interface LeaveOptions extends ClusterOptions, OutputOptions {
  readonly force?: boolean;
  readonly plan?: boolean;
}

export function leaveCommand(context: CommandContext): Command {
  const command = new Command('leave')
    .description('let this cluster leave its federation: imports go here, its exports go elsewhere; run it against the cluster that is to leave')
    .option('--plan', 'only list what would be deleted')
    .option('--force', 'forget the credentials without asking the founder, who has to revoke this cluster then');
  return addOutputOption(addClusterOptions(command)).action(async (options: LeaveOptions) => {
    const admin = await context.admin(options);
    if (options.plan === true) {
      const plan = await admin.planLeave(context.signal);
      return context.stdout(options.output === 'json' ? asJson(plan) : planText(plan));
    }
    const left = await admin.leave(options.force === true, context.signal);
    if (options.output === 'json') context.stdout(asJson(left));
    else context.stdout(left.state === 'done' ? printable(`Cluster ${left.cluster} has left.`).concat('\n') : waitsText(left.reason));
    if (left.state === 'waits') context.setExitCode(EXIT.unavailable);
  });
}

function waitsText(reason: string | undefined): string {
  return `The cluster will leave as soon as the founder has let it go.${reason === undefined ? '' : ` Until now: ${printable(reason)}`}\nWith --force it does not wait.\n`;
}
