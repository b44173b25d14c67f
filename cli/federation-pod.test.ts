import type { V1Pod } from '@kubernetes/client-node';
import test from 'ava';
import { chooseFederationPod } from './federation-pod.ts';

function pod(name: string, changes: { phase?: string; ready?: boolean; leaving?: boolean; minute?: number } = {}): V1Pod {
  const { phase = 'Running', ready = true, leaving = false, minute = 0 } = changes;
  return {
    metadata: { name, creationTimestamp: new Date(Date.UTC(2026, 0, 1, 0, minute)), ...(leaving ? { deletionTimestamp: new Date() } : {}) },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

test('the youngest pod that runs, is ready and stays is chosen', (t) => {
  const pods = [pod('old', { minute: 1 }), pod('young', { minute: 2 }), pod('leaving', { minute: 3, leaving: true }), pod('unready', { minute: 4, ready: false }), pod('done', { minute: 5, phase: 'Succeeded' })];
  t.deepEqual(chooseFederationPod(pods, 'ns'), { ok: true, value: 'young' });
});

test('none and none that is ready are told apart', (t) => {
  const code = (pods: V1Pod[]): string => {
    const chosen = chooseFederationPod(pods, 'ns');
    return chosen.ok ? '' : chosen.error.code;
  };
  t.is(code([]), 'federation-not-installed');
  t.is(code([pod('a', { ready: false }), pod('b', { phase: 'Pending' }), pod('c', { leaving: true }), {}]), 'federation-not-ready');
});
