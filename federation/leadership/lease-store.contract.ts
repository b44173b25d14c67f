/** What every store of a Lease does; run against each kind of it by lease-store.test.ts. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { ExecutionContext, SerialFn, TestFn } from 'ava';
import type { LeaseChange, LeaseStore } from './lease-store.ts';

export interface LeaseStoreUnderTest {
  readonly store: LeaseStore;
  /** Somebody else removes the Lease. */
  remove(): Promise<void>;
}

const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const taken = (holder: string, changes: Partial<LeaseChange> = {}): LeaseChange => ({ holder, durationMs: 15_000, transitions: 0, isTaken: true, ...changes });

async function conflicts(t: ExecutionContext, promise: Promise<unknown>): Promise<void> {
  t.is((await t.throwsAsync(promise, { instanceOf: LandbridgeError }))?.code, 'conflict');
}

export function leaseStoreContract(test: TestFn | SerialFn, name: string, open: () => Promise<LeaseStoreUnderTest>): void {
  test(`${name}: a Lease is made once, and read as it was written`, async (t) => {
    const { store } = await open();
    t.is(await store.read(soon()), undefined);
    const made = await store.write(taken('a_1'), undefined, soon());
    t.like(made, { holder: 'a_1', durationMs: 15_000, transitions: 0 });
    t.deepEqual(await store.read(soon()), made);
    await conflicts(t, store.write(taken('b_1'), undefined, soon()));
    t.deepEqual(await store.read(soon()), made);
  });

  test(`${name}: of two who write over one version, one does`, async (t) => {
    const { store } = await open();
    const made = await store.write(taken('a_1'), undefined, soon());
    const results = await Promise.allSettled(['b_1', 'c_1'].map(async (holder) => await store.write(taken(holder, { transitions: 1 }), made, soon())));
    t.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    const now = await store.read(soon());
    t.like(now, { transitions: 1 });
    t.not(now?.version, made.version);
    await conflicts(t, store.write(taken('a_1', { isTaken: false }), made, soon()));
  });

  test(`${name}: a renewal is another version, and a release leaves it to nobody`, async (t) => {
    const { store } = await open();
    const made = await store.write(taken('a_1'), undefined, soon());
    // An API server that finds nothing changed writes nothing.
    await new Promise((resolve) => setTimeout(resolve, 5));
    const renewed = await store.write(taken('a_1', { isTaken: false }), made, soon());
    t.not(renewed.version, made.version);
    t.like(await store.write(taken('', { isTaken: false, durationMs: 1000 }), renewed, soon()), { holder: '', durationMs: 1000 });
  });

  test(`${name}: one that was removed is not written over`, async (t) => {
    const { store, remove } = await open();
    const made = await store.write(taken('a_1'), undefined, soon());
    await remove();
    t.is(await store.read(soon()), undefined);
    await conflicts(t, store.write(taken('a_1'), made, soon()));
    t.like(await store.write(taken('b_1'), undefined, soon()), { holder: 'b_1' });
  });
}
