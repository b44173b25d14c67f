/** What a hand-over does with some connections before it does so with all: they go on where they are, and nothing of it is left. */
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { MAX_BATCH_SOCKETS } from '@landbridge/agent/handover/handed-batch.ts';
import { PlaneSink, PlaneSource } from '@landbridge/agent/proxy/plane-handover.ts';
import { candidate, TestEngine, type TestPod } from '../engine/engine.ts';
import { handOver, received } from './hand-over.ts';
import { KINDS, MovedTraffic } from './moved-traffic.ts';

/** More than are too few to rehearse. */
const OF_EACH_KIND = 4;
const FLOWS = OF_EACH_KIND * Object.keys(KINDS).length;
const ROUNDS = 3;
/** Received between two rounds. */
const BETWEEN = 500_000;
const AUTHORITY = 'echo.test.svc.clusterset.local:80';

const [near, far] = [new TestAuthority('near.example'), new TestAuthority('far.example')];
const [client, gateway, workload] = [near.certificate('client'), near.certificate('gateway'), far.certificate('workload')];
type Agents = readonly [TestEngine, TestEngine];
const callers: Agents = [new TestEngine(), new TestEngine()];
const called: Agents = [new TestEngine(), new TestEngine()];
const between = new TestEngine();
test.serial.afterEach.always(() => Promise.all([...callers, ...called, between].map((engine) => engine.reset())));
test.after.always(async () => {
  for (const each of [near, far]) each[Symbol.dispose]();
  for (const engine of [...callers, ...called, between]) await engine[Symbol.asyncDispose]();
});

/** A client of a workload behind a gateway: sessions inside of tunnels at one end, a tunnel for each of them at the other one. */
function throughGateway(port: number): TestPod {
  for (const engine of [...callers, ...called, between]) engine.trust(near, far);
  const [behind] = called.map((engine) => {
    engine.inbound = () => ({ kind: 'dial', port, service: undefined, tunnel: undefined, proxyDestination: undefined });
    return engine.server(workload);
  });
  const passing = between.server(gateway, { kind: 'gateway' });
  between.plans(passing.uid, () => ({ kind: 'balance', service: undefined, candidates: [candidate((behind as TestPod).port, workload.identity, { hop: 'plain', authority: '' })], limits: { maxConnections: undefined, maxPending: undefined }, affinity: 'none' }));
  const [pod] = callers.map((engine) => engine.client(client, [candidate(passing.port, gateway.identity, { hop: 'double-hbone', authority: AUTHORITY, innerIdentities: [workload.identity] })], { network: 'east' }));
  return pod as TestPod;
}

/** As often as the source wants, once. */
async function rehearse([from, to]: Agents): Promise<number> {
  const [source, sink] = [new PlaneSource(from.plane), new PlaneSink(to.plane)];
  await source.begin();
  for (let count = 0; ; count++) {
    const batch = await source.rehearse(MAX_BATCH_SOCKETS);
    if (batch === undefined) return count;
    const prepared = await sink.prepare(received(batch));
    if (prepared.kind === 'refused') throw new Error(prepared.reason);
    await sink.discard(prepared.prepared);
  }
}

test.serial('connections of every kind go on while they are rehearsed, and move afterwards', async (t) => {
  await using traffic = await MovedTraffic.start();
  const pod = throughGateway(traffic.port);
  for (let i = 0; i < OF_EACH_KIND; i++) for (const kind of Object.keys(KINDS)) await traffic.begin(kind, pod.port);
  const sockets = (await Promise.all([callers[1], called[1]].map(async (engine) => await engine.report()))).map((report) => report.sockets);
  for (let round = 0; round < ROUNDS; round++) {
    const enough = traffic.received + BETWEEN;
    while (traffic.received < enough) await turn();
    // One of them may be about to open still.
    for (const engines of [callers, called]) while ((await rehearse(engines)) === 0) await turn();
  }
  for (const [i, engine] of [callers[1], called[1]].entries()) t.like(await engine.report(), { openConnections: 0, clientSessions: 0, serverSessions: 0, sockets: sockets[i] });
  for (const engines of [callers, called]) t.like(await handOver(...engines), { moved: FLOWS, refusals: [], staying: {} });
  t.deepEqual(await traffic.finish(), []);
  for (const engine of [...callers, ...called]) t.deepEqual(await engine.failures(), {});
});

test.serial('what is too little to take long is not rehearsed', async (t) => {
  await using traffic = await MovedTraffic.start();
  const pod = throughGateway(traffic.port);
  for (const kind of Object.keys(KINDS)) await traffic.begin(kind, pod.port);
  for (const engines of [callers, called]) t.is(await rehearse(engines), 0);
  t.deepEqual(await traffic.finish(), []);
});
