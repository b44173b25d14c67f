import { once } from 'node:events';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { connect, createServer } from 'node:net';
import test from 'ava';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { Candidate } from '@landbridge/core/route-plan.ts';
import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import { balancePlan } from './agent.ts';
import { dial, readAll } from './applications.ts';
import { eventually } from './eventually.ts';
import { type Fleet, type FleetServer, ranked, startFleet } from './fleet.ts';

const DENY_ALL: AuthorizationPolicy = { namespace: 'test', name: 'nobody', scope: 'namespace', action: 'allow', rules: [], dryRun: false, unevaluable: undefined };
const name = (server: FleetServer | undefined): string => server?.name ?? '';

/** A port that nobody listens at. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** The first candidate, then the second, each of a rank of its own. */
function inOrder({ client, servers }: Fleet, change: (first: FleetServer) => Partial<FleetServer['candidate']> = () => ({})): void {
  const [first, second] = servers as [FleetServer, FleetServer];
  client.setPlan('client', balancePlan([{ ...ranked(first.candidate, 0), ...change(first) }, ranked(second.candidate, 1)]));
}

async function say(fleet: Fleet, text: string): Promise<Awaited<ReturnType<typeof readAll>>> {
  const socket = connect({ port: fleet.clientPort, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(text);
  return await readAll(socket);
}

async function lastFlag({ client }: Fleet): Promise<string> {
  const { ends } = await eventually(async () => await client.totals(), (totals) => totals.ends.length > 0);
  return `${ends.at(-1)?.flag} ${ends.at(-1)?.error}`;
}

test.serial('an endpoint that refuses the dial is passed over', async (t) => {
  const fleet = await startFleet(t, { servers: 2 });
  const port = await deadPort();
  inOrder(fleet, () => ({ port }));
  t.deepEqual(await say(fleet, 'hello'), { text: 'hello', end: 'end' });
  t.deepEqual((await fleet.client.totals()).failures, { 'outbound dial-refused': 1 });
});

test.serial('an endpoint that ends or resets the connection during the handshake is passed over', async (t) => {
  const fleet = await startFleet(t, { servers: 2 });
  for (const how of ['destroy', 'resetAndDestroy'] as const) {
    const listener = createServer((socket) => socket.once('data', () => socket[how]())).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    t.teardown(() => listener.close());
    const { port } = listener.address() as { port: number };
    inOrder(fleet, () => ({ port, id: how }));
    t.deepEqual(await say(fleet, how), { text: how, end: 'end' });
  }
});

test.serial('what the application sent first reaches the second endpoint where the first could not deliver it', async (t) => {
  const fleet = await startFleet(t, { servers: 2 });
  const port = await deadPort();
  inOrder(fleet, () => ({ authority: `127.0.0.1:${port}` }));
  for (const size of [5, 8 * 1024, 300_000]) {
    const text = 'x'.repeat(size - 1).concat('y');
    t.deepEqual(await say(fleet, text), { text, end: 'end' }, `${size} bytes and the end`);
  }
  t.is(fleet.servers[0]?.app.accepted, 0);
});

test.serial('what the application sent first reaches an endpoint without a tunnel where the tunnel before could not deliver it', async (t) => {
  const fleet = await startFleet(t, { servers: 2 });
  const { client, authority, servers } = fleet;
  const [first, second] = servers as [FleetServer, FleetServer];
  const { identity } = authority.certificate('client');
  client.addPod({ uid: 'near', identity, listens: [], policies: [] });
  const dead = { ...first.candidate, authority: `127.0.0.1:${await deadPort()}` };
  const ways: Readonly<Record<string, Partial<Candidate>>> = {
    plain: { hop: 'plain', address: '127.0.0.1', port: second.app.port, authority: '', identities: [] },
    local: { identities: [identity], localPod: 'near' },
  };
  for (const [how, over] of Object.entries(ways)) {
    client.setPlan('client', balancePlan([ranked({ ...dead, id: `dead ${how}` }, 0), ranked({ ...second.candidate, id: how, ...over }, 1)]));
    await client.caughtUp();
    for (const size of [5, 8 * 1024, 300_000]) {
      const text = 'x'.repeat(size - 1).concat('y');
      t.deepEqual(await say(fleet, text), { text, end: 'end' }, `${how}: ${size} bytes and the end`);
    }
  }
  // Within the node, both halves of a connection are this agent's to count.
  const { ends } = await eventually(async () => await client.totals(), ({ ends }) => ends.length === 9);
  t.deepEqual(ends.map(({ sentBytes }) => sentBytes).sort((a, b) => a - b), [5, 8 * 1024, 300_000].flatMap((size) => [size, size, size]));
});

test.serial('what is sent again keeps to the window of the second peer', async (t) => {
  const fleet = await startFleet(t, { servers: 1 });
  const { keyPem, chainPem, identity } = fleet.authority.certificate('small');
  const server: Http2SecureServer = createSecureServer({ key: keyPem, cert: chainPem, ca: fleet.authority.rootPem, requestCert: true, settings: { initialWindowSize: 100 } });
  server.on('sessionError', (error) => t.fail(String(error)));
  server.on('stream', (stream) => {
    stream.on('error', (error) => t.fail(String(error)));
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const [first] = fleet.servers as [FleetServer];
  const dead = await deadPort();
  const small = { ...first.candidate, id: 'small', port: (server.address() as { port: number }).port, identities: [identity] };
  fleet.client.setPlan('client', balancePlan([small]));
  t.deepEqual(await say(fleet, 'the tunnel is there, and its window is known'), { text: 'the tunnel is there, and its window is known', end: 'end' });
  fleet.client.setPlan('client', balancePlan([{ ...ranked(first.candidate, 0), authority: `127.0.0.1:${dead}` }, ranked(small, 1)]));
  await fleet.client.caughtUp();
  const text = 'z'.repeat(20_000);
  t.deepEqual(await say(fleet, text), { text, end: 'end' });
});

test.serial('a refusal by policy is final', async (t) => {
  const fleet = await startFleet(t, { servers: 2, policies: [[DENY_ALL]] });
  inOrder(fleet);
  t.is((await say(fleet, 'hello')).end, 'reset');
  t.is(await lastFlag(fleet), 'DENY http status: 401');
  t.deepEqual(fleet.servers.map(({ app }) => app.accepted), [0, 0]);
});

test.serial('an endpoint that proves to be somebody else is final', async (t) => {
  const fleet = await startFleet(t, { servers: 2 });
  inOrder(fleet, () => ({ identities: ['spiffe://east.example/ns/test/sa/other' as SpiffeId] }));
  t.is((await say(fleet, 'hello')).end, 'reset');
  t.regex(await lastFlag(fleet), /^TLS_FAILURE .*server-0, where .*other was expected/);
  t.deepEqual(fleet.servers.map(({ app }) => app.accepted), [0, 0]);
  t.deepEqual((await fleet.client.totals()).failures, { 'outbound identity': 1 });
});

test.serial('an endpoint that fails again and again is left out', async (t) => {
  const fleet = await startFleet(t, { servers: 2 });
  let dials = 0;
  const listener = createServer((socket) => {
    dials++;
    socket.once('data', () => socket.resetAndDestroy());
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.teardown(() => listener.close());
  const [bad, good] = fleet.servers as [FleetServer, FleetServer];
  fleet.client.setPlan('client', balancePlan([{ ...bad.candidate, port: (listener.address() as { port: number }).port }, good.candidate]));
  const startedAtMs = performance.now();
  for (let i = 0; i < 60; i++) t.deepEqual(await say(fleet, `call ${i}`), { text: `call ${i}`, end: 'end' });
  // Three failures, and one trial after each ejection of half a second at least.
  t.true(dials >= 3 && dials <= 3 + Math.ceil((performance.now() - startedAtMs) / 500), `${dials} dials`);
  t.is(good.app.accepted, 60);
});

test.serial('connections beyond the bound of a service are refused, and there is room again when one ends', async (t) => {
  const fleet = await startFleet(t, { servers: 1 });
  fleet.client.setPlan('client', balancePlan(fleet.servers.map(({ candidate }) => candidate), { limits: { maxConnections: 2, maxPending: undefined } }));
  const held = [await dial(fleet.clientPort), await dial(fleet.clientPort)] as const;
  for (const socket of held) {
    socket.write('x');
    await once(socket, 'data');
  }
  t.is((await say(fleet, 'third')).end, 'reset');
  t.is(await lastFlag(fleet), 'CONNECT too many connections to this service at once');
  held[0].end();
  await eventually(async () => (await fleet.client.totals()).gauges.openConnections, (open) => open === 1);
  t.deepEqual(await say(fleet, 'fourth'), { text: 'fourth', end: 'end' });
});

test.serial('with affinity a client stays with one endpoint, and clients spread over them', async (t) => {
  const fleet = await startFleet(t, { servers: 4 });
  fleet.client.setPlan('client', balancePlan(fleet.servers.map(({ candidate }) => candidate), { affinity: 'client-address' }));
  const used = new Set<string>();
  for (let client = 1; client <= 12; client++) {
    const before = fleet.servers.map(({ app }) => app.accepted);
    for (let call = 0; call < 3; call++) {
      const socket = connect({ port: fleet.clientPort, host: '127.0.0.1', localAddress: `127.0.0.${client}`, allowHalfOpen: true });
      socket.end('x');
      t.deepEqual(await readAll(socket), { text: 'x', end: 'end' });
    }
    const changed = fleet.servers.filter(({ app }, i) => app.accepted !== before[i]);
    t.is(changed.length, 1);
    used.add(name(changed[0]));
  }
  t.true(used.size > 1, `${[...used]}`);
});

test.serial('a peer that died is passed over, with and without a tunnel to it', async (t) => {
  const fleet = await startFleet(t, { servers: 2 });
  inOrder(fleet);
  t.deepEqual(await say(fleet, 'before'), { text: 'before', end: 'end' });
  t.is(fleet.servers[0]?.app.accepted, 1);
  await fleet.agents[0]?.[Symbol.asyncDispose]();
  for (let i = 0; i < 5; i++) t.deepEqual(await say(fleet, 'after'), { text: 'after', end: 'end' });
  t.is(fleet.servers[1]?.app.accepted, 5);
});

test.serial('where the policies of the endpoint are not told, the connection is refused after the wait and tried elsewhere', async (t) => {
  const fleet = await startFleet(t, { servers: 2, tuning: { resolveTimeoutMs: 300 } });
  const [first] = fleet.servers as [FleetServer, FleetServer];
  const agent = fleet.agents[0] as NonNullable<Fleet['agents'][0]>;
  const { identity } = fleet.authority.certificate('server-0');
  agent.addPod({ uid: 'untold', identity, listens: ['hbone'] });
  inOrder(fleet, () => ({ port: agent.port('untold', 'hbone') }));
  const startedAtMs = performance.now();
  t.deepEqual(await say(fleet, 'hello'), { text: 'hello', end: 'end' });
  t.true(performance.now() - startedAtMs >= 290);
  t.is(first.app.accepted, 0);
});
