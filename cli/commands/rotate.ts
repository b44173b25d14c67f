import { Command } from 'commander';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { EXIT } from '../exit-codes.ts';
import { printable } from '../text-table.ts';

export function rotateCommand(context: CommandContext): Command {
  const command = new Command('rotate').description('give this cluster other keys: for its records, and for its user at the hub; landbridge ca rotate is for its root');
  return addOutputOption(addClusterOptions(command)).action(async (options: ClusterOptions & OutputOptions) => {
    const { cluster, state, reason } = await (await context.admin(options)).rotateKeys(context.signal);
    if (options.output === 'json') context.stdout(asJson({ cluster, state, ...(reason === undefined ? {} : { reason }) }));
    else if (state === 'done') context.stdout(printable(`Cluster ${cluster} has other keys. The hub refuses its user of before in a minute.`).concat('\n'));
    else context.stdout(`The keys change as soon as the founder has agreed; the old ones go on until then.${reason === undefined ? '' : ` Until now: ${printable(reason)}`}\n`);
    if (state === 'waits') context.setExitCode(EXIT.unavailable);
  });
}
