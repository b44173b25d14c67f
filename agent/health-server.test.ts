import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { pino } from 'pino';
import { startHealthServers, startHealthSocket } from './health-server.ts';
import { Readiness, THREAD_STUCK_MS } from './readiness.ts';
import { ask } from './test-requests.ts';

const log = pino({ level: 'silent' });

test('readiness names what is pending, as ztunnel does', async (t) => {
  const readiness = new Readiness();
  const [state, proxy] = [readiness.register('state manager'), readiness.register('proxy')];
  await using servers = await startHealthServers({ readyPort: 0, metricsPort: 0, readiness, log });
  const { readyPort } = servers;
  t.like(await ask(readyPort, 'GET', '/healthz/ready'), { status: 500, text: 'not ready, pending: proxy, state manager\n' });
  proxy.done();
  t.like(await ask(readyPort, 'GET', '/healthz/ready'), { status: 500, text: 'not ready, pending: state manager\n' });
  state.done();
  t.like(await ask(readyPort, 'GET', '/healthz/ready'), { status: 200, text: 'ready\n' });
  readiness.watchThreads(() => [{ thread: 3, lastSeenMs: -THREAD_STUCK_MS - 1 }], () => 0);
  t.like(await ask(readyPort, 'GET', '/healthz/ready?x'), { status: 500, text: 'not ready, pending: data thread 3\n' });
  t.like(await ask(readyPort, 'GET', '/healthz/live'), { status: 200, text: 'ok\n' });
  t.is((await ask(readyPort, 'GET', '/metrics')).status, 404);
  t.is((await ask(readyPort, 'POST', '/healthz/ready')).status, 405);
});

test('the probe asks the agent of its own socket, and no other', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-health-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const socket = path.join(directory, 'health.sock');
  const probe = async (): Promise<unknown> => (await once(spawn(process.execPath, [path.join(import.meta.dirname, 'readiness-probe.ts'), socket]), 'exit'))[0];
  t.is(await probe(), 1, 'nobody is there');
  const readiness = new Readiness();
  const task = readiness.register('proxy');
  {
    await using _old = await startHealthSocket(socket, new Readiness(), log);
    t.is(await probe(), 0);
  }
  await using _agent = await startHealthSocket(socket, readiness, log);
  t.is(await probe(), 1, 'not ready');
  task.done();
  t.is(await probe(), 0);
});

test('metrics are at both paths that scrapers know', async (t) => {
  await using servers = await startHealthServers({ readyPort: 0, metricsPort: 0, readiness: new Readiness(), log });
  for (const path of ['/metrics', '/stats/prometheus']) {
    const { status, headers, text } = await ask(servers.metricsPort, 'GET', path);
    t.is(status, 200);
    t.is(headers['content-type'], 'text/plain; version=0.0.4');
    t.regex(text, /^# TYPE istio_tcp_sent_bytes_total counter$/m);
    t.regex(text, /^process_open_fds \d+$/m);
    t.true(text.endsWith('\n'));
  }
  const packed = await ask(servers.metricsPort, 'GET', '/metrics', { headers: { 'accept-encoding': 'gzip' } });
  t.regex(gunzipSync(packed.bytes).toString(), /^landbridge_captured_pods \d+$/m);
  t.is((await ask(servers.metricsPort, 'GET', '/healthz/ready')).status, 404);
});

test('without a free port there is an error, and nothing is left listening', async (t) => {
  await using taken = await startHealthServers({ readyPort: 0, metricsPort: 0, readiness: new Readiness(), log });
  await t.throwsAsync(startHealthServers({ readyPort: 0, metricsPort: taken.metricsPort, readiness: new Readiness(), log }), { code: 'EADDRINUSE' });
});
