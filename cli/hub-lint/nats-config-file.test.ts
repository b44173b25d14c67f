import test from 'ava';
import fc from 'fast-check';
import { natsConfig } from '../nats-config.ts';
import { MAX_CONFIG_BYTES, parseNatsConfig } from './nats-config-file.ts';

function read(text: string): unknown {
  const parsed = parseNatsConfig(text);
  return parsed.ok ? parsed.value.root : parsed.error;
}

test('the forms that nats-server takes are read', (t) => {
  t.deepEqual(read('port: 4222\nserver_name=hub\nmax_payload 1MB # one\n// two\nHost: "0.0.0.0"'), { port: '4222', server_name: 'hub', max_payload: '1MB', host: '0.0.0.0' });
  t.deepEqual(read('http: 127.0.0.1:8222\nhttps: "localhost:8443"\nmonitor: localhost:1\nprof: :65'), { http: '127.0.0.1:8222', https: 'localhost:8443', monitor: 'localhost:1', prof: '65' });
  t.deepEqual(read('tls { cert_file: "/a b/c.pem", verify: true }\ncluster {\n routes: [\n  tls://a:6222\n  "tls://b:6222", nats://[::1]:6222\n ]\n}'), { tls: { cert_file: '/a b/c.pem', verify: 'true' }, cluster: { routes: ['tls://a:6222', 'tls://b:6222', 'nats://[::1]:6222'] } });
  t.deepEqual(read("users = [ {user: 'a', permissions: {publish: {deny: [\"x\"]}}} ]"), { users: [{ user: 'a', permissions: { publish: { deny: ['x'] } } }] });
  t.deepEqual(read('a: "x\\"y\\n"; b: 1'), { a: 'x"y\n', b: '1' });
  const included = parseNatsConfig('include ./more.conf\nport: 1');
  t.deepEqual(included.ok && included.value.includes, ['./more.conf']);
});

test('what landbridge hub init writes is read', (t) => {
  const config = natsConfig({ port: 4222, storeDirectory: '/srv/a "b"', accountsDirectory: '/srv/accounts', certificateFile: '/srv/c', keyFile: '/srv/k', operatorJwt: 'a.b.c', systemAccount: 'ASYS', accounts: new Map([['AONE', 'd.e.f']]) });
  t.like(read(config), { port: '4222', jetstream: { store_dir: '/srv/a "b"' }, resolver: { type: 'full', dir: '/srv/accounts' }, operator: 'a.b.c', resolver_preload: { aone: 'd.e.f' } });
});

test('what is broken or too much is said', (t) => {
  for (const [text, fault] of [['a {', /does not end/], ['a: [1', /does not end/], ['a: "x', /string/], ['}', /where a name/], ['a: {b: }', /where a value/], ['a {'.repeat(40), /deeper/], ['x'.repeat(MAX_CONFIG_BYTES + 1), /longer/]] as const) t.regex(String(read(text)), fault, text.slice(0, 20));
});

test('a long file of nothing but names and colons takes no longer than another', (t) => {
  const startedMs = performance.now();
  read('a:'.repeat(400_000));
  read(`x ${'tls://'.repeat(100_000)}`);
  t.true(performance.now() - startedMs < 5000);
});

test('no text makes it throw, and names never reach a prototype', (t) => {
  const parts = fc.array(fc.constantFrom('a', ':', '=', '{', '}', '[', ']', '"', "'", '\\', '\n', ' ', '#', '//', ',', 'tls://x:1', '__proto__', 'include'), { maxLength: 40 }).map((all) => all.join(''));
  fc.assert(fc.property(fc.oneof(parts, fc.string()), (text) => typeof parseNatsConfig(text).ok === 'boolean'));
  t.is(({} as { polluted?: string }).polluted, undefined);
});
