/** Rows of the failure matrix that are about a hub of several servers. */
import { exampleKeys } from '@landbridge/federation/records/example-records.ts';
import { patient } from '@landbridge/lab/wait.ts';
import test from 'ava';
import { until } from '@landbridge/lab/until.ts';
import { FaultMember } from './fault-member.ts';
import { CONVERGED_MS, type FaultTimes, REAL_TIMES, SHORT_TIMES } from './fault-times.ts';
import { HubCluster } from './hub-cluster.ts';

const keys = new Map(['east', 'west'].map((cluster) => [cluster, exampleKeys()]));
const many = Array.from({ length: 30 }, (_, index) => `s${index}`).sort();

async function start(cluster: string, servers: readonly string[], times: FaultTimes = SHORT_TIMES): Promise<FaultMember> {
  const member = await FaultMember.start({ cluster, keys: keys.get(cluster) ?? exampleKeys(), servers, replicas: 3, times, ...(cluster === 'east' ? { founds: keys } : {}) });
  member.publish(cluster === 'west' ? many : []);
  return member;
}

test.serial('one of three servers with a damaged store: whoever reads from it misses nothing for long, and nothing vanishes', async (t) => {
  await using hub = await HubCluster.start();
  const west = await start('west', hub.urls);
  const east = await start('east', hub.urls);
  const sees = (member: FaultMember) => (): boolean => member.exportsOf('west').join() === many.join();
  await until('east sees all', sees(east));
  await hub.servers[2]?.kill();
  t.true((await hub.corrupt(2)) > 0, 'there is something to damage');
  await hub.servers[2]?.boot();
  // A reader that has only this server.
  const late = await start('east', [hub.servers[2]?.url ?? '']);
  const startMs = performance.now();
  await until(() => `the late reader sees ${late.exportsOf('west').length} of ${many.length}`, sees(late));
  t.log(`a reader of the damaged server saw all after ${Math.round(performance.now() - startMs)} ms`);
  t.deepEqual([east.lost, late.lost], [[], []]);
  t.deepEqual(Object.keys(east.rejected), []);
  await Promise.all([west, east, late].map((member) => member[Symbol.asyncDispose]()));
});

test.serial('servers that are killed one after the other while exports change: what is there in the end is what was wanted last, and soon after the hub has its leaders again', async (t) => {
  await using hub = await HubCluster.start();
  const west = await start('west', hub.urls, REAL_TIMES);
  const east = await start('east', hub.urls, REAL_TIMES);
  for (let round = 0; round < 6; round += 1) {
    const server = hub.servers[round % hub.servers.length];
    west.publish(many.slice(0, 20 + round));
    await server?.kill();
    west.publish(many.slice(0, 21 + round));
    await server?.boot();
  }
  const wanted = many.slice(0, 26);
  const startMs = performance.now();
  const whole = hub.whole().then(() => performance.now() - startMs);
  await until(() => `east sees ${east.exportsOf('west').join()}`, () => east.exportsOf('west').join() === wanted.join());
  const convergedMs = performance.now() - startMs;
  const wholeMs = await whole;
  t.log(`converged ${Math.round(convergedMs)} ms after the last server was back, of which the hub had no leaders for ${Math.round(wholeMs)}`);
  t.true(convergedMs - wholeMs <= patient(CONVERGED_MS / 2), `${convergedMs - wholeMs} ms after the hub had its leaders`);
  t.deepEqual([...new Set(east.lost)], [], 'each list was longer than the one before');
  await Promise.all([west, east].map((member) => member[Symbol.asyncDispose]()));
});
