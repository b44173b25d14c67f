import { fstatSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { FileDescriptor } from '@landbridge/native/libc.ts';
import test, { type ExecutionContext } from 'ava';
import pino from 'pino';
import type { NodePod } from './local-pod.ts';
import { TestGate } from './test-gate.ts';
import { TestIstioCni, type TestZdsConnection } from './test-istio-cni.ts';
import { type NamespaceFacts, ZdsPods } from './zds-pods.ts';

const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });

interface Setup extends AsyncDisposable {
  readonly istio: TestIstioCni;
  readonly gate: TestGate;
  readonly pods: ZdsPods;
  readonly connection: TestZdsConnection;
  /** A file that stands for a network namespace. */
  readonly namespace: (name: string) => string;
  readonly addresses: Map<string, string>;
  readonly snapshots: () => number;
}

/** After hello. One at a time: each end that waits holds one of libuv's four threads. */
async function open(t: ExecutionContext, { pendingRetryMs = 60_000, answerMs = 20_000 } = {}): Promise<Setup> {
  const istio = new TestIstioCni();
  const addresses = new Map<string, string>();
  const lookAt = ({ number }: FileDescriptor): NamespaceFacts => {
    const name = path.basename(readlinkSync(`/proc/self/fd/${number}`));
    return { inode: fstatSync(number).ino, isOfNode: name === 'node', addresses: name === 'addressless' ? [] : [addresses.get(name) ?? '10.0.0.1'] };
  };
  const gate = new TestGate();
  let snapshots = 0;
  const pods = new ZdsPods({ socket: istio.socket, lookAt, pendingRetryMs, answerMs, onSynchronized: () => void snapshots++, log });
  const stop = new AbortController();
  const running = pods.run(gate, stop.signal);
  // It came first.
  istio.start();
  const connection = await istio.accept();
  t.is(await connection.hello(), 1);
  return {
    istio,
    gate,
    pods,
    connection,
    addresses,
    snapshots: () => snapshots,
    namespace: (name) => {
      const file = path.join(istio.directory, name);
      writeFileSync(file, '');
      return file;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      istio[Symbol.dispose]();
    },
  };
}

async function known(pods: ZdsPods): Promise<readonly NodePod[]> {
  for await (const set of pods.watch(AbortSignal.timeout(20_000))) return set;
  return [];
}
const uids = async (pods: ZdsPods): Promise<string> => (await known(pods)).map(({ uid }) => uid).sort().join(' ');

test.serial('a pod is known with all that istio-cni says of it, and answered for once it is captured', async (t) => {
  await using setup = await open(t);
  setup.addresses.set('net-a', '10.1.0.7');
  t.is(await setup.connection.add('uid-a', setup.namespace('net-a'), 'cart'), '');
  t.deepEqual(await known(setup.pods), [{ uid: 'uid-a', namespace: 'demo', name: 'cart', serviceAccount: 'sa', addresses: ['10.1.0.7'], announced: true, wantsAcceleration: false, isInMesh: true, hasEnded: false }]);
  const [sandbox] = setup.gate.asked;
  t.like(sandbox, { uid: 'uid-a', namespace: 'demo', name: 'cart', addresses: ['10.1.0.7'] });
  t.is(readlinkSync(sandbox?.namespacePath ?? ''), path.join(setup.istio.directory, 'net-a'));
  t.is(setup.snapshots(), 0);
  t.is(await setup.connection.snapshotSent(), '');
  t.is(setup.snapshots(), 1);
});

test.serial('whoever watches is told at once and after each change', async (t) => {
  await using setup = await open(t);
  const sets = setup.pods.watch(AbortSignal.timeout(20_000))[Symbol.asyncIterator]();
  t.deepEqual(await sets.next(), { done: false, value: [] });
  const next = sets.next();
  await setup.connection.add('uid-a', setup.namespace('a'));
  t.is((await next).value?.length, 1);
  const later = sets.next();
  await setup.connection.delete('uid-a');
  t.deepEqual(await later, { done: false, value: [] });
  const stop = new AbortController();
  const aborted = setup.pods.watch(stop.signal)[Symbol.asyncIterator]();
  await aborted.next();
  stop.abort();
  t.true((await aborted.next()).done);
});

test.serial('a pod that can not be captured is refused, tried again, and tried no more once it is', async (t) => {
  await using setup = await open(t, { pendingRetryMs: 20 });
  const asked = { a: 0, b: 0 };
  const enough = Promise.withResolvers<void>();
  setup.gate.answer = async ({ uid }) => {
    const times = ++asked[uid as keyof typeof asked];
    if (uid === 'b' && times === 5) enough.resolve();
    return uid === 'a' && times === 2 ? { kind: 'captured' } : { kind: 'refused', reason: 'the port is taken' };
  };
  t.is(await setup.connection.add('a', setup.namespace('a')), 'the port is taken');
  t.is(await setup.connection.add('b', setup.namespace('b')), 'the port is taken');
  t.is(await uids(setup.pods), 'a b', 'they are wanted still');
  await enough.promise;
  t.is(asked.a, 2);
});

test.serial('pods that a snapshot does not name are gone, those that it keeps are not', async (t) => {
  await using setup = await open(t);
  for (const uid of ['a', 'b', 'c']) await setup.connection.add(uid, setup.namespace(uid));
  await setup.connection.snapshotSent();
  setup.connection.close();
  const second = await setup.istio.accept();
  await second.hello();
  t.is(await uids(setup.pods), 'a b c', 'nothing is gone with the connection');
  t.is(await second.add('a', setup.namespace('a')), '');
  t.is(await second.keep('b'), '');
  t.is(await uids(setup.pods), 'a b c');
  t.deepEqual(setup.gate.ended, []);
  t.is(await second.snapshotSent(), '');
  t.is(await uids(setup.pods), 'a b');
  t.deepEqual(setup.gate.ended.map(({ uid }) => uid), ['c']);
  t.is(setup.snapshots(), 2);
});

test.serial('nothing is dropped where the connection breaks within the snapshot', async (t) => {
  await using setup = await open(t);
  for (const uid of ['a', 'b']) await setup.connection.add(uid, setup.namespace(uid));
  await setup.connection.snapshotSent();
  setup.connection.close();
  const second = await setup.istio.accept();
  await second.hello();
  await second.keep('a');
  second.close();
  const third = await setup.istio.accept();
  await third.hello();
  t.is(await uids(setup.pods), 'a b');
});

test.serial('a deletion ends the capture before it is answered, and lets go of the namespace', async (t) => {
  await using setup = await open(t);
  await setup.connection.add('a', setup.namespace('a'));
  const isOpen = (): boolean => readdirSync('/proc/self/fd').some((fd) => link(fd) === path.join(setup.istio.directory, 'a'));
  t.true(isOpen());
  t.is(await setup.connection.delete('a'), '');
  t.deepEqual(setup.gate.ended.map(({ uid }) => uid), ['a']);
  t.false(isOpen());
  t.is(await setup.connection.delete('a'), '', 'it is gone already');
  t.is(await uids(setup.pods), '');
});

function link(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // Of the listing itself.
    return '';
  }
}

test.serial('a pod with another network namespace is another sandbox; with the same one it is the same', async (t) => {
  await using setup = await open(t);
  await setup.connection.add('a', setup.namespace('a1'));
  await setup.connection.add('a', setup.namespace('a1'));
  t.deepEqual(setup.gate.ended, []);
  setup.addresses.set('a2', '10.0.0.9');
  t.is(await setup.connection.add('a', setup.namespace('a2')), '');
  t.is(setup.gate.ended.length, 1);
  t.is((await known(setup.pods))[0]?.addresses[0], '10.0.0.9');
});

test.serial('an answer comes in time, whatever the capture does, and a deletion is not held up by it', async (t) => {
  await using setup = await open(t, { answerMs: 20 });
  setup.gate.answer = async (_, signal) => await new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'refused', reason: 'no time' })));
  t.is(await setup.connection.add('a', setup.namespace('a')), 'no time');
  t.is(await setup.connection.delete('a'), '');
});

for (const [what, ask, expected] of [
  ['without a namespace', async ({ connection }: Setup) => await connection.add('a', undefined), 'pod a came with 0 descriptors'],
  ['in the network of the node', async ({ connection, namespace }: Setup) => await connection.add('a', namespace('node')), 'pod a has the network of its node'],
  ['without an address', async ({ connection, namespace }: Setup) => await connection.add('a', namespace('addressless')), 'pod a has no address'],
  ['that nobody knows', async ({ connection }: Setup) => await connection.keep('a'), 'nothing is known of pod a'],
] as const) {
  test.serial(`a pod ${what} is refused, and the connection goes on`, async (t) => {
    await using setup = await open(t);
    t.is(await ask(setup), expected);
    t.is(await uids(setup.pods), '');
    t.is(await setup.connection.add('b', setup.namespace('b')), '');
  });
}

for (const [what, packet] of [
  ['no protobuf', Buffer.from('ff')],
  ['no request', Buffer.from('0a00')],
  ['a packet that is too long', Buffer.alloc(1025)],
] as const) {
  test.serial(`${what} is answered, and the connection begins anew`, async (t) => {
    await using setup = await open(t);
    t.not(await setup.connection.askRaw(packet), '');
    t.true(await setup.connection.isClosed());
    const second = await setup.istio.accept();
    t.is(await second.hello(), 1);
    t.is(await second.snapshotSent(), '');
  });
}

test.serial('istio-cni may be away at first, and go and come again', async (t) => {
  await using setup = await open(t);
  await setup.connection.add('a', setup.namespace('a'));
  setup.istio.stop();
  setup.connection.close();
  setup.istio.start();
  const second = await setup.istio.accept();
  t.is(await second.hello(), 1);
  t.is(await uids(setup.pods), 'a');
});

test.serial('it ends with its signal, also in the middle of a capture', async (t) => {
  const setup = await open(t);
  setup.gate.answer = async (_, signal) => await new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'refused', reason: 'stopped' })));
  void setup.connection.add('a', setup.namespace('a')).catch(() => {});
  await setup[Symbol.asyncDispose]();
  t.true(true);
});
