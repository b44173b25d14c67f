import { type RecordBody, recordKey } from '@landbridge/core/records.ts';
import type { Version } from '@landbridge/wire/record.ts';
import test from 'ava';
import fc from 'fast-check';
import type { BusEvent } from '../bus/bus.ts';
import { endpoint, endpoints, exampleAuthority, exampleKeys, exampleMemberBytes, meta, service } from './example-records.ts';
import { emptyPeers, type PeerState, reducePeers, views } from './peer-table.ts';
import { signRecord } from './record-signature.ts';
import { snapshotSync } from './snapshot-digest.ts';

const keys = new Map(['east', 'west'].map((cluster) => [cluster, exampleKeys()]));

/** One thing that an owner does: exports, changes, withdraws, or begins a new life. */
type Step = { readonly kind: 'set'; readonly body: RecordBody } | { readonly kind: 'remove'; readonly key: string } | { readonly kind: 'rebirth' };

const name = fc.constantFrom('a', 'b', 'c');
const body: fc.Arbitrary<RecordBody> = fc.oneof(
  fc.record({ name, port: fc.integer({ min: 1, max: 3 }) }).map((x) => service(x.name, x.port)),
  fc.record({ name, shard: fc.nat({ max: 1 }), workloads: fc.subarray(['x', 'y']) }).map((x) => endpoints(x.name, x.shard, ...x.workloads.map((workload) => endpoint(workload)))),
  fc.constantFrom('0.1.0', '0.2.0').map((version) => ({ ...meta, version })),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: body.map((b): Step => ({ kind: 'set', body: b })) },
  { weight: 2, arbitrary: body.map((b): Step => ({ kind: 'remove', key: recordKey(b) })) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'rebirth' }) },
);

/** All that an owner ever puts on the bus while it takes these steps, in order, closed by its sync; and what it has at the end. */
function history(cluster: string, steps: readonly Step[]): { readonly events: readonly BusEvent[]; readonly live: ReadonlyMap<string, RecordBody> } {
  const { privateKey } = keys.get(cluster) ?? exampleKeys();
  const events: BusEvent[] = [{ kind: 'entry', key: `members.${cluster}`, value: exampleMemberBytes(cluster, { privateKey, publicKey: keys.get(cluster)?.publicKey ?? '' }), revision: 1 }];
  const live = new Map<string, RecordBody>();
  const versions = new Map<string, Version>();
  let epoch = 1;
  let gen = 0;
  const put = (key: string, value: RecordBody | null): void => {
    gen += 1;
    events.push({ kind: 'entry', key: `${cluster}.${key}`, value: signRecord(privateKey, { cluster, key, epoch, gen, body: value }), revision: 1 });
    if (value === null) versions.delete(key);
    else versions.set(key, { epoch, gen });
  };
  put('sync', snapshotSync([]));
  versions.delete('sync');
  for (const next of steps) {
    if (next.kind === 'set') {
      live.set(recordKey(next.body), next.body);
      put(recordKey(next.body), next.body);
    } else if (next.kind === 'remove') {
      if (live.delete(next.key)) put(next.key, null);
    } else {
      epoch += 1;
      gen = 0;
      versions.clear();
      for (const [key, value] of live) put(key, value);
    }
    put('sync', snapshotSync(versions));
    versions.delete('sync');
  }
  return { events, live };
}

/** The views without the time of their last change, which is the one thing that depends on the order. */
function summary(state: PeerState): unknown {
  return [...views(state)].map(([cluster, view]) => ({ cluster, complete: view.complete, services: [...view.services], endpoints: [...view.endpoints] })).sort((a, b) => (a.cluster < b.cluster ? -1 : 1));
}

const run = (events: readonly BusEvent[]): PeerState => events.reduce((state, event) => reducePeers(state, event, 1), emptyPeers(exampleAuthority.publicKey));

const steps = fc.array(step, { maxLength: 12 });
/** A history of two clusters, and a delivery of it in any order, with entries twice. */
const deliveries = fc.tuple(steps, steps).chain(([east, west]) => {
  const all = [...history('east', east).events, ...history('west', west).events];
  const order = fc.shuffledSubarray(all, { minLength: all.length });
  return fc.tuple(fc.constant(all), order, fc.array(fc.constantFrom(...all), { maxLength: 20 }), fc.nat());
});

test('the order of arrival, duplicates and replays do not change the views', (t) => {
  fc.assert(
    fc.property(deliveries, ([all, order, replays, seed]) => {
      const mixed = [...order];
      for (const [index, replay] of replays.entries()) mixed.splice((seed + index * 7919) % (mixed.length + 1), 0, replay);
      t.deepEqual(summary(run(mixed)), summary(run(all)));
    }),
    { numRuns: 60 },
  );
});

test('the whole history shows what the owner has, and is complete', (t) => {
  fc.assert(
    fc.property(steps, (taken) => {
      const { events, live } = history('west', taken);
      const view = views(run(events)).get('west');
      const services = [...live.values()].filter((b) => b.kind === 'svc');
      t.deepEqual([...(view?.services.values() ?? [])].map((b) => b.name).sort(), services.map((b) => b.name).sort());
      t.true(view?.complete);
    }),
    { numRuns: 60 },
  );
});

test('of each key only the last value need arrive, as from a bucket with history 1', (t) => {
  fc.assert(
    fc.property(steps, fc.nat({ max: 30 }), (taken, joinAt) => {
      const { events } = history('west', taken);
      const last = new Map(events.map((event) => [event.kind === 'entry' ? event.key : '', event]));
      // One reader watched from some moment on, the other sees the end only.
      t.deepEqual(summary(run([...events.slice(0, joinAt), ...last.values()])), summary(run([...last.values()])));
    }),
    { numRuns: 60 },
  );
});

test('a view made of the one before is the one that all records make, in the same order', (t) => {
  const whole = (state: PeerState): unknown => [...views(state).values()].map(({ cluster, meta, services, endpoints, records }) => ({ cluster, meta, services: [...services], endpoints: [...endpoints], records }));
  fc.assert(
    fc.property(deliveries, ([all, order]) => {
      for (const events of [all, order]) {
        let state = run([]);
        for (const [i, event] of events.entries()) {
          state = reducePeers(state, event, 1);
          // Whoever looks now and then has several changes at once.
          if (i % 3 === 2 || i === events.length - 1) t.deepEqual(whole(state), whole(run(events.slice(0, i + 1))));
        }
      }
    }),
    { numRuns: 15 },
  );
});

test('no entry makes the reducer throw', (t) => {
  fc.assert(
    fc.property(fc.array(fc.record({ key: fc.oneof(fc.string(), fc.constantFrom('west.meta', 'members.west')), value: fc.uint8Array({ maxLength: 60 }) }), { maxLength: 20 }), (entries) => {
      const events = entries.map((entry): BusEvent => ({ kind: 'entry', revision: 1, ...entry }));
      t.is(views(run(events)).size, 0);
    }),
  );
});
