import { Command } from 'commander';
import type { Status } from '@landbridge/federation/admin/admin-api.ts';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { age, printable, textTable } from '../text-table.ts';

export function statusCommand(context: CommandContext): Command {
  const command = new Command('status').description('show this cluster, its hub and the members that it sees');
  return addOutputOption(addClusterOptions(command)).action(async (options: ClusterOptions & OutputOptions) => {
    const status = await (await context.admin(options)).status(context.signal);
    context.stdout(options.output === 'json' ? asJson(status) : statusText(status, context.clock()));
  });
}

export function statusText(status: Status, nowMs: number): string {
  const { cluster, trustDomain, network, hub, authority, members } = status;
  const since = hub.since === undefined ? '' : ` for ${age(hub.since, nowMs)}`;
  const lines = [
    ['Cluster', cluster],
    ['Trust domain', trustDomain],
    ...(network === '' ? [] : [['Network', network]]),
    ['Hub', hub.state === 'none' ? 'none: this cluster has not joined' : `${hub.state}${since}${hub.url === undefined ? '' : `, ${hub.url}`}`],
    ...(hub.lastError === undefined || hub.state === 'connected' ? [] : [['Last error', hub.lastError]]),
    ...(authority ? [['Founder', 'yes: join tokens are made here']] : []),
    ['Exports', String(status.exports)],
    ['Imports', String(status.imports)],
    ['Policies', policiesText(status.policies)],
  ] as [string, string][];
  const head = lines.map(([name, value]) => `${`${name}:`.padEnd(14)}${printable(value)}\n`).join('');
  if (members.length === 0) return head;
  const rows = [...members]
    .sort((a, b) => (a.cluster < b.cluster ? -1 : 1))
    .map((member) => [member.cluster, member.trustDomain, member.network, age(member.joinedAt, nowMs), member.revoked ? 'removed' : member.complete ? 'in sync' : 'incomplete']);
  return `${head}\n${textTable(['member', 'trust domain', 'network', 'age', 'state'], rows)}`;
}

function policiesText({ accepted, partial, refused }: Status['policies']): string {
  return [`${accepted} in force`, ...(partial > 0 ? [`${partial} stricter than written`] : []), ...(refused > 0 ? [`${refused} refused`] : [])].join(', ');
}
