import { once } from 'node:events';
import { connect } from 'node:net';
import { parseKernelReport } from '@landbridge/core/kernel-report.ts';
import { ok } from '@landbridge/core/result.ts';
import test from 'ava';
import { pino } from 'pino';
import { workloadOf } from '../discovery/test-resources.ts';
import { ask } from '../test-requests.ts';
import type { AdminSources } from './admin-sources.ts';
import { startAdminServer } from './admin-server.ts';
import { LogLevels } from './log-levels.ts';
import { sourcesOf } from './test-sources.ts';

const log = pino({ level: 'silent' });
const start = async (over: Partial<AdminSources> = {}) => await startAdminServer({ port: 0, sources: sourcesOf(over), log });

test('the index names what there is', async (t) => {
  await using server = await start();
  const { status, headers, text } = await ask(server.port, 'GET', '/');
  t.is(status, 200);
  t.is(headers['content-type'], 'text/html; charset=utf-8');
  for (const name of ['config_dump', 'connections', 'kernel', 'logging', 'quitquitquit']) t.true(text.includes(name), name);
});

test('the dumps are JSON', async (t) => {
  await using server = await start({ workloads: () => [workloadOf(1)] });
  const { status, headers, text } = await ask(server.port, 'GET', '/config_dump');
  t.is(status, 200);
  t.is(headers['content-type'], 'application/json; charset=utf-8');
  t.is((JSON.parse(text) as { workloads: unknown[] }).workloads.length, 1);
  t.deepEqual(JSON.parse((await ask(server.port, 'GET', '/connections')).text), []);
  t.deepEqual(parseKernelReport((await ask(server.port, 'GET', '/kernel')).text), ok({ release: '6.1.0', features: [] }));
});

test('the level of the log is told and changed', async (t) => {
  const logLevels = new LogLevels('info');
  await using server = await start({ logLevels });
  const { port } = server;
  t.like(await ask(port, 'GET', '/logging'), { status: 200, text: 'current log level is info\n' });
  t.like(await ask(port, 'POST', '/logging?level=debug'), { status: 200, text: 'current log level is debug\n' });
  t.is(logLevels.level, 'debug');
  t.like(await ask(port, 'POST', '/logging'), { status: 200, text: 'current log level is debug\n' });
  for (const query of ['level=loud', 'level=', 'level=INFO', 'level=a=debug', 'level=constructor']) t.is((await ask(port, 'POST', `/logging?${query}`)).status, 400, query);
  t.like(await ask(port, 'GET', '/logging?level=error'), { status: 200, text: 'current log level is debug\n' }, 'reading changes nothing');
  t.like(await ask(port, 'POST', '/logging?reset'), { status: 200, text: 'current log level is info\n' });
});

test('only a POST shuts the agent down, and has its answer before', async (t) => {
  let quits = 0;
  const quit = Promise.withResolvers<void>();
  await using server = await start({ quit: () => { quits++; quit.resolve(); } });
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) t.is((await ask(server.port, method, '/quitquitquit')).status, 405, method);
  t.is(quits, 0);
  t.like(await ask(server.port, 'POST', '/quitquitquit'), { status: 200, text: 'shutting down\n' });
  await quit.promise;
  t.is(quits, 1);
});

test('paths and methods that there are not', async (t) => {
  await using server = await start();
  for (const path of ['/config_dump/', '/metrics', '/debug/pprof/heap', '/../etc/passwd', '/%2e%2e/']) t.is((await ask(server.port, 'GET', path)).status, 404, path);
  for (const path of ['/', '/config_dump', '/connections']) t.is((await ask(server.port, 'POST', path)).status, 405, path);
});

test('requests in the name of a web page are refused', async (t) => {
  let quits = 0;
  await using server = await start({ quit: () => void quits++ });
  const { port } = server;
  for (const host of ['evil.example', 'evil.example:15000', '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1', 'localhost:15000:1', '[::1', '0.0.0.0', 'localhost@evil.example']) {
    t.is((await ask(port, 'GET', '/config_dump', { headers: { host } })).status, 403, host);
    t.is((await ask(port, 'POST', '/quitquitquit', { headers: { host } })).status, 403, host);
  }
  t.is((await ask(port, 'POST', '/quitquitquit', { headers: { origin: 'http://evil.example' } })).status, 403);
  for (const head of ['GET /config_dump HTTP/1.1\r\nHost:\r\n', 'GET /config_dump HTTP/1.0\r\n']) {
    const socket = connect(port, '127.0.0.1');
    socket.write(`${head}\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    t.regex(answer.toString(), /^HTTP\/1\.1 403 /);
    socket.destroy();
  }
  t.is(quits, 0);
  for (const host of ['localhost', 'localhost:15000', '127.0.0.1:9', '[::1]:15000', '[::1]']) t.is((await ask(port, 'GET', '/logging', { headers: { host } })).status, 200, host);
});

test('a source that fails costs its answer only', async (t) => {
  await using server = await start({
    policies: () => { throw new Error('inside'); },
    connections: async () => Promise.reject(new Error('inside')),
    quit: () => { throw new Error('inside'); },
  });
  for (const path of ['/config_dump', '/connections']) t.like(await ask(server.port, 'GET', path), { status: 500, text: 'internal error\n' }, path);
  t.is((await ask(server.port, 'POST', '/quitquitquit')).status, 200);
  t.is((await ask(server.port, 'GET', '/logging')).status, 200);
});

test('it listens on the loopback address, and says when it can not', async (t) => {
  await using server = await start();
  await t.throwsAsync(startAdminServer({ port: server.port, sources: sourcesOf(), log }), { code: 'EADDRINUSE' });
});
