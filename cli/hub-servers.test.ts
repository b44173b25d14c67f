/** A hub of three servers, as `landbridge hub init --servers 3` makes one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openNatsBus } from '@landbridge/federation/bus/nats-bus.ts';
import { parseHubAuthority } from '@landbridge/federation/join/credentials.ts';
import { makeFounderCredentials } from '@landbridge/federation/join/founder-credentials.ts';
import { ensureRevocations } from '@landbridge/federation/removal/hub-account.ts';
import { freePorts } from '@landbridge/lab/free-ports.ts';
import { until } from '@landbridge/lab/until.ts';
import { jetstreamManager } from '@nats-io/jetstream';
import test from 'ava';
import { pino } from 'pino';
import { parse } from 'yaml';
import { makeHub, writeHub } from './hub-init.ts';
import { lintHub } from './hub-lint/hub-rules.ts';
import { parseNatsConfig } from './hub-lint/nats-config-file.ts';
import { natsServerBinary, startNatsServer } from './hub-process.ts';
import { type HubUrl, parseHubUrl } from './hub-url.ts';

const soon = (): AbortSignal => AbortSignal.timeout(120_000);

function hubUrl(text: string): HubUrl {
  const url = parseHubUrl(text);
  if (!url.ok) throw new Error(url.error);
  return url.value;
}

test('each server needs an address of its own', async (t) => {
  const plan = { urls: [hubUrl('tls://a.example:4222')], sans: [], directory: '/srv/hub', namespace: 'n', servers: { count: 3 as const, routePorts: [1, 2, 3] } };
  await t.throwsAsync(makeHub(plan, new Date()), { code: 'hub-plan-invalid' } as never);
});

test('three servers know each other by certificates, keep each record three times, go on without one, and all learn whom they must not let in', async (t) => {
  t.timeout(180_000);
  const ports = await freePorts(6);
  const directory = path.join(mkdtempSync(path.join(tmpdir(), 'landbridge-hub-')), 'hub');
  t.teardown(() => rmSync(path.dirname(directory), { recursive: true, force: true }));
  const routePorts = ports.slice(3);
  const files = await makeHub({ urls: ports.slice(0, 3).map((port) => hubUrl(`tls://127.0.0.1:${port}`)), sans: [], directory, namespace: 'n', servers: { count: 3, routePorts } }, new Date());
  await writeHub(directory, files);
  const configs = [1, 2, 3].map((server) => path.join(directory, `server-${server}`, 'nats.conf'));
  for (const [index, file] of configs.entries()) {
    const text = readFileSync(file, 'utf8');
    const parsed = parseNatsConfig(text);
    t.deepEqual(parsed.ok && lintHub(parsed.value, '2.14.3').filter(({ state }) => state !== 'ok'), []);
    // Where servers hear each other is all addresses, which is not for tests.
    writeFileSync(file, text.replace(`  port: ${routePorts[index]}\n`, `  listen: "127.0.0.1:${routePorts[index]}"\n`));
  }
  await using stack = new AsyncDisposableStack();
  const stops: (() => Promise<void>)[] = [];
  for (const config of configs) {
    const stop = await startNatsServer(natsServerBinary(), config);
    stops.push(stop);
    stack.defer(stop);
  }
  const secret = parse(files.get('authority-secret.yaml') as string) as { stringData: { 'hub.json': string } };
  const authority = parseHubAuthority(secret.stringData['hub.json']);
  if (!authority.ok) return t.fail(authority.error);
  t.deepEqual([authority.value.urls.length, authority.value.replicas], [3, 3]);

  const bus = stack.use(await openNatsBus({ credentials: await makeFounderCredentials(authority.value, 'east'), createBucket: true, replicas: 3, clusterName: 'east', log: pino({ level: 'silent' }), signal: soon() }));
  const put = async (key: string, value: string): Promise<void> => {
    // Servers that have just begun, or lost one, choose a leader first.
    let why: unknown;
    await until(() => `${key} to be taken: ${String(why)}`, async () => await bus.put(key, Buffer.from(value), soon()).then(() => true as const, (thrown: unknown) => void (why = thrown)));
  };
  await put('east.meta', 'one');
  const stream = async () => (await (await jetstreamManager(await bus.connection(soon()))).streams.info('KV_fed')).config.num_replicas;
  t.is(await stream(), 3);

  const { control } = authority.value;
  if (control === undefined) return t.fail('a new hub can be told');
  t.true(await ensureRevocations({ ...authority.value, control }, new Map([[`U${'A'.repeat(55)}`, 5]]), soon()));
  for (const url of authority.value.urls) {
    await until(`${url} to be told`, async () => !(await ensureRevocations({ ...authority.value, control, urls: [url] }, new Map([[`U${'A'.repeat(55)}`, 5]]), soon())));
  }

  await stops[0]?.();
  await put('east.meta', 'two');
  t.is(Buffer.from((await bus.get('east.meta', soon())) ?? []).toString(), 'two');
});
