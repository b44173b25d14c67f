import { Command } from 'commander';
import { MAX_TOKEN_LENGTH, parseJoinToken } from '@landbridge/federation/join/join-token.ts';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { printable } from '../text-table.ts';

export function joinCommand(context: CommandContext): Command {
  const command = new Command('join')
    .description('let this cluster join a federation; run it against the cluster that is to join')
    .argument('<token>', 'what landbridge token create printed, or - to read it from standard input');
  return addOutputOption(addClusterOptions(command)).action(async (argument: string, options: ClusterOptions & OutputOptions) => {
    const text = argument === '-' ? await context.readStdin(2 * MAX_TOKEN_LENGTH) : argument;
    // A damaged token is told before anything is asked of the cluster.
    const token = parseJoinToken(text);
    if (!token.ok) throw token.error;
    const joined = await (await context.admin(options)).join(text.replace(/\s+/g, ''), context.signal);
    if (options.output === 'json') return context.stdout(asJson(joined));
    const others = joined.members.filter((member) => member !== joined.cluster);
    context.stdout(printable(`Cluster ${joined.cluster} has joined${others.length === 0 ? '' : `; other members: ${others.sort().join(', ')}`}.`).concat('\n'));
  });
}
