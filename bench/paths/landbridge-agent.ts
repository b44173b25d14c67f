/**
 * One agent of a measured pair: the data plane of the product between listeners on given addresses, with discovery,
 * certificates and policies from the command line instead of a control plane.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { X509Certificate } from 'node:crypto';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import type { RoutePlan, WorkloadLabels } from '@landbridge/core/route-plan.ts';
import { DataPlane, DEFAULT_TUNING } from '@landbridge/agent/proxy/data-plane.ts';
import { listenHere } from '@landbridge/native/sockets.ts';

const { values } = parseArgs({
  options: {
    role: { type: 'string' },
    listen: { type: 'string', multiple: true },
    target: { type: 'string', multiple: true },
    peer: { type: 'string' },
    certs: { type: 'string' },
    workers: { type: 'string', default: '1' },
  },
});

const BACKLOG = 4096;
const workers = Number(values.workers);
const certs = values.certs ?? '.';
const read = (file: string): string => readFileSync(path.join(certs, file), 'utf8');
const name = values.role === 'client' ? 'client' : 'server';

function identityOf(pem: string): SpiffeId {
  const uri = /URI:([^,\s]+)/.exec(new X509Certificate(pem).subjectAltName ?? '')?.[1] ?? '';
  const parsed = parseSpiffeId(uri);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value.id;
}

function address(text: string): { ip: string; port: number } {
  const colon = text.lastIndexOf(':');
  return { ip: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

const labelsOf = (workload: string, principal: SpiffeId): WorkloadLabels => ({ workload, namespace: 'bench', canonicalName: workload, canonicalRevision: 'latest', cluster: 'bench', region: '', zone: '', principal });
const own = identityOf(read(`${name}.crt`));
const other = identityOf(read(`${name === 'client' ? 'server' : 'client'}.crt`));
const trustDomain = own.split('/')[2] ?? '';

const peer = address(values.peer ?? '0.0.0.0:0');
const plane = new DataPlane(workers, { ...DEFAULT_TUNING, accessLog: 'off' }, {
  plan: (_, destination): RoutePlan => {
    if (!('ip' in destination)) return { kind: 'refuse', reason: 'no gateway', service: undefined };
    const candidate = { id: 'server', hop: 'hbone', address: peer.ip, port: peer.port, authority: `${destination.ip}:${destination.port}`, identities: [other], innerIdentities: [], localPod: undefined, target: destination, weight: 1, rank: 0, labels: labelsOf('server', other) } as const;
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
plane.setTrust([[trustDomain, [read('ca.crt')]]]);
plane.setCertificate(own, read(`${name}.key`), read(`${name}.crt`));

const pod = { kind: 'pod', identity: own, addresses: [], labels: labelsOf(name, own), baggage: `k8s.cluster.name=bench,k8s.namespace.name=bench,k8s.deployment.name=${name},service.name=${name},service.version=latest`, network: '', handles: undefined, services: [], applicationTunnel: undefined } as const;
for (const [i, text] of (values.listen ?? []).entries()) {
  const listen = address(text);
  const fds = listenHere(listen.ip, listen.port, BACKLOG, workers);
  const listeners = { outbound: [], plaintext: [], hbone: [], [name === 'client' ? 'outbound' : 'hbone']: fds };
  const uid = `${name}-${i}`;
  plane.setPod({ ...pod, uid, fixedDestination: values.target?.[i] === undefined ? undefined : address(values.target[i]) }, listeners);
  plane.setPolicies(uid, []);
}
process.once('SIGTERM', () => void plane[Symbol.asyncDispose]().then(() => process.exit(0)));
if (process.env['REPORT'] !== undefined) setInterval(() => void plane.reports(1000).then((reports) => process.stderr.write(`${JSON.stringify(reports)}\n`)), 2000);
process.stdout.write('ready\n');
