import { createPublicKey } from 'node:crypto';
import type { RecordBody } from '@landbridge/core/records.ts';
import test from 'ava';
import fc from 'fast-check';
import { exampleAuthority, exampleKeys, exampleMemberBytes, service, wish } from './example-records.ts';
import { OwnRecords, type SignedRecord } from './own-records.ts';
import { emptyPeers, type PeerState, reducePeers, views } from './peer-table.ts';

const keys = exampleKeys();
const member = exampleMemberBytes('west', keys);
const NAMES = ['a', 'b', 'c'];

interface Replica {
  readonly own: OwnRecords;
  /** Entries of the bus that it has not read yet. */
  readonly unread: [string, Uint8Array][];
  leads: boolean;
}

/** Puts that are under way and arrive in any order, each once. */
interface Flying {
  readonly record: SignedRecord;
  readonly stored: () => void;
}

type Step = { readonly kind: 'wish'; readonly ports: readonly (number | undefined)[] } | { readonly kind: 'lead'; readonly replica: number } | { readonly kind: 'send' | 'arrive'; readonly index: number } | { readonly kind: 'read'; readonly replica: number } | { readonly kind: 'lose'; readonly index: number } | { readonly kind: 'wipe' };

/** Two replicas of one cluster at one bus, and a peer that reads everything. */
class Model {
  nowMs = 1_000_000;
  desired: ReadonlyMap<string, RecordBody> = new Map();
  readonly replicas: readonly Replica[];
  readonly flying: Flying[] = [];
  peer: PeerState = reducePeers(emptyPeers(exampleAuthority.publicKey), { kind: 'entry', key: 'members.west', value: member, revision: 1 }, 1);
  readonly #bus = new Map<string, Uint8Array>();

  constructor() {
    this.replicas = [false, true].map((follows) => ({ own: new OwnRecords({ cluster: 'west', privateKey: keys.privateKey, publicKey: createPublicKey(keys.privateKey), clock: () => this.nowMs, follows }), unread: [], leads: !follows }));
  }

  step(step: Step): void {
    this.nowMs += 7;
    switch (step.kind) {
      case 'wish':
        this.desired = wish(...NAMES.flatMap((name, i) => (step.ports[i] === undefined ? [] : [service(name, step.ports[i])])));
        return;
      case 'lead':
        return this.#lead(step.replica);
      case 'send':
        return this.#send();
      case 'arrive':
        return this.#arrive(step.index);
      case 'read':
        return this.read(this.replicas[step.replica] as Replica, 1);
      case 'lose':
        return this.#lose(step.index);
      case 'wipe':
        this.#bus.clear();
        for (const { own, unread } of this.replicas) {
          unread.length = 0;
          own.lost();
        }
        return;
      default:
        return step satisfies never;
    }
  }

  get #leader(): OwnRecords {
    return (this.replicas.find(({ leads }) => leads) as Replica).own;
  }

  #lead(index: number): void {
    this.replicas.forEach((replica, i) => {
      if (i === index && !replica.leads) replica.own.lead({ goesOn: true });
      if (i !== index && replica.leads) replica.own.follow();
      replica.leads = i === index;
    });
  }

  /** The leader sends all that it would, as its parallel writers do. */
  #send(): void {
    const own = this.#leader;
    const sync = own.syncToWrite(this.desired);
    for (const record of [...own.toWrite(this.desired), ...(sync === undefined ? [] : [sync])]) this.flying.push({ record, stored: own.attempt(record) });
  }

  /** The bus loses an entry without a word, and a reader asks whoever leads to look. */
  #lose(index: number): void {
    const lost = [...this.#bus.keys()][index % Math.max(1, this.#bus.size)] ?? '';
    this.#bus.delete(lost);
    for (const { unread } of this.replicas) unread.splice(0, Number.POSITIVE_INFINITY, ...unread.filter(([key]) => key !== lost));
    this.#look();
  }

  /** Returns how many records the leader misses. */
  #look(): number {
    const own = this.#leader;
    return own.missing([...own.held()].filter(([key]) => !this.#bus.has(key)));
  }

  /** The peer sends its newest `sync` where the leader's beats are of an older epoch. */
  #remind(): boolean {
    const sync = this.peer.tables.get('west')?.sync;
    return sync !== undefined && this.#leader.remember(sync);
  }

  #arrive(index: number): void {
    const [flying] = this.flying.splice(index % Math.max(1, this.flying.length), 1);
    if (flying === undefined) return;
    const { key, bytes } = flying.record;
    this.#bus.set(key, bytes);
    for (const { unread } of this.replicas) unread.push([key, bytes]);
    this.peer = reducePeers(this.peer, { kind: 'entry', key: `west.${key}`, value: bytes, revision: 1 }, this.nowMs);
    flying.stored();
  }

  read({ own, unread }: Replica, most: number): void {
    for (const [key, bytes] of unread.splice(0, most)) own.saw(key, bytes);
  }

  /** Everything arrives, and is read, until there is nothing to write. Returns how many writes it took. */
  calm(): number {
    let writes = 0;
    for (let round = 0; round < 50; round++) {
      this.nowMs += 60_000;
      while (this.flying.length > 0) this.#arrive(0);
      for (const replica of this.replicas) this.read(replica, Number.POSITIVE_INFINITY);
      this.#send();
      writes += this.flying.length;
      // What is put right waits for its time. Readers ask, and remind, for as long as there is something to say: who led when it was lost may not have known of it.
      if (this.flying.length === 0 && this.#leader.isDone(this.desired) && this.#look() === 0 && !this.#remind()) return writes;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** What the peer knows of services, as `name port`. */
  get known(): string[] {
    return [...(views(this.peer).get('west')?.services.values() ?? [])].map(({ name, ports }) => `${name} ${ports[0]?.port}`).sort();
  }

  /** Wished records that are not on the bus. */
  get absent(): string[] {
    return [...this.desired.keys()].filter((key) => !this.#bus.has(key));
  }

  get wished(): string[] {
    return [...this.desired.values()].flatMap((body) => (body.kind === 'svc' ? [`${body.name} ${body.ports[0]?.port}`] : [])).sort();
  }
}

const port = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined });
const replica = fc.nat({ max: 1 });
const steps: fc.Arbitrary<Step[]> = fc.array(fc.oneof<fc.Arbitrary<Step>[]>(
  fc.record({ kind: fc.constant('wish' as const), ports: fc.tuple(port, port, port) }),
  fc.record({ kind: fc.constant('lead' as const), replica }),
  fc.record({ kind: fc.constantFrom('send' as const, 'arrive' as const, 'arrive' as const), index: fc.nat({ max: 5 }) }),
  fc.record({ kind: fc.constant('read' as const), replica }),
  fc.record({ kind: fc.constant('lose' as const), index: fc.nat({ max: 5 }) }),
  fc.constant({ kind: 'wipe' as const }),
), { maxLength: 60 });

test('whoever leads in whatever order writes arrive, peers end with what was wished last, and a complete snapshot', (t) => {
  let changes = 0;
  fc.assert(fc.property(steps, (all) => {
    const model = new Model();
    for (const step of all) model.step(step);
    model.calm();
    changes += model.wished.length;
    if (model.known.join() !== model.wished.join() || model.absent.length > 0) return false;
    return views(model.peer).get('west')?.complete === true && model.calm() === 0;
  }), { numRuns: 300 });
  t.true(changes > 50);
});

test('once all is quiet, a change of the leader costs no write at all', (t) => {
  fc.assert(fc.property(fc.tuple(port, port, port), (ports) => {
    const model = new Model();
    model.step({ kind: 'wish', ports });
    model.calm();
    for (const replica of [1, 0, 1]) {
      model.step({ kind: 'lead', replica });
      if (model.calm() !== 0) return false;
    }
    return true;
  }), { numRuns: 50 });
  t.pass();
});

test('a last write of the one who led before, which arrives when another leads, costs what it is about', (t) => {
  // The next leader says something else, before or after it arrives, or what was there before.
  for (const { port, order } of [{ port: 3, order: [0, 0] }, { port: 3, order: [1, 0] }, { port: 1, order: [0] }]) {
    const model = new Model();
    model.step({ kind: 'wish', ports: [1, 1, 1] });
    model.calm();
    model.step({ kind: 'wish', ports: [2, 1, 1] });
    model.step({ kind: 'send', index: 0 });
    model.step({ kind: 'lead', replica: 1 });
    model.step({ kind: 'wish', ports: [port, 1, 1] });
    model.step({ kind: 'send', index: 0 });
    t.is(model.flying.length, order.length);
    for (const index of order) model.step({ kind: 'arrive', index });
    // The record, and the one that closes the snapshot.
    t.true(model.calm() <= 2);
    t.deepEqual([model.known, views(model.peer).get('west')?.complete], [[`a ${port}`, 'b 1', 'c 1'], true]);
    t.is(model.calm(), 0);
  }
});

test('two writers of one version that say different things are told apart by a new epoch', (t) => {
  const make = (): OwnRecords => new OwnRecords({ cluster: 'west', privateKey: keys.privateKey, publicKey: createPublicKey(keys.privateKey), clock: () => 1000 });
  const [a, b] = [make(), make()];
  const [ofA] = a.toWrite(wish(service('a', 1)));
  const [ofB] = b.toWrite(wish(service('a', 2)));
  t.deepEqual([ofA?.epoch, ofA?.gen], [ofB?.epoch, ofB?.gen]);
  t.true(b.saw('svc.shop.a', ofA?.bytes ?? new Uint8Array()));
  t.deepEqual([...b.toWrite(wish(service('a', 2)))], [], 'not at once: the other one may do the same');
});

test('what the bus has never had is written before what it has lost', (t) => {
  const own = new OwnRecords({ cluster: 'west', privateKey: keys.privateKey, publicKey: createPublicKey(keys.privateKey), clock: () => 1 });
  const [before, after] = [wish(service('a'), service('b'), service('c')), wish(service('a'), service('b', 2), service('c'), service('d'))];
  for (const record of own.toWrite(before)) own.attempt(record)();
  own.lost();
  const written = (): readonly string[] => [...own.toWrite(after)].map(({ key }) => key);
  const expected = ['svc.shop.b', 'svc.shop.d', 'svc.shop.a', 'svc.shop.c'];
  t.deepEqual(written(), expected);
  t.deepEqual(written(), expected, 'also where the first attempt was in vain');
});
