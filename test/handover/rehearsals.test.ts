/** What a hand-over does with some connections before it does so with all: they go on where they are, and nothing of it is left. */
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { MAX_BATCH_SOCKETS } from '@landbridge/agent/handover/handed-batch.ts';
import { PlaneSink, PlaneSource } from '@landbridge/agent/proxy/plane-handover.ts';
import { type Agents, GatewayScene } from './gateway-scene.ts';
import { handOver, rehearse } from './hand-over.ts';
import { KINDS, MovedTraffic } from './moved-traffic.ts';

/** More than are too few to rehearse. */
const OF_EACH_KIND = 4;
const FLOWS = OF_EACH_KIND * Object.keys(KINDS).length;
const ROUNDS = 3;
/** Received between two rounds. */
const BETWEEN = 500_000;

const scene = new GatewayScene();
const { callers, called } = scene;
test.serial.afterEach.always(async () => await scene.reset());
test.after.always(async () => await scene[Symbol.asyncDispose]());

async function rehearsed([from, to]: Agents): Promise<number> {
  const source = new PlaneSource(from.plane);
  await source.begin();
  return await rehearse(source, new PlaneSink(to.plane), MAX_BATCH_SOCKETS);
}

test.serial('connections of every kind go on while they are rehearsed, and move afterwards', async (t) => {
  await using traffic = await MovedTraffic.start();
  const pod = scene.throughGateway(traffic.port);
  for (let i = 0; i < OF_EACH_KIND; i++) for (const kind of Object.keys(KINDS)) await traffic.begin(kind, pod.port);
  const sockets = (await Promise.all([callers[1], called[1]].map(async (engine) => await engine.report()))).map((report) => report.sockets);
  for (let round = 0; round < ROUNDS; round++) {
    const enough = traffic.received + BETWEEN;
    while (traffic.received < enough) await turn();
    // One of them may be about to open still.
    for (const engines of [callers, called]) while ((await rehearsed(engines)) === 0) await turn();
  }
  for (const [i, engine] of [callers[1], called[1]].entries()) t.like(await engine.report(), { openConnections: 0, clientSessions: 0, serverSessions: 0, sockets: sockets[i] });
  for (const engines of [callers, called]) t.like(await handOver(...engines), { moved: FLOWS, refusals: [], staying: {} });
  t.deepEqual(await traffic.finish(), []);
  for (const engine of [...callers, ...called]) t.deepEqual(await engine.failures(), {});
});

test.serial('what is too little to take long is not rehearsed', async (t) => {
  await using traffic = await MovedTraffic.start();
  const pod = scene.throughGateway(traffic.port);
  for (const kind of Object.keys(KINDS)) await traffic.begin(kind, pod.port);
  for (const engines of [callers, called]) t.is(await rehearsed(engines), 0);
  t.deepEqual(await traffic.finish(), []);
});
