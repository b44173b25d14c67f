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
  t.deepEqual(read({ cluster: { name: 'west' } }), { cluster: 'west', trustDomain: 'west.landbridge', network: '', domain: 'cluster.local', rootNamespace: 'landbridge-system', logLevel: 'info', ca: { source: 'self', secret: 'cacerts', directory: '/var/run/landbridge/ca' }, namespace: 'landbridge-system' });
});

test('what is said counts', (t) => {
  const config = read({ cluster: { name: 'west', trustDomain: 'west.example', network: 'n1', domain: 'west.internal' }, policies: { rootNamespace: 'istio-system' }, ca: { source: 'secret', secret: 'mesh-ca' }, logLevel: 'debug' }, { POD_NAMESPACE: 'mesh' });
  t.deepEqual(config, { cluster: 'west', trustDomain: 'west.example', network: 'n1', domain: 'west.internal', rootNamespace: 'istio-system', logLevel: 'debug', ca: { source: 'secret', secret: 'mesh-ca', directory: '/var/run/landbridge/ca' }, namespace: 'mesh' });
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
});

test('names that mean something else in keys and host names can not be taken', (t) => {
  for (const name of ['members', 'svc', 'clusterset', 'local']) t.regex(refused(t, { cluster: { name } }), /\/cluster\/name .*reserved/);
});

test('a file that is not there or no JSON object is refused', (t) => {
  t.like(t.throws(() => readConfig({ LANDBRIDGE_CONFIG: join(folder, 'none.json') })), { code: 'bad-config' });
  for (const content of ['', '{', 'null', '[]', '7']) refused(t, content);
});
