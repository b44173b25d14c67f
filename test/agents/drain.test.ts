import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { balancePlan, hboneCandidate } from './agent.ts';
import { AgentProcess } from './agent-process.ts';
import { dial, echo, readAll, startApplication } from './applications.ts';
import { eventually } from './eventually.ts';
import { type FleetServer, ranked, startFleet } from './fleet.ts';

const DEADLINE_MS = 20_000;
/** More than all buffers between two applications. */
const MUCH = 24 * 1024 * 1024;

/** Says `size` bytes, each of which depends on its place, and ends. */
function patternOf(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8)) & 255;
  return bytes;
}

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

test.serial('an agent that drains keeps its connections until they end, and further ones go elsewhere without a failure', async (t) => {
  const { client, clientPort, servers, agents } = await startFleet(t, { servers: 2 });
  const [first, second] = servers as [FleetServer, FleetServer];
  client.setPlan('client', balancePlan([ranked(first.candidate, 0), ranked(second.candidate, 1)]));
  const held = await Promise.all(Array.from({ length: 20 }, async () => await dial(clientPort)));
  await Promise.all(held.map(async (socket, i) => t.is(await ask(socket, `before ${i}`), `before ${i}`)));
  t.is(first.app.accepted, 20);

  const drained = agents[0]?.drain(DEADLINE_MS);
  let isDrained = false;
  void drained?.then(() => (isDrained = true));
  for (let i = 0; i < 30; i++) {
    const socket = connect({ port: clientPort, host: '127.0.0.1', allowHalfOpen: true });
    socket.end(`call ${i}`);
    t.deepEqual(await readAll(socket), { text: `call ${i}`, end: 'end' });
  }
  t.true(second.app.accepted > 0);
  await Promise.all(held.map(async (socket, i) => t.is(await ask(socket, `meanwhile ${i}`), `meanwhile ${i}`)));
  t.false(isDrained);

  const lastWords = held.map(async (socket) => await readAll(socket));
  for (const socket of held) socket.end('end');
  for (const last of lastWords) t.deepEqual(await last, { text: 'end', end: 'end' });
  await drained;
  t.is((await agents[0]?.totals())?.gauges.openConnections, 0);
  const { failures, ends } = await client.totals();
  t.deepEqual(ends.filter(({ flag }) => flag !== '-'), []);
  t.deepEqual(Object.keys(failures).filter((reason) => reason !== 'outbound dial-refused'), []);
});

test.serial('connections that are made while an agent begins to drain fail nowhere', async (t) => {
  const { client, clientPort, servers, agents } = await startFleet(t, { servers: 2 });
  const [first, second] = servers as [FleetServer, FleetServer];
  client.setPlan('client', balancePlan([ranked(first.candidate, 0), ranked(second.candidate, 1)]));
  let isOver = false;
  const callers = Array.from({ length: 20 }, async (_, caller) => {
    for (let i = 0; !isOver; i++) {
      const socket = connect({ port: clientPort, host: '127.0.0.1', allowHalfOpen: true });
      socket.end(`${caller} ${i}`);
      t.deepEqual(await readAll(socket), { text: `${caller} ${i}`, end: 'end' });
    }
  });
  await eventually(() => first.app.accepted, (accepted) => accepted > 200);
  await agents[0]?.drain(DEADLINE_MS);
  const before = second.app.accepted;
  await eventually(() => second.app.accepted, (accepted) => accepted > before + 200);
  isOver = true;
  await Promise.all(callers);
});

test.serial('connections that wait to be accepted when an agent begins to drain are served', async (t) => {
  await using app = await startApplication(echo);
  using authority = new TestAuthority('east.example');
  const { identity } = authority.certificate('client');
  const plan = balancePlan([hboneCandidate('app', app.port, { ip: '127.0.0.1', port: app.port }, [], { hop: 'plain' })]);
  await using agent = await AgentProcess.start({ trust: [], certificates: [], pods: [{ uid: 'client', identity, listens: ['outbound'], destination: { ip: '127.0.0.1', port: 1 }, plan }] });
  const port = agent.port('client', 'outbound');
  // While it stands still the kernel makes handshakes for it; then it is told to drain before it can have accepted all.
  agent.signal('SIGSTOP');
  const sockets = await Promise.all(Array.from({ length: 1000 }, async () => await dial(port)));
  const drained = agent.call('drain', DEADLINE_MS);
  agent.signal('SIGCONT');
  const answers = await Promise.all(sockets.map(async (socket, i) => {
    socket.end(`call ${i}`);
    return await readAll(socket);
  }));
  t.deepEqual(answers.filter(({ text, end }, i) => text !== `call ${i}` || end !== 'end').slice(0, 3), []);
  await drained;
});

test.serial('what was sent last arrives although the agent drains: answers that clients take slowly', async (t) => {
  const bytes = patternOf(MUCH);
  const { clientPort, servers, agents } = await startFleet(t, { servers: 1, serve: (socket) => void socket.resume().end(bytes) });
  const sockets = await Promise.all(Array.from({ length: 4 }, async () => await dial(clientPort)));
  for (const socket of sockets) socket.end('go');
  await eventually(() => servers[0]?.app.accepted, (accepted) => accepted === 4);
  const drained = agents[0]?.drain(DEADLINE_MS);
  const received = await Promise.all(sockets.map(async (socket) => {
    const chunks: Buffer[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      await delay(1);
    }
    return Buffer.concat(chunks);
  }));
  for (const each of received) t.true(each.equals(bytes), `${each.length} bytes`);
  await drained;
});

test.serial('what was sent last arrives although both agents drain: uploads after the answer has ended', async (t) => {
  const bytes = patternOf(MUCH);
  const received: Buffer[][] = [];
  const { client, clientPort, agents } = await startFleet(t, {
    servers: 1,
    serve: (socket) => {
      const chunks: Buffer[] = [];
      received.push(chunks);
      socket.end('take it');
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        socket.pause();
        setTimeout(() => socket.resume(), 1);
      });
    },
  });
  const sockets = await Promise.all(Array.from({ length: 4 }, async () => await dial(clientPort)));
  for (const socket of sockets) t.is((await readAll(socket)).text, 'take it');
  const sent = sockets.map(async (socket) => await new Promise<void>((resolve) => socket.end(bytes, resolve)));
  const drains = [client.drain(DEADLINE_MS), agents[0]?.drain(DEADLINE_MS)];
  await Promise.all(sent);
  await Promise.all(drains);
  for (const chunks of received) await eventually(() => Buffer.concat(chunks).length, (length) => length === MUCH);
  for (const chunks of received) t.true(Buffer.concat(chunks).equals(bytes));
});

test.serial('connections that do not end are there until the deadline', async (t) => {
  const { clientPort, agents } = await startFleet(t, { servers: 1 });
  const socket = await dial(clientPort);
  t.is(await ask(socket, 'x'), 'x');
  const startedAtMs = performance.now();
  await agents[0]?.drain(500);
  t.true(performance.now() - startedAtMs >= 490);
  t.is(await ask(socket, 'y'), 'y');
  const closed = readAll(socket);
  await agents[0]?.[Symbol.asyncDispose]();
  t.is((await closed).end, 'reset');
});

test.serial('a pod that is removed lets its connections end until its own deadline, and another pod of the agent goes on', async (t) => {
  const { authority, client, clientPort, servers, agents } = await startFleet(t, { servers: 1 });
  const [first] = servers as [FleetServer];
  const agent = agents[0] as NonNullable<(typeof agents)[0]>;
  const { identity } = authority.certificate('server-0');
  agent.addPod({ uid: 'other', identity, listens: ['hbone'], policies: [] });
  const held = await dial(clientPort);
  t.is(await ask(held, 'x'), 'x');
  const removed = agent.removePod('server-0', 500);
  t.is(await ask(held, 'y'), 'y');
  client.setPlan('client', balancePlan([{ ...first.candidate, id: 'other', port: agent.port('other', 'hbone') }]));
  await client.caughtUp();
  const other = await dial(clientPort);
  t.is(await ask(other, 'z'), 'z');
  const closed = readAll(held);
  await removed;
  t.is((await closed).end, 'reset');
  t.is(await ask(other, 'z'), 'z');
});
