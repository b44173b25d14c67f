import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import pino from 'pino';
import { readEnvironment } from '../config.ts';
import { Readiness } from '../readiness.ts';
import { KubernetesPodSource } from './kubernetes-pod-source.ts';
import { podFeeds } from './pod-feeds.ts';
import { StaticPods } from './static-pods.ts';
import { ZdsPods } from './zds-pods.ts';

const log = pino({ level: 'silent' });
const complete = { XDS_ADDRESS: 'https://a:1', CA_ADDRESS: 'https://a:1', XDS_ROOT_CA: '/r', CA_ROOT_CA: '/r', CLUSTER_ID: 'east', TRUST_DOMAIN: 'east.example', NODE_NAME: 'n', POD_NAME: 'p', POD_NAMESPACE: 'ns', KUBERNETES_SERVICE_HOST: '10.96.0.1' };

function feeds(environment: Readonly<Record<string, string>>): { readonly source: unknown; readonly feeds: number; readonly pending: readonly string[] } {
  const readiness = new Readiness();
  const made = podFeeds(readEnvironment({ ...complete, ...environment }), readiness, log);
  return { source: made.source.constructor, feeds: made.feeds.length, pending: readiness.pending() };
}

test('the API server is the source by itself, and beside NRI', (t) => {
  // One watches whether the agent is uninstalled.
  t.deepEqual(feeds({}), { source: KubernetesPodSource, feeds: 1, pending: [] });
  t.deepEqual(feeds({ NRI_SOCKET: '/run/nri.sock' }), { source: KubernetesPodSource, feeds: 2, pending: [] });
});

test('an agent whose gate is NRI is not ready before the runtime asks it', (t) => {
  t.deepEqual(feeds({ NRI_SOCKET: '/run/nri.sock', GATE: 'nri' }), { source: KubernetesPodSource, feeds: 2, pending: ['container runtime'] });
  t.throws(() => feeds({ GATE: 'nri' }), { code: 'bad-config', message: /NRI_SOCKET/ });
});

test('an agent whose gate is its CNI plugin is not ready before that is in place', (t) => {
  t.deepEqual(feeds({ CNI_SOCKET: '/run/landbridge/cni.sock', NRI_SOCKET: '/run/nri.sock' }), { source: KubernetesPodSource, feeds: 3, pending: ['CNI plugin'] });
  t.deepEqual(feeds({ CNI_SOCKET: '/run/landbridge/cni.sock', NRI_SOCKET: '/run/nri.sock', GATE: 'nri' }), { source: KubernetesPodSource, feeds: 2, pending: ['container runtime'] });
});

test('istio-cni is the source and asks, whatever the gate is, and no API server is needed', (t) => {
  t.deepEqual(feeds({ POD_SOURCE: 'zds', GATE: 'nri', KUBERNETES_SERVICE_HOST: '' }), { source: ZdsPods, feeds: 1, pending: ['istio-cni'] });
});

test('a file is the source without any API server; one that is wrong is named', (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-pods-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'pods.json');
  writeFileSync(file, '[]');
  const environment = { POD_SOURCE: 'static', STATIC_PODS: file, KUBERNETES_SERVICE_HOST: '' };
  t.deepEqual(feeds(environment), { source: StaticPods, feeds: 1, pending: [] });
  writeFileSync(file, '{}');
  t.throws(() => feeds(environment), { code: 'bad-config', message: `STATIC_PODS ${file}: the list: must be array` });
  t.throws(() => feeds({ ...environment, STATIC_PODS: '' }), { code: 'bad-config', message: /can not be read: ENOENT/ });
});
