import { Command } from 'commander';
import type { AdminRevokeAnswer } from '@landbridge/federation/admin/admin-api.ts';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { printable } from '../text-table.ts';

const HUB: Readonly<Record<AdminRevokeAnswer['hub'], string>> = {
  told: 'The hub has closed its connection and does not let it in again.',
  later: 'The hub could not be told: it is not reached. Members hear of it, and the hub closes the connection, when it is back.',
  unable: 'Members have been told. The hub goes on letting it in, where its records do not count: it was made by version 0.1, whose files can not say who stays out.',
};

export function revokeCommand(context: CommandContext): Command {
  const command = new Command('revoke')
    .description('remove a member from the federation for good; run it against the founding cluster')
    .argument('<cluster>', 'name of the member');
  return addOutputOption(addClusterOptions(command)).action(async (cluster: string, options: ClusterOptions & OutputOptions) => {
    const revoked = await (await context.admin(options)).revoke(cluster, context.signal);
    context.stdout(options.output === 'json' ? asJson(revoked) : revokedText(revoked));
  });
}

export function revokedText({ cluster, removedAt, hub }: AdminRevokeAnswer): string {
  return `${printable(`Cluster ${cluster} is no member since ${new Date(removedAt).toISOString()}: its services, its roots and its keys do not count any more.`)}\n${HUB[hub]}\n`;
}
