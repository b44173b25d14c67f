/** What peers of Istio see of the engine on the wire, point by point of what they expect of an HBONE peer. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { freePort } from '@landbridge/lab/free-ports.ts';
import test from 'ava';
import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import type { InboundAnswer, PodSpec } from '@landbridge/agent/proxy/thread-messages.ts';
import { Application, ask, echo } from './applications.ts';
import { candidate, HERE, TestEngine } from './engine.ts';
import { echoTunnel, NodeClient, NodeServer, type SeenRequest, secureSocket } from './node-peers.ts';

const authority = new TestAuthority('east.example');
const foreign = new TestAuthority('west.example');
const [client, server, gateway] = [authority.certificate('client'), authority.certificate('server'), authority.certificate('gateway')];
test.after.always(() => {
  authority[Symbol.dispose]();
  foreign[Symbol.dispose]();
});

const engine = new TestEngine();
test.serial.afterEach.always(() => engine.reset());
test.after.always(() => engine[Symbol.asyncDispose]());
engine.trust(authority, foreign);

const BAGGAGE = 'k8s.cluster.name=east,k8s.namespace.name=test,k8s.deployment.name=client,service.name=client,service.version=v1';
const DENY_ALL: AuthorizationPolicy = { namespace: 'test', name: 'nobody', scope: 'namespace', action: 'allow', rules: [], dryRun: false, unevaluable: undefined };

// -- Point 4: the client

test.serial('point 4: TLS 1.3 without SNI, ALPN h2, and the certificate of the client', async (t) => {
  const seen = Promise.withResolvers<unknown>();
  await using peer = await NodeServer.start(server, authority.rootPem, echoTunnel, {
    ALPNCallback: ({ servername, protocols }) => {
      seen.resolve({ servername: servername || undefined, protocols });
      return 'h2';
    },
    ALPNProtocols: undefined as unknown as string[],
  });
  const pod = engine.client(client, [candidate(peer.port, server.identity)]);
  t.is(String(await ask(pod.port, 'hello')), 'hello');
  t.deepEqual(await seen.promise, { servername: undefined, protocols: ['h2'] });
  const [socket] = peer.sockets;
  t.is(socket?.getProtocol(), 'TLSv1.3');
  t.is(socket?.getPeerCertificate().subjectaltname, `URI:${client.identity}`);
  t.false(socket?.isSessionReused());
});

for (const [name, options, expected] of [
  ['direct to a pod', { authority: '10.0.0.7:8080' }, '10.0.0.7:8080'],
  ['direct to a pod by IPv6', { authority: '[fd00::7]:8080' }, '[fd00::7]:8080'],
  ['to a waypoint', { authority: '10.96.0.10:80' }, '10.96.0.10:80'],
] as const) {
  test.serial(`point 4: the authority ${name} and the other fields are exact, in their order`, async (t) => {
    const asked = Promise.withResolvers<SeenRequest>();
    await using peer = await NodeServer.start(server, authority.rootPem, (request) => {
      asked.resolve(request);
      echoTunnel(request);
    });
    const pod = engine.client(client, [candidate(peer.port, server.identity, options)], { baggage: BAGGAGE });
    const socket = connect(pod.port, HERE);
    socket.write('x');
    const { raw } = await asked.promise;
    await once(socket, 'data');
    const { port } = socket.address() as { port: number };
    socket.destroy();
    t.deepEqual(raw.slice(0, -1), [':method', 'CONNECT', ':authority', expected, 'baggage', BAGGAGE, 'forwarded', `for="${HERE}:${port}";host=echo.test.svc.cluster.local`, 'traceparent']);
    t.regex(raw.at(-1) ?? '', /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/);
  });
}

test.serial('point 4: a pod of which nothing is known says no baggage, and without a service no host', async (t) => {
  const asked = Promise.withResolvers<SeenRequest>();
  await using peer = await NodeServer.start(server, authority.rootPem, (request) => {
    asked.resolve(request);
    echoTunnel(request);
  });
  const pod = engine.client(client, []);
  engine.plans(pod.uid, () => ({ kind: 'balance', service: undefined, candidates: [candidate(peer.port, server.identity)], limits: { maxConnections: undefined, maxPending: undefined }, affinity: 'none' }));
  await ask(pod.port, 'x');
  const { raw } = await asked.promise;
  t.deepEqual(raw.filter((_, i) => i % 2 === 0), [':method', ':authority', 'forwarded', 'traceparent']);
  t.regex(raw[5] ?? '', /^for="127\.0\.0\.1:\d+"$/);
});

test.serial('point 4: one of several acceptable identities does, and any other does not', async (t) => {
  await using peer = await NodeServer.start(server, authority.rootPem, echoTunnel);
  const some = engine.client(client, [candidate(peer.port, server.identity, { identities: [authority.identity('other'), server.identity] })]);
  t.is(String(await ask(some.port, 'hello')), 'hello');
  const none = engine.client(client, [candidate(peer.port, server.identity, { identities: [authority.identity('other')] })]);
  t.true((await ask(none.port, 'secret')) instanceof Error);
  t.deepEqual(await engine.failures(), { 'outbound identity': 1 });
});

// -- Point 5: the server

interface Row {
  readonly what: string;
  readonly status: number;
  readonly request: (target: string) => Promise<Record<string, string>> | Record<string, string>;
  readonly policies?: readonly AuthorizationPolicy[];
  readonly answer?: InboundAnswer;
  readonly spec?: Partial<PodSpec>;
}

const tunnelTo = (target: string): Record<string, string> => ({ ':method': 'CONNECT', ':authority': target });
const ROWS: readonly Row[] = [
  { what: 'success', status: 200, request: tunnelTo },
  { what: 'another method than CONNECT', status: 400, request: (target) => ({ ':method': 'GET', ':scheme': 'https', ':path': '/', ':authority': target }) },
  { what: 'an authority that is none', status: 400, request: () => tunnelTo('10.0.0.1') },
  { what: 'an authority with user information', status: 400, request: (target) => tunnelTo(`me@${target}`) },
  { what: 'an authority without brackets', status: 400, request: () => tunnelTo('fd00::1:80') },
  { what: 'port 0', status: 400, request: () => tunnelTo(`${HERE}:0`) },
  { what: 'the address of another pod', status: 400, request: () => tunnelTo('10.9.9.9:80') },
  { what: 'a hostname that nobody knows', status: 503, request: () => tunnelTo('nowhere.test.svc.cluster.local:80'), answer: { kind: 'refuse', status: 503, reason: 'no such service' } },
  { what: 'the port of captured connections', status: 503, request: () => tunnelTo(`${HERE}:15001`) },
  { what: 'the port of plain connections', status: 503, request: () => tunnelTo(`${HERE}:15006`) },
  { what: 'the port of tunnels', status: 503, request: () => tunnelTo(`${HERE}:15008`) },
  { what: 'a hostname whose port is the one of tunnels', status: 503, request: () => tunnelTo('echo.test:80'), answer: { kind: 'dial', port: 15008, service: undefined, tunnel: undefined, proxyDestination: undefined } },
  { what: 'a client that policies do not allow', status: 401, request: tunnelTo, policies: [DENY_ALL] },
  { what: 'an application that does not listen', status: 503, request: async () => tunnelTo(`${HERE}:${await freePort()}`) },
];

for (const { what, status, request, policies, answer, spec } of ROWS) {
  test.serial(`point 5: status ${status} for ${what}`, async (t) => {
    await using application = await echo();
    if (answer !== undefined) engine.inbound = () => answer;
    const pod = engine.server(server, spec, policies);
    using node = await NodeClient.connect(pod.port, client, authority.rootPem);
    t.is(await node.status(await request(`${HERE}:${application.port}`)), status);
    if (status === 200) return;
    t.is(application.sockets.length, 0, 'nothing reached the application');
    // On the same connection: a refusal is of its stream alone.
    if (policies === undefined) t.is(await node.status(tunnelTo(`${HERE}:${application.port}`)), 200);
  });
}

test.serial('point 5: status 503 for a workload that discovery does not know', async (t) => {
  await using application = await echo();
  await using other = new TestEngine({ tuning: { resolveTimeoutMs: 100 } });
  other.trust(authority);
  const pod = other.server(server, {}, null);
  using node = await NodeClient.connect(pod.port, client, authority.rootPem);
  t.is(await node.status(tunnelTo(`${HERE}:${application.port}`)), 503);
  t.is(application.sockets.length, 0);
  other.plane.setPolicies(pod.uid, []);
  t.is(await node.status(tunnelTo(`${HERE}:${application.port}`)), 200);
});

test.serial('point 5: refusals have no content and end their stream', async (t) => {
  const pod = engine.server(server);
  using node = await NodeClient.connect(pod.port, client, authority.rootPem);
  const stream = node.session.request({ ':method': 'CONNECT', ':authority': '10.9.9.9:80' }, { endStream: false });
  const [headers, flags] = (await once(stream, 'response')) as [Record<string, unknown>, number];
  t.deepEqual(Object.entries(headers), [[':status', 400]]);
  t.is(flags & 1, 1, 'END_STREAM');
});

test.serial('point 5: extended CONNECT and CONNECT with a path are malformed', async (t) => {
  const pod = engine.server(server);
  using node = await NodeClient.connect(pod.port, client, authority.rootPem);
  const stream = node.session.request({ ':method': 'CONNECT', ':authority': `${HERE}:80`, ':scheme': 'https', ':path': '/', ':protocol': 'websocket' } as never, { endStream: false });
  const closed = Promise.withResolvers<void>();
  stream.on('error', () => {}).on('close', closed.resolve);
  await closed.promise;
  t.is(stream.rstCode, 1);
});

test.serial('point 5: 200 comes only once the application has taken the connection, with the labels of its pod', async (t) => {
  await using application = await echo();
  const pod = engine.server(server, { baggage: 'k8s.cluster.name=east,service.name=server' });
  using node = await NodeClient.connect(pod.port, client, authority.rootPem);
  const { headers, stream } = await node.tunnel(`${HERE}:${application.port}`);
  t.deepEqual({ status: headers[':status'], baggage: headers['baggage'] }, { status: 200, baggage: 'k8s.cluster.name=east,service.name=server' });
  t.deepEqual(Object.keys(headers).sort(), [':status', 'baggage']);
  stream.end('hello');
  t.is((await buffer(stream)).toString(), 'hello');
});

test.serial('point 5: a hostname goes to the port that discovery says, with a PROXY header where it says so', async (t) => {
  const said = Promise.withResolvers<Buffer>();
  await using application = await Application.start((socket) => void socket.once('data', (chunk: Buffer) => said.resolve(chunk)));
  engine.inbound = (_, name) => (name === 'echo.test:80' ? { kind: 'dial', port: application.port, service: undefined, tunnel: { port: application.port, proxyProtocol: true }, proxyDestination: undefined } : { kind: 'refuse', status: 503, reason: 'unknown' });
  const pod = engine.server(server);
  using node = await NodeClient.connect(pod.port, client, authority.rootPem);
  const { stream, headers } = await node.tunnel('echo.test:80');
  t.is(headers[':status'], 200);
  stream.write('hello');
  const chunk = await said.promise;
  t.is(chunk.subarray(0, 12).toString('latin1'), '\r\n\r\n\0\r\nQUIT\n');
  t.true(chunk.includes(client.identity));
});

test.serial('point 5: a policy that comes later cuts what it does not allow, and says so', async (t) => {
  await using application = await echo();
  const pod = engine.server(server);
  using node = await NodeClient.connect(pod.port, client, authority.rootPem);
  const { stream } = await node.tunnel(`${HERE}:${application.port}`);
  const closed = Promise.withResolvers<void>();
  stream.on('error', () => {}).on('close', closed.resolve).resume();
  engine.plane.setPolicies(pod.uid, [DENY_ALL]);
  await closed.promise;
  t.is(stream.rstCode, 8);
  await engine.until(({ openConnections }) => openConnections === 0);
  t.is(engine.ends[0]?.flag, 'DENY');
});

// -- Point 6: the pool

test.serial('point 6: pods with the same identity do not share a connection, nor does one pod with two identities to expect', async (t) => {
  await using peer = await NodeServer.start(server, authority.rootPem, echoTunnel);
  const way = candidate(peer.port, server.identity);
  const [a, b] = [engine.client(client, [way]), engine.client(client, [way])];
  const other = engine.client(client, [{ ...way, identities: [server.identity, authority.identity('other')] }]);
  for (const pod of [a, b, a, b, other]) t.is(String(await ask(pod.port, 'hello')), 'hello');
  t.is(peer.sockets.length, 3);
});

test.serial('point 6: no more streams than the pool allows, and a connection that is not used ends', async (t) => {
  await using peer = await NodeServer.start(server, authority.rootPem, echoTunnel);
  await using other = new TestEngine({ tuning: { maxStreamsPerConnection: 2, poolIdleMs: 50 } });
  other.trust(authority);
  const pod = other.client(client, [candidate(peer.port, server.identity)]);
  const held = Array.from({ length: 5 }, () => connect(pod.port, HERE));
  await Promise.all(held.map(async (socket) => {
    socket.write('x');
    await once(socket, 'data');
  }));
  t.is(peer.sockets.length, 3);
  await other.until(({ clientSessions }) => clientSessions === 3);
  for (const socket of held) socket.destroy();
  await other.until(({ clientSessions }) => clientSessions === 0);
  t.deepEqual(await other.failures(), {});
});

test.serial('point 6: a new certificate is used for new connections, those there are run on', async (t) => {
  await using peer = await NodeServer.start(server, authority.rootPem, echoTunnel);
  const pod = engine.client(client, [candidate(peer.port, server.identity)]);
  const socket = connect(pod.port, HERE);
  socket.write('x');
  await once(socket, 'data');
  const renewed = authority.certificate('client');
  engine.certify(renewed);
  await engine.report();
  t.is(String(await ask(pod.port, 'hello')), 'hello');
  t.is(peer.sockets.length, 2);
  t.not(peer.sockets[0]?.getPeerCertificate().serialNumber, peer.sockets[1]?.getPeerCertificate().serialNumber);
  socket.write('y');
  t.is(String((await once(socket, 'data'))[0]), 'y');
  socket.destroy();
});

// -- Point 7: double HBONE

const SERVICE_AUTHORITY = 'echo.test.svc.clusterset.local:80';

/** A client here, a gateway, and a workload of another trust domain behind it. */
async function twoNetworks(over: { readonly innerIdentities?: readonly (typeof server.identity)[] } = {}) {
  const application = await echo();
  const workload = foreign.certificate('workload');
  engine.inbound = (_, name) => (name === SERVICE_AUTHORITY ? { kind: 'dial', port: application.port, service: undefined, tunnel: undefined, proxyDestination: undefined } : { kind: 'refuse', status: 503, reason: 'unknown' });
  const behind = engine.server(workload);
  const between = engine.server(gateway, { kind: 'gateway' });
  engine.plans(between.uid, (destination) => ('hostname' in destination && destination.hostname === 'echo.test.svc.clusterset.local' ? { kind: 'balance', service: undefined, candidates: [candidate(behind.port, workload.identity, { hop: 'plain', authority: '' })], limits: { maxConnections: undefined, maxPending: undefined }, affinity: 'none' } : { kind: 'refuse', reason: 'no such service', service: undefined }));
  const pod = engine.client(client, [candidate(between.port, gateway.identity, { hop: 'double-hbone', authority: SERVICE_AUTHORITY, innerIdentities: over.innerIdentities ?? [workload.identity] })], { network: 'east' });
  return {
    application, workload, behind, between, pod,
    [Symbol.asyncDispose]: () => application[Symbol.asyncDispose](),
  };
}

test.serial('point 7: bytes, half-close and ends go through a gateway of another network', async (t) => {
  await using under = await twoNetworks();
  const said = Buffer.alloc(2_000_000, 'double ');
  t.true((await ask(under.pod.port, said) as Buffer).equals(said));
  await engine.until(({ openConnections }) => openConnections === 0);
  const outbound = engine.ends.find(({ sourceIdentity, destinationIdentity }) => sourceIdentity === client.identity && destinationIdentity === under.workload.identity);
  t.truthy(outbound, 'both ends proved who they are to each other');
  t.deepEqual(engine.ends.map(({ flag }) => flag), ['-', '-', '-']);
  t.deepEqual(await engine.failures(), {});
});

test.serial('point 7: the workload inside must be one of the service, whoever the gateway is', async (t) => {
  await using under = await twoNetworks({ innerIdentities: [foreign.identity('another'), gateway.identity] });
  t.true((await ask(under.pod.port, 'secret')) instanceof Error);
  t.is(under.application.sockets.length, 0);
  t.like(await engine.failures(), { 'outbound identity': 1 });
});

test.serial('point 7: where nobody can be verified inside, nothing is sent', async (t) => {
  await using under = await twoNetworks({ innerIdentities: [] });
  t.true((await ask(under.pod.port, 'secret')) instanceof Error);
  t.is(under.application.sockets.length, 0);
});

test.serial('point 7: each connection has a TLS session of its own inside, and they share the one outside', async (t) => {
  await using under = await twoNetworks();
  const held = Array.from({ length: 4 }, () => connect(under.pod.port, HERE));
  await Promise.all(held.map(async (socket, i) => {
    socket.write(`${i}`);
    t.is(String((await once(socket, 'data'))[0]), `${i}`);
  }));
  const gauges = await engine.report();
  t.is(gauges.clientSessions, 1, 'from the client to the gateway');
  t.is(gauges.serverSessions, 5, 'one at the gateway, and one for each connection at the workload');
  for (const socket of held) socket.destroy();
  await engine.until(({ serverSessions }) => serverSessions === 1);
});

test.serial('point 7: the authority is the hostname outside and inside, and inside is said which network asks', async (t) => {
  const outer = Promise.withResolvers<readonly string[]>();
  const inner = Promise.withResolvers<readonly string[]>();
  const workload = foreign.certificate('workload');
  await using behind = await NodeServer.start(workload, [authority.rootPem, foreign.rootPem].join(''), (request) => {
    inner.resolve(request.raw);
    echoTunnel(request);
  });
  await using between = await NodeServer.start(gateway, authority.rootPem, ({ stream, raw }) => {
    outer.resolve(raw);
    stream.respond({ ':status': 200 });
    const onward = connect(behind.port, HERE);
    onward.on('error', () => stream.destroy());
    stream.pipe(onward).pipe(stream);
  });
  const pod = engine.client(client, [candidate(between.port, gateway.identity, { hop: 'double-hbone', authority: SERVICE_AUTHORITY, innerIdentities: [workload.identity] })], { network: 'east', baggage: BAGGAGE });
  t.is(String(await ask(pod.port, 'hello')), 'hello');
  const field = (raw: readonly string[], name: string): string | undefined => (raw.includes(name) ? raw[raw.indexOf(name) + 1] : undefined);
  const [seenOuter, seenInner] = [await outer.promise, await inner.promise];
  t.is(field(seenOuter, ':authority'), SERVICE_AUTHORITY);
  t.is(field(seenOuter, 'x-forwarded-network'), undefined);
  t.is(field(seenInner, ':authority'), SERVICE_AUTHORITY);
  t.is(field(seenInner, 'x-forwarded-network'), 'east');
  t.is(field(seenInner, 'baggage'), BAGGAGE);
  for (const socket of [...between.sockets, ...behind.sockets]) t.is(socket.getPeerCertificate().subjectaltname, `URI:${client.identity}`);
});

for (const [what, target, status] of [['an address', '10.0.0.1:80', 400], ['a service that it does not serve', 'other.test.svc.clusterset.local:80', 503]] as const) {
  test.serial(`point 7: a gateway refuses ${what}`, async (t) => {
    await using under = await twoNetworks();
    using node = await NodeClient.connect(under.between.port, client, authority.rootPem);
    t.is(await node.status(tunnelTo(target)), status);
  });
}

test.serial('point 7: a gateway refuses who has no certificate', async (t) => {
  await using under = await twoNetworks();
  const socket = await secureSocket(under.between.port, undefined, authority.rootPem);
  const closed = Promise.withResolvers<void>();
  socket.on('error', () => {}).on('close', closed.resolve);
  await closed.promise;
  t.deepEqual(await engine.failures(), { 'inbound tls-no-certificate': 1 });
});
