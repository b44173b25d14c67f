import { Command } from 'commander';
import { MAX_TOKEN_LENGTH, parseJoinToken } from '@landbridge/federation/join/join-token.ts';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { planText } from '../plan-text.ts';
import { printable } from '../text-table.ts';

export function joinCommand(context: CommandContext): Command {
  const command = new Command('join')
    .description('let this cluster join a federation; run it against the cluster that is to join')
    .argument('<token>', 'what landbridge token create printed, or - to read it from standard input')
    .option('--plan', 'only list what would be created; the token can be used afterwards');
  return addOutputOption(addClusterOptions(command)).action(async (argument: string, options: ClusterOptions & OutputOptions & { readonly plan?: boolean }) => {
    const text = argument === '-' ? await context.readStdin(2 * MAX_TOKEN_LENGTH) : argument;
    // A damaged token is told before anything is asked of the cluster.
    const token = parseJoinToken(text);
    if (!token.ok) throw token.error;
    const admin = await context.admin(options);
    const compact = text.replace(/\s+/g, '');
    if (options.plan === true) {
      const plan = await admin.planJoin(compact, context.signal);
      return context.stdout(options.output === 'json' ? asJson(plan) : planText(plan));
    }
    const joined = await admin.join(compact, context.signal);
    if (options.output === 'json') return context.stdout(asJson(joined));
    const others = joined.members.filter((member) => member !== joined.cluster);
    context.stdout(printable(`Cluster ${joined.cluster} has joined${others.length === 0 ? '' : `; other members: ${others.sort().join(', ')}`}.`).concat('\n'));
  });
}
