import { request as httpRequest } from 'node:http';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { pino } from 'pino';
import { MAX_BODY_BYTES, parseAnswer, type Status, StatusSchema } from './admin-api.ts';
import { type AdminBackend, startAdminServer } from './admin-server.ts';

const status: Status = {
  cluster: 'east',
  trustDomain: 'east.landbridge',
  network: '',
  hub: { state: 'connected', url: 'tls://hub:4222', since: 5 },
  authority: true,
  members: [{ cluster: 'east', trustDomain: 'east.landbridge', network: '', joinedAt: 1, complete: true, revoked: false }],
  policies: { accepted: 2, partial: 1, refused: 0, faults: [{ kind: 'AuthorizationPolicy', namespace: 'shop', name: 'guard', reason: 'UnsupportedValue', message: 'paths' }] },
  exports: 1,
  imports: 2,
};

function start(changes: Partial<AdminBackend> = {}) {
  const backend: AdminBackend = {
    status: () => status,
    services: () => [{ namespace: 'shop', name: 'cart', address: '10.0.0.9', clusters: [{ cluster: 'east', endpoints: 2, ready: 1 }], conflicts: [] }],
    createToken: async ({ cluster, ttlSeconds }) => ({ token: `lb1.${cluster}`, expiresAt: ttlSeconds ?? 0 }),
    join: async (token) => ({ cluster: token, members: ['east'] }),
    leave: async ({ force }) => ({ cluster: 'west', state: force ? 'done' : 'waits' }),
    planLeave: () => ({ cluster: 'west', changes: [], notes: [] }),
    planJoin: async (token) => ({ cluster: token, changes: [], notes: [] }),
    rotateKeys: async () => ({ cluster: 'west', state: 'done' }),
    revoke: async (cluster) => ({ cluster, removedAt: 7, hub: 'told' }),
    rotation: async () => ({ phase: 'none', next: 'add', obstacles: [] }),
    rotate: async ({ force }) => ({ phase: 'distributing', since: 1, next: 'sign', obstacles: [String(force)] }),
    ...changes,
  };
  return startAdminServer({ port: 0, host: '127.0.0.1', backend, log: pino({ level: 'silent' }) });
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

function ask(port: number, method: string, path: string, body = '', headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
    });
    request.on('error', reject);
    request.end(body);
  });
}

test('each route answers', async (t) => {
  await using server = start();
  const port = await server.listening;
  t.deepEqual(await ask(port, 'GET', '/v1/status'), { status: 200, body: status });
  t.is(((await ask(port, 'GET', '/v1/services')).body as { services: unknown[] }).services.length, 1);
  t.deepEqual(await ask(port, 'POST', '/v1/tokens', '{"cluster":"west","ttlSeconds":60}'), { status: 200, body: { token: 'lb1.west', expiresAt: 60 } });
  t.deepEqual(await ask(port, 'POST', '/v1/join', '{"token":"abc"}'), { status: 200, body: { cluster: 'abc', members: ['east'] } });
  t.deepEqual(await ask(port, 'POST', '/v1/leave', '{"force":true}'), { status: 200, body: { cluster: 'west', state: 'done' } });
  t.deepEqual(await ask(port, 'GET', '/v1/leave/plan'), { status: 200, body: { cluster: 'west', changes: [], notes: [] } });
  t.deepEqual(await ask(port, 'POST', '/v1/join/plan', '{"token":"west"}'), { status: 200, body: { cluster: 'west', changes: [], notes: [] } });
  t.deepEqual(await ask(port, 'POST', '/v1/keys/rotation', '{}'), { status: 200, body: { cluster: 'west', state: 'done' } });
  t.deepEqual(await ask(port, 'POST', '/v1/revoke', '{"cluster":"west"}'), { status: 200, body: { cluster: 'west', removedAt: 7, hub: 'told' } });
});

test('errors keep code, message and hint, and have a fitting status', async (t) => {
  const fail = (code: string) => async () => Promise.reject(new LandbridgeError(code, 'what', { hint: 'how' }));
  for (const [code, expected] of [['token-used', 410], ['already-joined', 409], ['hub-unreachable', 503], ['token-damaged', 400], ['constructor', 500]] as const) {
    await using server = start({ join: fail(code) });
    t.deepEqual(await ask(await server.listening, 'POST', '/v1/join', '{"token":"x"}'), { status: expected, body: { error: { code, message: 'what', hint: 'how' } } });
  }
});

test('requests that are not part of the interface are refused', async (t) => {
  await using server = start();
  const port = await server.listening;
  const cases: [string, string, string, number, Record<string, string>?][] = [
    ['GET', '/v1/nothing', '', 404],
    ['GET', '/constructor', '', 404],
    ['GET', '/v1/join', '', 405],
    ['POST', '/v1/status', '', 405],
    ['POST', '/v1/join', 'not json', 400],
    ['POST', '/v1/join', '{"token":5}', 400],
    ['POST', '/v1/tokens', '{}', 400],
    ['POST', '/v1/join', JSON.stringify({ token: 'x'.repeat(MAX_BODY_BYTES) }), 413],
    ['GET', '/v1/status', '', 403, { host: 'evil.example' }],
    ['POST', '/v1/tokens', '{"cluster":"west"}', 403, { origin: 'http://evil.example' }],
  ];
  for (const [method, path, body, expected, headers] of cases) {
    const answer = await ask(port, method, path, body, headers);
    t.is(answer.status, expected, `${method} ${path}`);
    t.truthy((answer.body as { error: { code: string } }).error.code);
  }
});

test('a client that goes away and a server that stops end the work', async (t) => {
  const reasons: string[] = [];
  let asked = 0;
  const join: AdminBackend['join'] = (_, signal) =>
    new Promise((_resolve, reject) => {
      asked += 1;
      signal.addEventListener('abort', () => {
        reasons.push((signal.reason as LandbridgeError).code);
        reject(signal.reason);
      });
    });
  const server = start({ join });
  const port = await server.listening;
  const request = httpRequest({ host: '127.0.0.1', port, method: 'POST', path: '/v1/join', agent: false });
  request.on('error', () => undefined);
  request.end('{"token":"x"}');
  await until('the question', () => asked === 1);
  request.destroy();
  await until('the work to end', () => reasons.length === 1);
  t.deepEqual(reasons, ['client-gone']);
  const open = ask(port, 'POST', '/v1/join', '{"token":"y"}').catch(() => undefined);
  await until('the next question', () => asked === 2);
  await server[Symbol.asyncDispose]();
  await open;
  t.deepEqual(reasons, ['client-gone', 'shutting-down']);
});

test('a port in use is told', async (t) => {
  await using first = start();
  const backend = {} as AdminBackend;
  await using second = startAdminServer({ port: await first.listening, host: '127.0.0.1', backend, log: pino({ level: 'silent' }) });
  await t.throwsAsync(second.listening, { code: 'EADDRINUSE' });
});

test('answers of another version are told from errors', (t) => {
  t.true(parseAnswer(StatusSchema, JSON.stringify({ ...status, later: 'field' })).ok);
  const error = parseAnswer(StatusSchema, '{"error":{"code":"not-authority","message":"none"}}');
  t.is(!error.ok && error.error.code, 'not-authority');
  const strange = parseAnswer(StatusSchema, '<html>');
  t.is(!strange.ok && strange.error.code, 'answer-malformed');
});
