/** What data threads count of dials into clusters, by which other clusters may come to go first. */
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { workloadLabels } from '@landbridge/agent/proxy/test-reports.ts';
import { freePort } from '@landbridge/lab/free-ports.ts';
import test from 'ava';
import { ask } from './applications.ts';
import { candidate, TestEngine } from './engine.ts';
import { echoTunnel, NodeServer } from './node-peers.ts';

const authority = new TestAuthority('west.example');
const engine = new TestEngine();
engine.trust(authority);
const client = authority.certificate('client');
const server = authority.certificate('server');
test.serial.afterEach.always(() => engine.reset());
test.after.always(async () => {
  await engine[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
});

test.serial('dials are counted for the cluster that was dialled, also those after which another one was', async (t) => {
  await using peer = await NodeServer.start(server, authority.rootPem, echoTunnel);
  const labels = (cluster: string) => workloadLabels('server', { principal: server.identity, cluster });
  const pod = engine.client(client, [
    candidate(await freePort(), server.identity, { labels: labels('south') }),
    candidate(peer.port, server.identity, { labels: labels('north'), rank: 1 }),
  ]);
  t.is(String(await ask(pod.port, 'hello')), 'hello');
  t.is(String(await ask(pod.port, 'again')), 'again');
  await engine.report();
  const [opened, failed] = engine.dials.get('south') ?? [];
  t.is(opened, 0);
  t.true((failed ?? 0) >= 1);
  t.deepEqual(engine.dials.get('north'), [2, 0]);
});
