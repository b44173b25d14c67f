import { Command } from 'commander';
import type { ConsentStatus, MemberStatus, Status } from '@landbridge/federation/admin/admin-api.ts';
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
    ...(hub.leaf === undefined ? [] : [['Leaf node', leafText(hub.leaf, nowMs)]]),
    ...(authority ? [['Founder', 'yes: join tokens are made here']] : []),
    ...(status.replica === undefined ? [] : [['Answered by', replicaText(status.replica)]]),
    ['Exports', String(status.exports)],
    ['Imports', String(status.imports)],
    ['Policies', policiesText(status.policies)],
    ...(status.consent === undefined ? [] : [['Import policies', importPoliciesText(status.consent)]]),
  ] as [string, string][];
  const head = lines.map(([name, value]) => `${`${name}:`.padEnd(17)}${printable(value)}\n`).join('');
  if (members.length === 0) return head;
  const rows = [...members]
    .sort((a, b) => (a.cluster < b.cluster ? -1 : 1))
    .map((member) => [member.cluster, member.trustDomain, member.network, age(member.joinedAt, nowMs), stateText(member, nowMs), heardText(member, nowMs), member.health?.version ?? '']);
  return `${head}\n${textTable(['member', 'trust domain', 'network', 'age', 'state', 'heard', 'version'], rows)}${leftOutText(status.consent)}`;
}

function leafText({ connected, lag, readingSince }: NonNullable<Status['hub']['leaf']>, nowMs: number): string {
  if (readingSince !== undefined) return `${connected ? '' : 'not connected; '}reading from the mirror for ${age(readingSince, nowMs)}: what is known may be old`;
  return connected ? `connected${lag === undefined || lag === 0 ? '' : `, the mirror lacks ${lag} messages`}` : 'not connected';
}

function stateText({ revoked, complete, health }: MemberStatus, nowMs: number): string {
  if (revoked) return 'removed';
  if (health === undefined || health.state === 'Ready') return complete ? 'in sync' : 'incomplete';
  return `${health.state.toLowerCase()} for ${age(health.since, nowMs)}`;
}

/** How long ago it was heard; nothing for the cluster itself, and for one that was not heard yet. */
function heardText({ health }: MemberStatus, nowMs: number): string {
  return health?.heard === undefined ? '' : `${age(health.heard, nowMs)} ago`;
}

function replicaText({ pod, leader }: NonNullable<Status['replica']>): string {
  return `${pod}${leader === pod ? ', which leads' : leader === '' ? '; nobody leads' : `; ${leader} leads`}`;
}

function importPoliciesText({ policies: { accepted, refused } }: ConsentStatus): string {
  return accepted + refused === 0 ? 'none: exports of all members are imported' : [`${accepted} in force`, ...(refused > 0 ? [`${refused} can not be read and deny what they govern`] : [])].join(', ');
}

/** A line for each member of which something is not taken. */
function leftOutText(consent: ConsentStatus | undefined): string {
  const counted = (what: string, counts: ConsentStatus['members'][number]['refused']): string[] => (counts.length === 0 ? [] : [`${what} (${counts.map(({ reason, count }) => `${reason} ${count}`).join(', ')})`]);
  const lines = (consent?.members ?? []).map(({ cluster, refused, dropped, gateways, held, waiting, overflow, faults }) => `${cluster}: ${[...counted('exports not imported', refused), ...counted('endpoints left out', dropped), ...counted('gateways left out', gateways ?? []), ...(held > 0 ? [`exports that change too often: ${held}`] : []), ...(waiting > 0 ? [`writes too fast: ${waiting} records wait`] : []), ...(overflow > 0 ? [`records without room: ${overflow}`] : []), ...faults].join('; ')}`);
  return lines.map((line) => `\n${printable(line)}\n`).join('');
}

function policiesText({ accepted, partial, refused }: Status['policies']): string {
  return [`${accepted} in force`, ...(partial > 0 ? [`${partial} stricter than written`] : []), ...(refused > 0 ? [`${refused} refused`] : [])].join(', ');
}
