import { LandbridgeError } from '@landbridge/core/errors.ts';
import test from 'ava';
import pino from 'pino';
import { PodAccelerations } from './pod-accelerations.ts';

const handles = { sockets: 1, directions: 2, readers: 3 };
const pod = (uid: string): { uid: string; name: string; namespace: string } => ({ uid, name: `pod-${uid}`, namespace: 'demo' });

function recorder(fails = false): { readonly calls: string[]; readonly lines: string[]; readonly accelerations: PodAccelerations } {
  const calls: string[] = [];
  const lines: string[] = [];
  const open = (): ReturnType<ConstructorParameters<typeof PodAccelerations>[0]> => {
    if (fails) throw new LandbridgeError('acceleration-unfit', 'this kernel can not', { hint: 'Remove the label.' });
    calls.push('open');
    return { handles, admit: (cookie: bigint) => void calls.push(`admit ${cookie}`), dismiss: (cookie: bigint) => void calls.push(`dismiss ${cookie}`), [Symbol.dispose]: () => void calls.push('close') };
  };
  return { calls, lines, accelerations: new PodAccelerations(open, pino({ base: null }, { write: (line: string) => void lines.push(line) })) };
}

test('nothing is attached before a pod asks, nor after the last one is gone', (t) => {
  const { calls, accelerations } = recorder();
  accelerations.dismiss('a');
  t.deepEqual(calls, []);
  t.is(accelerations.admit(pod('a'), 7n), handles);
  accelerations.admit(pod('b'), 8n);
  accelerations.dismiss('a');
  t.deepEqual(calls, ['open', 'admit 7', 'admit 8', 'dismiss 7']);
  accelerations.dismiss('b');
  t.deepEqual(calls.splice(0), ['open', 'admit 7', 'admit 8', 'dismiss 7', 'dismiss 8', 'close']);
  accelerations.admit(pod('c'), 9n);
  accelerations[Symbol.dispose]();
  t.deepEqual(calls, ['open', 'admit 9', 'close']);
});

test('where the kernel can not, the pod is named, and goes on without', (t) => {
  const { lines, accelerations } = recorder(true);
  t.is(accelerations.admit(pod('a'), 7n), undefined);
  t.like(JSON.parse(lines[0] ?? ''), { pod: 'pod-a', namespace: 'demo', code: 'acceleration-unfit', error: 'this kernel can not', hint: 'Remove the label.' });
  accelerations.dismiss('a');
});
