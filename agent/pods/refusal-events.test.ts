import test from 'ava';
import pino from 'pino';
import { RefusalEvents } from './refusal-events.ts';
import type { Sandbox } from './sandbox.ts';
import { TestGate } from './test-gate.ts';

interface Made {
  readonly path: string;
  readonly event: { readonly involvedObject: object; readonly message: string; readonly count: number; readonly metadata: { readonly name: string } };
}

function setUp(): { readonly made: Made[]; readonly inner: TestGate; readonly gate: RefusalEvents } {
  const made: Made[] = [];
  const inner = new TestGate();
  inner.answer = async () => ({ kind: 'refused', reason: 'it is not known' });
  const client = { create: async (path: string, event: object) => void made.push({ path, event: event as Made['event'] }) };
  return { made, inner, gate: new RefusalEvents(inner, client, 'n', pino({ level: 'silent' })) };
}

const sandbox = (uid = 'u1', name = 'one'): Sandbox => ({ uid, namespace: 'demo', name, addresses: ['10.0.0.1'], namespacePath: '/run/netns/x' });
const never = new AbortController().signal;

test('a pod that is refused has an event with the reason; others have none', async (t) => {
  const { made, inner, gate } = setUp();
  t.deepEqual(await gate.admit(sandbox(), never), { kind: 'refused', reason: 'it is not known' });
  t.is(made.length, 1);
  t.is(made[0]?.path, '/api/v1/namespaces/demo/events');
  t.like(made[0]?.event, { involvedObject: { kind: 'Pod', namespace: 'demo', name: 'one', uid: 'u1' }, message: 'Landbridge lets the pod not start: it is not known', type: 'Warning', count: 1 } as object);
  for (const kind of ['captured', 'not-in-mesh'] as const) {
    inner.answer = async () => ({ kind });
    t.deepEqual(await gate.admit(sandbox('u2'), never), { kind });
  }
  t.is(made.length, 1);
});

test('a pod that is refused again and again, and many pods, make few events', async (t) => {
  const { made, gate } = setUp();
  for (let round = 0; round < 10; round++) await gate.admit(sandbox(), never);
  t.is(made.length, 1);
  for (let pod = 0; pod < 200; pod++) await gate.admit(sandbox(`v${pod}`, `${'long-'.repeat(60)}${pod}`), never);
  // Twenty at once, and one a second.
  t.true(made.length >= 20 && made.length < 60, `${made.length} events`);
  t.true(made.every(({ event }) => event.metadata.name.length <= 253));
});

test('an API server that takes no events changes nothing', async (t) => {
  const inner = new TestGate();
  inner.answer = async () => ({ kind: 'refused', reason: 'x' });
  const create = async (): Promise<void> => await Promise.reject(new Error('away'));
  const gate = new RefusalEvents(inner, { create }, 'n', pino({ level: 'silent' }));
  t.like(await gate.admit(sandbox(), never), { kind: 'refused' });
  await gate.end(sandbox());
  t.is(inner.ended.length, 1);
});
