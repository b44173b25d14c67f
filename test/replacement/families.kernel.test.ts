import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { SERVICE_PORT, TARGET_PORT } from '../footprint/pod-objects.ts';
import { caller, greeter } from '../mesh/applications.ts';
import { packetsIn } from '../e2e/packet-capture.ts';
import { AgentNodes } from './agent-nodes.ts';

/* Two agents, each a process of its own, and pods of IPv6 only beside pods of both families. */

test.serial('pods of one family and of both reach each other through tunnels, and applications see each other\u2019s own addresses', async (t) => {
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['six', 'both', 'near'], east: ['far', 'wide'] }, { families: { six: ['IPv6'], near: ['IPv6'], far: ['IPv6'] } });
  const { mesh } = nodes;
  const [six, both, near, far, wide] = ['six', 'both', 'near', 'far', 'wide'].map((name) => mesh.pod(name)) as [ReturnType<typeof mesh.pod>, ReturnType<typeof mesh.pod>, ReturnType<typeof mesh.pod>, ReturnType<typeof mesh.pod>, ReturnType<typeof mesh.pod>];
  for (const pod of [near, far, wide]) await pod.start(greeter(TARGET_PORT, '::'));
  await nodes.startReady('east');
  await nodes.startReady('west');
  // The applications' own bytes and ports are not on the way between nodes: what is there is tunnels.
  const plain = await mesh.node('west').captureWan(`tcp and port ${TARGET_PORT}`);
  const tunnels = await mesh.node('west').captureWan('tcp port 15008');
  const service = nodes.service('far', 'IPv6');
  t.is(await six.run(caller(far.address6, TARGET_PORT)), `${six.address6} > ${far.address6} ${TARGET_PORT} app saw ${six.address6}`, 'IPv6 only to IPv6 only, another node');
  t.is(await six.run(caller(service, SERVICE_PORT)), `${six.address6} > ${service} ${SERVICE_PORT} app saw ${six.address6}`, 'by its Service');
  t.is(await six.run(caller(near.address6, TARGET_PORT)), `${six.address6} > ${near.address6} ${TARGET_PORT} app saw ${six.address6}`, 'the same node');
  t.is(await both.run(caller(wide.address, TARGET_PORT)), `${both.address} > ${wide.address} ${TARGET_PORT} app saw ::ffff:${both.address}`, 'both to both, by IPv4');
  t.is(await both.run(caller(wide.address6, TARGET_PORT)), `${both.address6} > ${wide.address6} ${TARGET_PORT} app saw ${both.address6}`, 'and by IPv6');
  t.is(await both.run(caller(far.address6, TARGET_PORT)), `${both.address6} > ${far.address6} ${TARGET_PORT} app saw ${both.address6}`, 'both to IPv6 only');
  const other = nodes.service('far');
  t.is(await both.run(caller(other, SERVICE_PORT)), `${both.address} > ${other} ${SERVICE_PORT} app saw ${both.address6}`, 'an IPv4 Service whose endpoint has IPv6 only');
  t.is(await six.run(caller('192.0.2.1', SERVICE_PORT)), 'ENETUNREACH');
  t.is(packetsIn(await plain.stop()), 0);
  t.true(packetsIn(await tunnels.stop()) > 0);
});
