import type { Membership } from '../hub/membership.ts';
import { type MemberReport, ownReport, peerReport } from './member-report.ts';

export interface ReportFacts {
  readonly cluster: string;
  readonly network: string;
  readonly trustDomain: string;
  readonly version: string;
  /** Services that this cluster exports. */
  readonly exports: number;
  readonly membership: Pick<Membership, 'peers' | 'members' | 'views' | 'hubState' | 'publishedRecords'>;
  /** Exports of a peer that are held. */
  readonly heldOf: (cluster: string) => number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** Of all members, this cluster first; empty before it has joined. */
export function memberReports({ cluster, network, trustDomain, version, exports, membership, heldOf, nowMs }: ReportFacts): readonly MemberReport[] {
  const { peers } = membership;
  if (peers === undefined) return [];
  const { ownState } = peers;
  const own = ownReport({ cluster, network, trustDomain, version, exports, records: membership.publishedRecords(), state: ownState, sinceMs: peers.ownSinceMs, isConnected: membership.hubState().kind === 'connected' });
  const views = membership.views();
  const others = membership.members().filter((member) => member.cluster !== cluster);
  return [own, ...others.map((member) => peerReport({ member, view: views.get(member.cluster), status: peers.statusOf(member.cluster), standing: peers.standingOf(member.cluster), held: heldOf(member.cluster), ownState, nowMs }))];
}
