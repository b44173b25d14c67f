import test from 'ava';
import { type DirectClient, MAX_POD_BACKENDS, TAKEN_BACK_MS, UNUSED_MS } from './direct-traffic.ts';
import type { DirectPlan } from './direct-plan.ts';
import { fakeKernel } from './test-kernel.ts';
import { workloadLabels } from './test-reports.ts';

const destination = { ip: '10.96.0.10', port: 80 };
const client: DirectClient = { uid: 'uid-a', netnsCookie: 7n, labels: workloadLabels('web') };
const backend = (n: number): DirectPlan['backends'][number] => ({ address: { ip: `10.0.0.${n}`, port: 8080 }, weight: 1, labels: workloadLabels(`cart-${n}`) });
const service = { hostname: 'cart.shop.svc.cluster.local', namespace: 'shop', name: 'cart' };
const one: DirectPlan = { service, backends: [backend(1)] };
const two: DirectPlan = { service, backends: [backend(1), backend(2)] };

test('what the kernel counts is told with the labels of pod, backend and service, each time what is new', async (t) => {
  const { traffic, happens, deltas } = fakeKernel();
  traffic.offer('k', client, destination, two);
  happens(1n, 1, { opened: 3, completed: 1, broken: 1, sentBytes: 100, receivedBytes: 500 });
  await traffic.read();
  t.deepEqual(deltas.splice(0), [{ series: 1, labels: { direction: 'outbound', carriage: 'plain', source: client.labels, destination: workloadLabels('cart-2'), service }, opened: 3, closed: [['-', 1], ['CONNECT', 1]], failed: 1, sentBytes: 100, receivedBytes: 500 }]);
  await traffic.read();
  t.deepEqual(deltas, []);
  happens(1n, 1, { opened: 3, completed: 2, broken: 1, sentBytes: 150, receivedBytes: 600 });
  await traffic.read();
  t.deepEqual(deltas, [{ series: 1, labels: undefined, opened: 0, closed: [['-', 1]], failed: 0, sentBytes: 50, receivedBytes: 100 }]);
});

test('a connection that could not be made was opened and failed, as the agent counts it', async (t) => {
  const { traffic, happens, deltas } = fakeKernel();
  traffic.offer('k', client, destination, one);
  happens(1n, 0, { failed: 2 });
  await traffic.read();
  t.like(deltas[0], { opened: 2, closed: [['CONNECT', 2]], failed: 2 });
  t.true(traffic.has('k'), 'the agent knows no other way either');
});

test('where a backend fails that is not the only one, the agent takes over for a while', async (t) => {
  const { traffic, happens, live, pass } = fakeKernel();
  traffic.offer('k', client, destination, two);
  happens(1n, 0, { failed: 1 });
  await traffic.read();
  t.deepEqual(live(), []);
  pass(TAKEN_BACK_MS - 1);
  await traffic.read();
  t.deepEqual(live(), []);
  pass(1);
  await traffic.read();
  t.deepEqual(live(), [2n]);
  happens(2n, 0, { failed: 1 });
  await traffic.read();
  traffic.withdraw(['k']);
  pass(TAKEN_BACK_MS);
  await traffic.read();
  t.deepEqual(live(), [], 'its plan has changed meanwhile');
});

test('what was begun before the agent took over goes on, until the plan changes or another offer is made', async (t) => {
  for (const end of ['withdraw', 'withdrawPod', 'offer', 'wait'] as const) {
    const { traffic, happens, live, retired, pass } = fakeKernel();
    traffic.offer('k', client, destination, two);
    happens(1n, 0, { failed: 1 });
    await traffic.read();
    t.deepEqual([live(), retired()], [[], [1n]]);
    if (end === 'withdraw') traffic.withdraw(['k']);
    else if (end === 'withdrawPod') traffic.withdrawPod('uid-a');
    else if (end === 'offer') traffic.offer('k', client, destination, two);
    else {
      pass(TAKEN_BACK_MS);
      await traffic.read();
    }
    t.deepEqual(retired(), [], end);
    t.is(live().length, end === 'offer' || end === 'wait' ? 1 : 0, end);
  }
});

test('an offer for which there is no room leaves nothing of the one before', (t) => {
  const { traffic, live } = fakeKernel();
  traffic.offer('k', client, destination, one);
  traffic.offer('k', client, destination, { service, backends: Array.from({ length: MAX_POD_BACKENDS + 1 }, () => backend(1)) });
  t.deepEqual(live(), []);
  t.false(traffic.has('k'));
});

test('an offer takes the place of the one before', (t) => {
  const { traffic, live } = fakeKernel();
  traffic.offer('k', client, destination, one);
  traffic.offer('k', client, destination, two);
  t.deepEqual(live(), [2n]);
  traffic.withdraw(['k', 'unknown']);
  t.deepEqual(live(), []);
  t.false(traffic.has('k'));
});

test('what nobody uses leaves the kernel, and its owner is told', async (t) => {
  const { traffic, happens, live, pass } = fakeKernel();
  const unused: string[] = [];
  traffic.onUnused = (key) => unused.push(key);
  traffic.offer('k', client, destination, one);
  pass(UNUSED_MS - 1);
  happens(1n, 0, { opened: 1 });
  await traffic.read();
  pass(UNUSED_MS - 1);
  await traffic.read();
  t.deepEqual(live(), [1n]);
  pass(1);
  await traffic.read();
  t.deepEqual(live(), []);
  t.deepEqual(unused, ['k']);
});

test('connections that outlive their plan are counted to their end', async (t) => {
  const { traffic, happens, known, pass, deltas } = fakeKernel();
  traffic.offer('k', client, destination, one);
  happens(1n, 0, { opened: 2, completed: 1 });
  traffic.withdraw(['k']);
  pass(3600_000);
  await traffic.read();
  t.deepEqual(known(), [1n]);
  happens(1n, 0, { opened: 2, completed: 2, sentBytes: 5 });
  await traffic.read();
  t.like(deltas.at(-1), { closed: [['-', 1]], sentBytes: 5 });
  await traffic.read();
  t.deepEqual(known(), []);
  traffic.offer('k', client, destination, one);
  happens(2n, 0, { opened: 1 });
  await traffic.read();
  t.like(deltas.at(-1), { series: 0, labels: { source: client.labels } }, 'its number is free for others, which tell their labels');
});

test('connections of a pod that is gone end with it', async (t) => {
  const { traffic, happens, live, known, pass, deltas } = fakeKernel();
  const unused: string[] = [];
  traffic.onUnused = (key) => unused.push(key);
  traffic.offer('k', client, destination, one);
  traffic.offer('other', { ...client, uid: 'uid-b' }, destination, one);
  happens(1n, 0, { opened: 3, completed: 1 });
  traffic.withdrawPod(client.uid);
  t.deepEqual(live(), [2n]);
  t.deepEqual(unused, ['k']);
  pass(10_000);
  await traffic.read();
  t.deepEqual(known(), [2n]);
  t.like(deltas.at(-1), { closed: [['CONNECT', 2]], failed: 2 });
});

test('what another agent has taken away is not followed any more, and its connections count as lost', async (t) => {
  const { traffic, happens, clear, deltas } = fakeKernel();
  const unused: string[] = [];
  traffic.onUnused = (key) => unused.push(key);
  traffic.offer('k', client, destination, two);
  happens(1n, 1, { opened: 3, completed: 1 });
  await traffic.read();
  clear();
  await traffic.read();
  t.false(traffic.has('k'));
  t.deepEqual(unused, ['k']);
  t.like(deltas.at(-1), { opened: 0, closed: [['CONNECT', 2]] });
});

test('one pod can not fill the table', async (t) => {
  const { traffic, pass } = fakeKernel();
  for (let i = 0; i < MAX_POD_BACKENDS + 5; i++) traffic.offer(`k${i}`, client, { ip: destination.ip, port: i }, one);
  t.is(traffic.size, MAX_POD_BACKENDS);
  traffic.offer('other', { ...client, uid: 'uid-b' }, destination, one);
  t.true(traffic.has('other'));
  traffic.withdraw(['k0']);
  traffic.offer('again', client, destination, one);
  t.false(traffic.has('again'), 'connections of the first may still be open');
  pass(10_000);
  await traffic.read();
  traffic.offer('again', client, destination, one);
  t.true(traffic.has('again'));
});

test('an agent that ends lets go of all routes, takes no further ones, and counts what is left', async (t) => {
  const { traffic, happens, live, deltas } = fakeKernel();
  const [stop, ended] = [new AbortController(), new AbortController()];
  const running = traffic.run(stop.signal, ended.signal);
  traffic.offer('k', client, destination, one);
  happens(1n, 0, { opened: 1 });
  stop.abort();
  await traffic.read();
  t.deepEqual(live(), []);
  traffic.offer('k', client, destination, one);
  t.deepEqual(live(), []);
  happens(1n, 0, { opened: 1, completed: 1 });
  ended.abort();
  await running;
  t.like(deltas.at(-1), { closed: [['-', 1]] });
});
