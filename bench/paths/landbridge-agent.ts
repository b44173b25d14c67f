/**
 * One agent of a measured pair, or of a node that has both ends: the data plane of the product between listeners on given
 * addresses, with discovery, certificates and policies from the command line instead of a control plane.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { X509Certificate } from 'node:crypto';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import type { RoutePlan, WorkloadLabels } from '@landbridge/core/route-plan.ts';
import { DataPlane, DEFAULT_TUNING, type ListenerSets } from '@landbridge/agent/proxy/data-plane.ts';
import { listenHere } from '@landbridge/native/sockets.ts';
import { type End, ENDS } from '../path.ts';

const { values } = parseArgs({
  options: {
    role: { type: 'string' },
    listen: { type: 'string', multiple: true, default: [] },
    target: { type: 'string', multiple: true, default: [] },
    peer: { type: 'string', default: '0.0.0.0:0' },
    'same-node': { type: 'string', default: 'relay' },
    certs: { type: 'string', default: '.' },
    workers: { type: 'string', default: '1' },
  },
});

const BACKLOG = 4096;
/** The pod that the application is in. */
const SERVER = 'server-0';
const workers = Number(values.workers);
const sameNode = values['same-node'] === 'tls' ? 'tls' : 'relay';
const hasBothEnds = values.role === 'same-node';
const ends = ENDS.filter((end) => hasBothEnds || values.role === end);
const read = (file: string): string => readFileSync(path.join(values.certs, file), 'utf8');

function identityOf(end: End): SpiffeId {
  const uri = /URI:([^,\s]+)/.exec(new X509Certificate(read(`${end}.crt`)).subjectAltName ?? '')?.[1] ?? '';
  const parsed = parseSpiffeId(uri);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value.id;
}

function address(text: string): { ip: string; port: number } {
  const colon = text.lastIndexOf(':');
  return { ip: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

const identities: Readonly<Record<End, SpiffeId>> = { client: identityOf('client'), server: identityOf('server') };
const labelsOf = (end: End): WorkloadLabels => ({ workload: end, namespace: 'bench', canonicalName: end, canonicalRevision: 'latest', cluster: 'bench', region: '', zone: '', principal: identities[end] });
const peer = address(values.peer);

const plane = new DataPlane(workers, { ...DEFAULT_TUNING, sameNode, accessLog: 'off' }, {
  plan: (_, destination): RoutePlan => {
    if (!('ip' in destination)) return { kind: 'refuse', reason: 'no gateway', service: undefined };
    const localPod = hasBothEnds ? SERVER : undefined;
    const candidate = { id: 'server', hop: 'hbone', address: peer.ip, port: peer.port, authority: `${destination.ip}:${destination.port}`, identities: [identities.server], innerIdentities: [], localPod, target: destination, weight: 1, rank: 0, labels: labelsOf('server') } as const;
    return { kind: 'balance', service: { hostname: 'server.bench', namespace: 'bench', name: 'server' }, candidates: [candidate], limits: { maxConnections: undefined, maxPending: undefined }, affinity: 'none' };
  },
  inbound: (_, authority) => ({ kind: 'dial', port: Number(authority.slice(authority.lastIndexOf(':') + 1)), service: undefined, tunnel: undefined, proxyDestination: undefined }),
  warn: (text, fields) => process.stderr.write(`${text} ${JSON.stringify(fields)}\n`),
  died: (thread, error) => {
    process.stderr.write(`thread ${thread} died: ${error.stack}\n`);
    process.exit(1);
  },
});
await plane.ready;
plane.setTrust([[identities.server.split('/')[2] ?? '', [read('ca.crt')]]]);
for (const end of ends) plane.setCertificate(identities[end], read(`${end}.key`), read(`${end}.crt`));

function addPod(uid: string, end: End, listen: string, target: string | undefined): void {
  const { ip, port } = address(listen);
  const listeners: ListenerSets = { outbound: [], plaintext: [], hbone: [], [end === 'client' ? 'outbound' : 'hbone']: listenHere(ip, port, BACKLOG, workers) };
  const baggage = `k8s.cluster.name=bench,k8s.namespace.name=bench,k8s.deployment.name=${end},service.name=${end},service.version=latest`;
  const fixedDestination = target === undefined ? undefined : address(target);
  plane.setPod({ uid, kind: 'pod', identity: identities[end], addresses: [], labels: labelsOf(end), baggage, network: '', handles: undefined, services: [], applicationTunnel: undefined, fixedDestination }, listeners);
  plane.setPolicies(uid, []);
}

if (ends.includes('server')) addPod(SERVER, 'server', hasBothEnds ? values.peer : (values.listen[0] ?? ''), undefined);
if (ends.includes('client')) for (const [i, listen] of values.listen.entries()) addPod(`client-${i}`, 'client', listen, values.target[i]);
process.once('SIGTERM', () => void plane[Symbol.asyncDispose]().then(() => process.exit(0)));
if (process.env['REPORT'] !== undefined) setInterval(() => void plane.reports(1000).then((reports) => process.stderr.write(`${JSON.stringify(reports)}\n`)), 2000);
process.stdout.write('ready\n');
