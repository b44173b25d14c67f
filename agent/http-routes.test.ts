import { connect } from 'node:net';
import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { pino } from 'pino';
import { type HttpServerOptions, MAX_LONG_ANSWERS, MAX_REQUEST_BYTES, plain, startHttpServer, acceptsGzip } from './http-routes.ts';
import { ask } from './test-requests.ts';

const silent = pino({ level: 'silent' });
const start = async (over: Partial<HttpServerOptions> = {}) =>
  await startHttpServer({
    port: 0,
    host: '127.0.0.1',
    log: silent,
    routes: {
      '/short': { GET: (query) => plain(200, `level ${query.get('level')}`) },
      '/long': { GET: () => ({ status: 200, type: 'text/plain', body: pieces() }) },
      '/change': { GET: () => plain(200, 'got'), POST: () => plain(200, 'posted') },
      '/throws': { GET: () => { throw new Error('a secret of the inside'); } },
      '/breaks': { GET: () => ({ status: 200, type: 'text/plain', body: broken() }) },
      '/breaks-late': { GET: () => ({ status: 200, type: 'text/plain', body: brokenLate() }) },
    },
    ...over,
  });

async function* pieces(): AsyncGenerator<string> {
  for (let n = 0; n < 1000; n++) yield `line ${n}\n`;
}

// biome-ignore lint/correctness/useYield: it fails before its first piece.
async function* broken(): AsyncGenerator<string> {
  throw new Error('x');
}

async function* brokenLate(): AsyncGenerator<string> {
  yield 'begin';
  throw new Error('x');
}

test('a path and its methods are answered, everything else is refused', async (t) => {
  await using server = await start();
  const { port } = server;
  t.like(await ask(port, 'GET', '/short?level=debug&x'), { status: 200, text: 'level debug\n' });
  t.like((await ask(port, 'GET', '/short')).headers, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
  t.like(await ask(port, 'HEAD', '/short'), { status: 200, text: '' });
  t.like(await ask(port, 'POST', '/change', { body: 'ignored' }), { status: 200, text: 'posted\n' });
  for (const path of ['/', '/short/', '/constructor', '/__proto__', '//short', '*']) t.is((await ask(port, 'GET', path)).status, 404, path);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']) {
    const { status, headers } = await ask(port, method, '/short');
    t.is(status, 405, method);
    t.is(headers.allow, 'GET, HEAD');
  }
  t.is((await ask(port, 'PUT', '/change')).headers.allow, 'GET, HEAD, POST');
});

test('what a handler throws is not told to the outside', async (t) => {
  const lines: string[] = [];
  await using server = await start({ log: pino({}, { write: (line: string) => void lines.push(line) }) });
  for (const path of ['/throws', '/breaks']) t.like(await ask(server.port, 'GET', path), { status: 500, text: 'internal error\n' }, path);
  t.is(lines.length, 2);
  t.true(lines[0]?.includes('a secret of the inside'));
  await t.throwsAsync(ask(server.port, 'GET', '/breaks-late'));
  t.like(await ask(server.port, 'GET', '/short'), { status: 200 });
});

test('long answers come whole, packed where that is asked for', async (t) => {
  await using server = await start();
  const open = await ask(server.port, 'GET', '/long');
  t.is(open.text.split('\n').length, 1001);
  const packed = await ask(server.port, 'GET', '/long', { headers: { 'accept-encoding': 'deflate, gzip' } });
  t.is(packed.headers['content-encoding'], 'gzip');
  t.true(packed.bytes.length < open.bytes.length / 2);
  t.is(gunzipSync(packed.bytes).toString(), open.text);
});

test('who accepts gzip', (t) => {
  for (const header of ['gzip', 'GZIP;q=0.5', 'br;q=1, gzip;q=1.0', 'deflate , gzip']) t.true(acceptsGzip(header), header);
  for (const header of [undefined, '', 'br', 'gzip;q=0', 'gzip; q=0.000', 'x-gzipped', 'gzip2']) t.false(acceptsGzip(header), header);
});

test('requests are bounded', async (t) => {
  await using server = await start();
  const { port } = server;
  t.is((await ask(port, 'POST', '/change', { body: 'x'.repeat(MAX_REQUEST_BYTES) })).status, 200);
  t.is((await ask(port, 'POST', '/change', { body: 'x'.repeat(MAX_REQUEST_BYTES + 1) })).status, 413);
  t.is((await ask(port, 'GET', '/short', { headers: { 'x-long': 'x'.repeat(20_000) } })).status, 431);
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.write('NONSENSE\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  t.regex(answer.toString(), /^HTTP\/1\.1 400 /);
});

test('long answers at once are bounded', async (t) => {
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const allBegun = Promise.withResolvers<void>();
  const slow = async function* (): AsyncGenerator<string> {
    if (++begun === MAX_LONG_ANSWERS) allBegun.resolve();
    await gate.promise;
    yield 'done';
  };
  await using server = await start({ routes: { '/slow': { GET: () => ({ status: 200, type: 'text/plain', body: slow() }) } } });
  const waiting = Array.from({ length: MAX_LONG_ANSWERS }, () => ask(server.port, 'GET', '/slow'));
  await allBegun.promise;
  t.is((await ask(server.port, 'GET', '/slow')).status, 503);
  gate.resolve();
  t.deepEqual((await Promise.all(waiting)).map(({ text }) => text), Array(MAX_LONG_ANSWERS).fill('done'));
  t.is((await ask(server.port, 'GET', '/slow')).status, 200, 'there is room again');
});

test('what follows an answer waits for it, and comes also where the client is gone', async (t) => {
  const gate = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using server = await start({
    routes: {
      '/now': { GET: () => ({ ...plain(200, 'bye'), afterwards: done.resolve }) },
      '/gone': { GET: async () => { begun.resolve(); await gate.promise; return { ...plain(200, 'bye'), afterwards: later.resolve }; } },
    },
  });
  const later = Promise.withResolvers<void>();
  t.is((await ask(server.port, 'GET', '/now')).text, 'bye\n');
  await done.promise;
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GET /gone HTTP/1.1\r\nhost: a\r\n\r\n');
  await begun.promise;
  socket.destroy();
  await once(socket, 'close');
  gate.resolve();
  await later.promise;
  t.pass();
});
