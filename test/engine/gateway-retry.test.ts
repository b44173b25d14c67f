/** What becomes of a connection through a gateway where the endpoint that the gateway chose does not take it: the gateway chooses one for each connection. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { ask } from './applications.ts';
import { candidate, HERE, TestEngine, type TestPod } from './engine.ts';
import { echoTunnel, NodeServer } from './node-peers.ts';

const [near, far] = [new TestAuthority('near.example'), new TestAuthority('far.example')];
const [client, gateway, workload] = [near.certificate('client'), near.certificate('gateway'), far.certificate('workload')];
const AUTHORITY = 'echo.test.svc.clusterset.local:80';

const engine = new TestEngine();
engine.trust(near, far);
test.serial.afterEach.always(() => engine.reset());
test.after.always(async () => {
  for (const each of [near, far]) each[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});

interface Gateway extends AsyncDisposable {
  readonly port: number;
  /** How often it was asked. */
  readonly asked: () => number;
}

/** Hands each connection on to the next of the ports, the last of which stays; it refuses by itself where there are none. */
async function startGateway(...ports: readonly number[]): Promise<Gateway> {
  let asked = 0;
  const server = await NodeServer.start(gateway, near.rootPem, ({ stream }) => {
    const port = ports[Math.min(asked++, ports.length - 1)];
    if (port === undefined) return stream.respond({ ':status': 503 }, { endStream: true });
    stream.respond({ ':status': 200 });
    const onward = connect(port, HERE);
    onward.on('error', () => stream.destroy()).on('close', () => stream.close());
    stream.on('close', () => onward.destroy());
    stream.pipe(onward).pipe(stream);
  });
  return { port: server.port, asked: () => asked, [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose]() };
}

/** An endpoint behind gateways; with a status, one that refuses all. */
const startEndpoint = async (status?: number): Promise<NodeServer> => await NodeServer.start(workload, near.rootPem, (request) => (status === undefined ? echoTunnel(request) : request.stream.respond({ ':status': status }, { endStream: true })));

const clientOf = (...gateways: readonly Gateway[]): TestPod => engine.client(client, gateways.map(({ port }, rank) => candidate(port, gateway.identity, { rank, hop: 'double-hbone', authority: AUTHORITY, innerIdentities: [workload.identity] })));

test.serial('a gateway is asked again where an endpoint behind it refused, and nothing that was sent is lost', async (t) => {
  await using refusing = await startEndpoint(503);
  await using good = await startEndpoint();
  for (const size of [5, 8 * 1024, 300_000]) {
    await using between = await startGateway(refusing.port, good.port);
    const text = 'x'.repeat(size - 1).concat('y');
    t.is(String(await ask(clientOf(between).port, text)), text, `${size} bytes and the end`);
    t.is(between.asked(), 2);
  }
});

test.serial('likewise where the endpoint went away before it had proven who it is', async (t) => {
  const ending = createServer((socket) => socket.once('data', () => socket.destroy())).listen(0, HERE);
  await once(ending, 'listening');
  t.teardown(() => ending.close());
  await using good = await startEndpoint();
  await using between = await startGateway((ending.address() as { port: number }).port, good.port);
  t.is(String(await ask(clientOf(between).port, 'hello')), 'hello');
  t.is(between.asked(), 2);
});

test.serial('other gateways go first, as the service may be elsewhere too', async (t) => {
  await using refusing = await startEndpoint(503);
  await using good = await startEndpoint();
  await using first = await startGateway(refusing.port);
  await using second = await startGateway(good.port);
  t.is(String(await ask(clientOf(first, second).port, 'hello')), 'hello');
  t.deepEqual([first.asked(), second.asked()], [1, 1]);
});

test.serial('three endpoints are tried, not more', async (t) => {
  await using refusing = await startEndpoint(503);
  await using between = await startGateway(refusing.port);
  t.true((await ask(clientOf(between).port, 'hello')) instanceof Error);
  t.is(between.asked(), 3);
});

for (const status of [401, 403]) {
  test.serial(`a refusal by policy is final: ${status}`, async (t) => {
    await using refusing = await startEndpoint(status);
    await using good = await startEndpoint();
    await using between = await startGateway(refusing.port, good.port);
    t.true((await ask(clientOf(between).port, 'hello')) instanceof Error);
    t.is(between.asked(), 1);
    await engine.until(({ openConnections }) => openConnections === 0);
    t.deepEqual(engine.ends.map(({ flag, error }) => `${flag} ${error}`), [`DENY http status: ${status}`]);
  });
}

test.serial('a gateway that finds no endpoint is not asked again', async (t) => {
  await using between = await startGateway();
  t.true((await ask(clientOf(between).port, 'hello')) instanceof Error);
  t.is(between.asked(), 1);
});

test.serial('who is somebody else inside ends it', async (t) => {
  await using other = await NodeServer.start(far.certificate('other'), near.rootPem, echoTunnel);
  await using good = await startEndpoint();
  await using between = await startGateway(other.port, good.port);
  t.true((await ask(clientOf(between).port, 'hello')) instanceof Error);
  t.is(between.asked(), 1);
});
