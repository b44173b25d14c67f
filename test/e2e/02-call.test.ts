import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { WAN } from '@landbridge/lab/plan.ts';
import { segmentsOf, serverHelloVersion, startCapture } from './packet-capture.ts';
import { accessLog, apply, call, eventually, kubectl, lab, parseAnswers, untilImported } from './running-lab.ts';

const HBONE_PORT = 15008;
const TLS_1_3 = 0x0304;

test.serial('on the link between the clusters a call is TLS 1.3 and nothing else', async (t) => {
  await untilImported(2);
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-capture-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const marker = `marker-${randomBytes(12).toString('hex')}`;
  // New pods of the client: their tunnels are new, so that the handshakes are in the capture.
  await kubectl('west', '-n', 'demo', 'rollout', 'restart', 'deployment/client');
  await kubectl('west', '-n', 'demo', 'rollout', 'status', 'deployment/client', '--timeout=60s');
  const capture = await startCapture(WAN, 'br-east', path.join(directory, 'link.pcap'), 'net 10.101.0.0/16 and net 10.102.0.0/16');
  const answer = await eventually('an answer', async () => {
    const outcome = await call(['--body', marker]);
    return outcome.status === 0 ? outcome.stdout : undefined;
  });
  const bytes = await capture.stop();
  t.is(parseAnswers(answer)[0]?.echo, marker);
  const segments = segmentsOf(bytes);
  t.true(segments.length > 5, `${segments.length} segments`);
  t.false(bytes.includes(marker), 'the marker is readable on the link');
  t.deepEqual(segments.filter(({ sourcePort, destinationPort }) => sourcePort !== HBONE_PORT && destinationPort !== HBONE_PORT).map(({ source, destination }) => `${source} ${destination}`), []);
  const versions = segments.map(({ payload }) => serverHelloVersion(payload)).filter((version) => version !== undefined);
  t.true(versions.length > 0, 'no handshake was captured');
  t.true(versions.every((version) => version === TLS_1_3), versions.join());
});

test.serial('the access logs of both agents name both identities', async (t) => {
  for (const [cluster, direction] of [['west', 'outbound'], ['east', 'inbound']] as const) {
    const line = await eventually(`an access log line in ${cluster}`, async () => (await accessLog(cluster)).findLast((entry) => entry['direction'] === direction && entry['tunnel'] === 'hbone' && entry['dst.identity'] === 'spiffe://east.landbridge/ns/demo/sa/echo'));
    t.like(line, { 'src.identity': 'spiffe://west.landbridge/ns/demo/sa/client', 'dst.identity': 'spiffe://east.landbridge/ns/demo/sa/echo', msg: 'connection complete' });
  }
});

test.serial('calls spread over all ready pods', async (t) => {
  await untilImported(2);
  const outcome = await call(['--count', '40']);
  t.is(outcome.status, 0, outcome.stderr);
  const counts = new Map<string, number>();
  for (const { pod } of parseAnswers(outcome.stdout)) counts.set(pod, (counts.get(pod) ?? 0) + 1);
  t.is(counts.size, 2, JSON.stringify([...counts]));
});

test.serial('probes of captured pods go past the agent, and nothing else of their node does', async (t) => {
  const pods = JSON.parse(await kubectl('east', '-n', 'demo', 'get', 'pods', '-l', 'app=echo', '-o', 'json')) as { items: { metadata: { annotations?: Record<string, string> }; spec: { nodeName: string }; status: { podIP: string; containerStatuses: { ready: boolean; restartCount: number }[] } }[] };
  t.is(pods.items.length, 2);
  for (const { metadata, spec, status } of pods.items) {
    t.is(metadata.annotations?.['ambient.istio.io/redirection'], 'enabled');
    t.like(status.containerStatuses[0], { ready: true, restartCount: 0 });
    const onNode = async (...argv: readonly string[]): Promise<string> => (await lab('node', 'east', spec.nodeName, ...argv)).stdout;
    const metric = async (name: string): Promise<number> => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await onNode('curl', '-s', 'http://127.0.0.1:15020/metrics'))?.[1]);
    const plaintext = async (): Promise<Record<string, unknown>[]> => (await accessLog('east')).filter((line) => line['direction'] === 'inbound' && line['tunnel'] === 'none' && line['dst.addr'] === `${status.podIP}:8080`);
    t.is(await metric('landbridge_kubelet_found'), 1);
    const passed = await metric('landbridge_kubelet_probes_total');
    await eventually('another probe', async () => ((await metric('landbridge_kubelet_probes_total')) > passed ? true : undefined));
    t.deepEqual(await plaintext(), [], 'the agent carried none');
    t.is(await onNode('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', `http://${status.podIP}:8080/readyz`), '200');
    t.like(await eventually('the request of another process in the log', async () => (await plaintext())[0]), { msg: 'connection complete' });
  }
});

test.serial('a pod without the label of the mesh is not captured', async (t) => {
  const labels = { app: 'outsider' };
  await apply('west',
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'outside' } },
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'outsider', namespace: 'outside' }, spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'demo', image: 'lab.local/demo:1', args: ['idle'] }] } } } },
  );
  t.teardown(async () => void (await kubectl('west', 'delete', 'namespace', 'outside', '--wait=false')));
  await kubectl('west', '-n', 'outside', 'rollout', 'status', 'deployment/outsider', '--timeout=60s');
  const outcome = await eventually('an answer', async () => {
    const made = await call([], 'deploy/outsider', 'outside');
    return made.status === 0 ? made : undefined;
  });
  // Its own address arrives in plaintext at the pod's agent in east: nobody has taken the connection on the way.
  const address = (await kubectl('west', '-n', 'outside', 'get', 'pods', '-l', 'app=outsider', '-o', 'jsonpath={.items[0].status.podIP}')).trim();
  t.is(parseAnswers(outcome.stdout).length, 1);
  const line = await eventually('the call in the log of east', async () => (await accessLog('east')).find((entry) => String(entry['src.addr']).startsWith(`${address}:`)));
  t.like(line, { direction: 'inbound', tunnel: 'none' });
  t.false('src.identity' in line);
  const listeners = await kubectl('west', '-n', 'outside', 'exec', 'deploy/outsider', '--', '/bin/cat', '/proc/net/tcp');
  const captured = await kubectl('west', '-n', 'demo', 'exec', 'deploy/client', '--', '/bin/cat', '/proc/net/tcp');
  // 127.0.0.1:15001, the agent's listener in a captured pod.
  t.false(listeners.includes('0100007F:3A99'));
  t.true(captured.includes('0100007F:3A99'));
  const annotation = await kubectl('west', '-n', 'outside', 'get', 'pods', '-l', 'app=outsider', '-o', 'jsonpath={.items[0].metadata.annotations}');
  t.false(annotation.includes('redirection'));
});
