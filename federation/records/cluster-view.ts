/** What the rest of the service sees of the clusters. */
import type { Endpoint, EndpointsRecord, MetaRecord, ServiceRecord } from '@landbridge/core/records.ts';
import type { ClusterTable } from './cluster-table.ts';
import type { Member } from './members.ts';
import type { PeerState } from './peer-table.ts';

export interface ClusterView {
  readonly cluster: string;
  readonly member: Member;
  readonly meta: MetaRecord | undefined;
  /** By `<namespace>/<name>`. */
  readonly services: ReadonlyMap<string, ServiceRecord>;
  /** By `<namespace>/<name>`: the endpoints of all shards. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** Whether a whole snapshot of the cluster was read in this process' life. Before that, what is missing may only be late. */
  readonly complete: boolean;
  /** Whether there is nothing better to know of it for now: it is complete, or its owner has not closed what all was read of. */
  readonly counts: boolean;
  /** Whether it was read from a mirror and not from the hub, or is not complete: better than nothing, and there may be newer. */
  readonly isProvisional?: boolean;
  /** Records of it that found no room here. */
  readonly overflow: number;
  /** Live records on the bus, without `sync`. */
  readonly records: number;
  /** Milliseconds since 1970. */
  readonly changedAt: number;
}

/** Whether what a cluster does not say may be believed to be gone. */
export const isWhole = (view: ClusterView | undefined): boolean => view?.complete === true && view.isProvisional !== true;

/** A table and a member never change, so neither does what was made of them. */
const made = new WeakMap<ClusterTable, ClusterView>();
const madeOfState = new WeakMap<PeerState, ReadonlyMap<string, ClusterView>>();
/** The last one of each member. */
const last = new WeakMap<Member, Last>();

/** One for each member that is not revoked, also for one that has said nothing yet, and for this cluster itself. */
export function views(state: PeerState): ReadonlyMap<string, ClusterView> {
  // Asked for again and again between two events: whether a cluster is complete is a question of every object.
  const known = madeOfState.get(state);
  if (known !== undefined) return known;
  const result = new Map<string, ClusterView>();
  for (const [cluster, { member }] of state.members) {
    const table = state.tables.get(cluster);
    if (member.revoked || table === undefined) continue;
    let view = made.get(table);
    if (view === undefined || view.member !== member) {
      view = makeView(member, table);
      made.set(table, view);
    }
    result.set(cluster, view);
  }
  madeOfState.set(state, result);
  return result;
}

/** What records say, apart from their versions. */
type Said = Pick<ClusterView, 'meta' | 'services' | 'endpoints' | 'records'>;

interface Last extends Said {
  readonly of: ClusterTable['records'];
}

function makeView(member: Member, table: ClusterTable): ClusterView {
  const complete = table.floor !== undefined;
  const before = last.get(member);
  const said = (before === undefined ? undefined : sayAgain(before, table.records)) ?? sayAll(table.records);
  last.set(member, { ...said, of: table.records });
  return {
    cluster: member.cluster,
    member,
    ...said,
    complete,
    counts: complete || table.isRead,
    ...(complete || !table.isRead ? {} : { isProvisional: true }),
    overflow: table.overflow,
    changedAt: table.changedAt,
  };
}

function sayAll(all: ClusterTable['records']): Said {
  let meta: MetaRecord | undefined;
  const services: [string, ServiceRecord][] = [];
  const shards: [string, EndpointsRecord][] = [];
  for (const [, { body }] of all.entries()) {
    if (body === null) continue;
    if (body.kind === 'meta') meta = body;
    else if (body.kind === 'svc') services.push([`${body.namespace}/${body.name}`, body]);
    else shards.push([`${body.namespace}/${body.name}`, body]);
  }
  return { meta, services: new Map(services.sort(byName)), endpoints: joinShards(shards), records: (meta === undefined ? 0 : 1) + services.length + shards.length };
}

/** As {@link sayAll}, from what was said before: few records differ at a time. Undefined where that does not do, as with a name that comes and has its place among the others. */
function sayAgain(before: Last, all: ClusterTable['records']): Said | undefined {
  let { meta, records } = before;
  const [services, endpoints] = [new Map(before.services), new Map(before.endpoints)];
  let [sameServices, sameEndpoints] = [true, true];
  for (const key of all.differing(before.of)) {
    const [old, body] = [before.of.get(key)?.body ?? null, all.get(key)?.body ?? null];
    if (body === old) continue;
    records += Number(body !== null) - Number(old !== null);
    const { kind } = body ?? old as Exclude<typeof old, null>;
    if (kind === 'meta') {
      meta = body?.kind === 'meta' ? body : undefined;
      continue;
    }
    if (old === null || old.kind === 'meta') return undefined;
    const name = `${old.namespace}/${old.name}`;
    if (old.kind === 'svc') {
      sameServices = false;
      if (body?.kind === 'svc') services.set(name, body);
      else services.delete(name);
    } else {
      // Otherwise it is not the only shard.
      if (endpoints.get(name) !== old.endpoints) return undefined;
      sameEndpoints = false;
      if (body?.kind === 'eps') endpoints.set(name, body.endpoints);
      else endpoints.delete(name);
    }
  }
  return { meta, services: sameServices ? before.services : services, endpoints: sameEndpoints ? before.endpoints : endpoints, records };
}

function joinShards(shards: [string, EndpointsRecord][]): ReadonlyMap<string, readonly Endpoint[]> {
  shards.sort((a, b) => byName(a, b) || a[1].shard - b[1].shard);
  const joined = new Map<string, readonly Endpoint[]>();
  for (const [name, { endpoints }] of shards) {
    const before = joined.get(name);
    joined.set(name, before === undefined ? endpoints : [...before, ...endpoints]);
  }
  return joined;
}

/** By code units, so that the order is the same everywhere. */
function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}
