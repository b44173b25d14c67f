import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { runningLab } from '@landbridge/lab/state.ts';
import { type LabPod, type LabPods, linkOf, runIn, runInInnerNamespace, runOnNode, runOutside, startLabPods } from '../capture-matrix/lab-pods.ts';
import { outcomeOf, packetFilter, parseHeard, probe } from '../capture-matrix/observation.ts';
import { APPLICATION_PORT, type Destination, DOMAIN_PORT, type Row, ROWS } from '../capture-matrix/rows.ts';
import { startCapture } from './packet-capture.ts';
import { accessLog, eventually } from './running-lab.ts';

const CLUSTER = 'west';
const EMPTY_PCAP_BYTES = 24;
const HBONE_PORT = 15008;
/** Reports come each second. */
const LOG_MS = 15_000;
const NOBODY_THERE: ReadonlySet<Destination> = new Set(['metadata', 'automatic', 'elsewhere']);

/** Why a row of the table is begun in network namespaces only. */
function whyNot({ origin, family, destination, port }: Row): string | undefined {
  if (family === 6 && destination !== 'loopback') return "the lab's clusters have IPv4 only";
  if (origin === 'agent' || origin === 'kubelet') return 'nobody begins it for a test';
  if (port === DOMAIN_PORT) return 'queries for names have no line in the access log';
  if (destination === 'pod' && port === HBONE_PORT) return 'what is no handshake has no line in the access log';
  return undefined;
}

const nodeOf = () => {
  const node = runningLab().plan.clusters.find(({ name }) => name === CLUSTER)?.nodes[1];
  if (node === undefined) throw new Error('not the lab that was asked for');
  return node;
};

interface Seen {
  readonly row: Row;
  readonly said: string;
  readonly from: string;
  readonly left: boolean;
}

/** `subject`: stands where the captured pod does. */
function addressOf({ destination, family }: Row, subject: LabPod, pods: LabPods): string {
  if (family === 6) return '::1';
  return { pod: subject.address, 'own-address': subject.address, loopback: '127.0.0.1', 'other-pod': pods.peer.address, node: nodeOf().address, service: pods.service, metadata: '169.254.169.254', automatic: '240.240.0.7', elsewhere: '192.0.2.7' }[destination];
}

async function begin(row: Row, subject: LabPod, pods: LabPods, link: string, directory: string): Promise<Seen> {
  const destination = addressOf(row, subject, pods);
  const argv = probe(row, subject.address, destination);
  const packets = await startCapture(nodeOf().netns, link, path.join(directory, 'link.pcap'), packetFilter(row, destination));
  const { said, from } = parseHeard(await run());
  const left = (await packets.stop()).length > EMPTY_PCAP_BYTES && row.destination !== 'pod';
  return { row, said, from, left };

  async function run(): Promise<string> {
    switch (row.origin) {
      case 'pod':
        return await runIn(CLUSTER, subject, argv);
      case 'outside-control-group':
        return await runOutside(subject, argv);
      case 'inner-namespace':
        return await runInInnerNamespace(CLUSTER, subject, argv);
      case 'other-pod':
        return await runIn(CLUSTER, pods.other, argv);
      case 'host-network':
        return await runIn(CLUSTER, pods.host, argv);
      case 'node':
        return await runOnNode(nodeOf(), argv);
      default:
        throw new Error(`nobody begins what ${row.origin} does`);
    }
  }
}

test.serial('pods of the lab are captured as the documents say', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-matrix-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  await using pods = await startLabPods(CLUSTER, nodeOf());
  const rows = ROWS.filter((row) => whyNot(row) === undefined);
  t.log(ROWS.flatMap((row) => whyNot(row) ?? []).length, 'rows are begun in network namespaces only');

  // What would be seen of them: a pod that is not in the mesh sends the same, and all of it leaves or arrives.
  const bareLink = await linkOf(CLUSTER, pods.other, nodeOf());
  for (const row of rows.filter(({ origin, destination }) => origin !== 'other-pod' && destination !== 'pod')) {
    const seen = await begin(row, pods.other, pods, bareLink, directory);
    t.is(outcomeOf({ ...seen, agentSaw: false }), 'untouched', `${row.traffic}: ${JSON.stringify(seen)}`);
  }

  const link = await linkOf(CLUSTER, pods.captured, nodeOf());
  const all: Seen[] = [];
  for (const row of rows) all.push(await begin(row, pods.captured, pods, link, directory));
  // Each data thread reports by itself: the log has all once it has what must be in it, and a last connection that came after the others.
  const last = await begin({ traffic: '', origin: 'pod', manner: 'tcp', family: 4, destination: 'other-pod', port: APPLICATION_PORT, outcome: 'captured' }, pods.captured, pods, link, directory);
  const awaited = [last, ...all.filter(({ row }) => row.outcome === 'captured' && !NOBODY_THERE.has(row.destination))].map(({ from }) => from);
  let lines: Record<string, unknown>[] = [];
  await eventually('lines in the access log', async () => {
    lines = await accessLog(CLUSTER);
    const told = new Set(lines.map((line) => line['src.addr']));
    return awaited.every((from) => told.has(from)) || undefined;
  }, LOG_MS).catch(() => t.log('the access log lacks connections'));
  const differing = all.flatMap(({ row, said, from, left }) => {
    const hasLine = lines.some((line) => line['src.addr'] === from && line['direction'] === (row.destination === 'pod' ? 'inbound' : 'outbound'));
    // Refused connections of one pod have a line in a second at most; but who else would accept what goes to an address that nobody has?
    const agentSaw = hasLine || (NOBODY_THERE.has(row.destination) && said.startsWith('CONNECTED '));
    // What the agent has it carries to where it was to go.
    const outcome = agentSaw ? 'captured' : outcomeOf({ said, agentSaw, left });
    return outcome === row.outcome ? [] : [`${row.origin}: ${row.traffic}: ${outcome}, not ${row.outcome}: ${JSON.stringify({ said, from, left })}`];
  });
  t.deepEqual(differing, []);
});
