import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import test, { type ExecutionContext } from 'ava';
import { type FederationConfig, readConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'landbridge-config-'));
test.after.always(() => rmSync(folder, { recursive: true }));
let files = 0;

function read(content: unknown, environment: Record<string, string> = {}): FederationConfig {
  const file = join(folder, `config-${++files}.json`);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return readConfig({ LANDBRIDGE_CONFIG: file, ...environment });
}

function refused(t: ExecutionContext, content: unknown): string {
  const error = t.throws<LandbridgeError>(() => void read(content), undefined, JSON.stringify(content));
  t.is(error?.code, 'bad-config');
  t.not(error?.hint, undefined);
  return error?.message ?? '';
}

test('what is left out has a default', (t) => {
  t.deepEqual(read({ cluster: { name: 'west' } }), { cluster: 'west', trustDomain: 'west.landbridge', network: '', domain: 'cluster.local', gateways: [], podRanges: [], serviceRanges: [], rootNamespace: 'landbridge-system', istioShape: 'ambient', logLevel: 'info', peers: { stalePolicy: 'deprioritize', staleAfterSeconds: 60, dropAfterSeconds: 0 }, ca: { source: 'self', secret: 'cacerts', directory: '/var/run/landbridge/ca', signerName: '', approves: true, rootsConfigMap: '', rootsKey: 'ca.crt' }, namespace: 'landbridge-system' });
});

test('what is said counts', (t) => {
  const config = read({ cluster: { name: 'west', trustDomain: 'west.example', network: 'n1', domain: 'west.internal', podRanges: ['10.2.0.0/16', 'fd00::/48'], serviceRanges: ['10.97.0.0/16'] }, policies: { rootNamespace: 'istio-system' }, ca: { source: 'secret', secret: 'mesh-ca' }, peers: { stalePolicy: 'drop', staleAfterSeconds: 120, dropAfterSeconds: 3600 }, logLevel: 'debug' }, { POD_NAMESPACE: 'mesh' });
  t.deepEqual(config, { cluster: 'west', trustDomain: 'west.example', network: 'n1', domain: 'west.internal', podRanges: ['10.2.0.0/16', 'fd00::/48'], serviceRanges: ['10.97.0.0/16'], gateways: [], rootNamespace: 'istio-system', istioShape: 'ambient', logLevel: 'debug', peers: { stalePolicy: 'drop', staleAfterSeconds: 120, dropAfterSeconds: 3600 }, ca: { source: 'secret', secret: 'mesh-ca', directory: '/var/run/landbridge/ca', signerName: '', approves: true, rootsConfigMap: '', rootsKey: 'ca.crt' }, namespace: 'mesh' });
});

test('a leaf node has its place by the namespace', (t) => {
  t.deepEqual(read({ cluster: { name: 'west' }, leaf: { enabled: true } }, { POD_NAMESPACE: 'mesh' }).leaf, { url: 'tls://landbridge-leaf.mesh.svc:4222', hubPort: 7422 });
  t.is(read({ cluster: { name: 'west' }, leaf: { enabled: false, hubPort: 1 } }).leaf, undefined);
});

test('endpoints can not go before their cluster is Stale', (t) => {
  t.regex(refused(t, { cluster: { name: 'west' }, peers: { stalePolicy: 'drop', dropAfterSeconds: 59 } }), /dropAfterSeconds/);
  t.is(read({ cluster: { name: 'west' }, peers: { dropAfterSeconds: 60 } }).peers.dropAfterSeconds, 60);
});

test('a signer of the Kubernetes API has a name and roots, and is none of Kubernetes’ own', (t) => {
  const signerName = 'clusterissuers.cert-manager.io/mesh';
  t.like(read({ cluster: { name: 'west' }, ca: { source: 'csr', signerName, rootsConfigMap: 'mesh-roots' } }).ca, { source: 'csr', signerName, rootsConfigMap: 'mesh-roots', rootsKey: 'ca.crt', approves: true });
  for (const ca of [{ signerName }, { rootsConfigMap: 'mesh-roots' }]) t.regex(refused(t, { cluster: { name: 'west' }, ca: { source: 'csr', ...ca } }), /needs signerName and rootsConfigMap/);
  t.regex(refused(t, { cluster: { name: 'west' }, ca: { source: 'csr', signerName: 'kubernetes.io/kube-apiserver-client', rootsConfigMap: 'mesh-roots' } }), /is none for workloads/);
  for (const name of ['mesh', 'a/b/c', '/x', 'x/', 'A.example/x', 'a.example/x y']) t.regex(refused(t, { cluster: { name: 'west' }, ca: { source: 'csr', signerName: name, rootsConfigMap: 'mesh-roots' } }), /\/ca\/signerName/);
});

test('policies for all are in the service’s own namespace unless another is said', (t) => {
  t.is(read({ cluster: { name: 'west' }, policies: { rootNamespace: '' } }, { POD_NAMESPACE: 'mesh' }).rootNamespace, 'mesh');
  t.regex(refused(t, { cluster: { name: 'west' }, policies: { rootNamespace: 'Istio' } }), /\/policies\/rootNamespace/);
});

test('an empty trust domain is one that is left out, as a chart’s empty value is', (t) => {
  t.is(read({ cluster: { name: 'west', trustDomain: '', network: '' } }).trustDomain, 'west.landbridge');
});

test('a value that is wrong is named by its place', (t) => {
  t.regex(refused(t, {}), /cluster/);
  t.regex(refused(t, { cluster: { name: 'West' } }), /\/cluster\/name/);
  t.regex(refused(t, { cluster: { name: 'w'.repeat(64) } }), /\/cluster\/name/);
  t.regex(refused(t, { cluster: { name: 'west', trustDomain: 'west/example' } }), /\/cluster\/trustDomain/);
  t.regex(refused(t, { cluster: { name: 'west' }, logLevel: 'loud' }), /\/logLevel/);
  t.regex(refused(t, { cluster: { name: 'west' }, ca: { source: 'vault' } }), /\/ca\/source/);
  t.regex(refused(t, { cluster: { name: 'west' }, ca: { secret: '../x' } }), /\/ca\/secret/);
  t.regex(refused(t, { cluster: { name: 'west', nam: 'x' } }), /cluster/);
  for (const range of ['10.0.0.0', '10.0.0.300/8', '10.0.0.0/33', 'fe80::1%eth0/64']) for (const key of ['podRanges', 'serviceRanges']) t.regex(refused(t, { cluster: { name: 'west', [key]: ['10.1.0.0/16', range] } }), /is not ADDRESS\/BITS|no length of a prefix/);
});

test('names that mean something else in keys and host names can not be taken', (t) => {
  for (const name of ['members', 'svc', 'clusterset', 'local']) t.regex(refused(t, { cluster: { name } }), /\/cluster\/name .*reserved/);
});

test('a file that is not there or no JSON object is refused', (t) => {
  t.like(t.throws(() => readConfig({ LANDBRIDGE_CONFIG: join(folder, 'none.json') })), { code: 'bad-config' });
  for (const content of ['', '{', 'null', '[]', '7']) refused(t, content);
});

test('gateways that the operator names have a port and an account, and an address that others can reach', (t) => {
  t.deepEqual(read({ cluster: { name: 'west', gateways: [{ address: 'GW.example' }] } }, { POD_NAMESPACE: 'mesh' }).gateways, [{ address: 'gw.example', port: 15008, region: '', zone: '', namespace: 'mesh', serviceAccount: 'landbridge-gateway' }]);
  for (const address of ['127.0.0.1', '::1', 'a b', '0177.0.0.1']) t.regex(refused(t, { cluster: { name: 'west', gateways: [{ address }] } }), /\/cluster\/gateways/);
  t.regex(refused(t, { cluster: { name: 'west', gateways: [{ address: '192.0.2.1', port: 0 }] } }), /gateways/);
});
