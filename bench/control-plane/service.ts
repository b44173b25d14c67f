/** The federation service without hub and certificates: objects in, discovery out. Talks with its parent by messages. */
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { Authenticator } from '@landbridge/federation/ca/authenticator.ts';
import { exampleAuthority } from '@landbridge/federation/ca/example-authority.ts';
import { Clusterset } from '@landbridge/federation/clusterset/clusterset.ts';
import { startGrpcServer } from '@landbridge/federation/grpc-server.ts';
import type { Membership } from '@landbridge/federation/hub/membership.ts';
import { KubernetesObjectSource } from '@landbridge/federation/kubernetes/kubernetes-object-source.ts';
import type { ResourceKind } from '@landbridge/federation/kubernetes/object-source.ts';
import type { Writer } from '@landbridge/federation/outputs/writer.ts';
import { AdsService } from '@landbridge/federation/xds/ads-service.ts';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import { pino } from 'pino';
import { TurnMeter } from './turn-meter.ts';

const [url = '', roots = '', resources = ''] = process.argv.slice(2);
const log = pino({ level: 'warn' }, pino.destination(2));
const turns = new TurnMeter();
const startedMs = performance.now();

const authority = exampleAuthority('bench.landbridge');
const certificate = await authority.issueServer(['localhost'], Date.now(), AbortSignal.timeout(10_000));
const ads = new AdsService(new Authenticator(async () => ({ username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'node-0', pod: 'agent' }), 'landbridge-system', Date.now), log);
const apiServer = new ApiServerClient({ userAgent: 'bench/1', server: new URL(url), roots: () => roots });
const views = new Map();
const membership: Partial<Membership> = { views: () => views, isComplete: () => true, publish: () => {}, publishedRecords: () => 0, hubState: () => ({ kind: 'none' }), allListed: true, allComplete: true };
const publish = ads.publish.bind(ads);
let isReady = false;
ads.publish = (snapshot): void => {
  publish(snapshot);
  if (isReady || (snapshot.types.get(ADDRESS_TYPE)?.size ?? 0) < Number(resources)) return;
  isReady = true;
  report('synced', { ms: performance.now() - startedMs });
};
const clusterset = new Clusterset({
  config: { cluster: 'bench', trustDomain: 'bench.landbridge', network: '', domain: 'cluster.local', rootNamespace: 'landbridge-system', logLevel: 'warn', namespace: 'landbridge-system' },
  sourceOf: (kind: ResourceKind) => new KubernetesObjectSource(apiServer, kind, log),
  membership: membership as Membership,
  writer: { write: async () => true, writeStatus: async () => true } as unknown as Writer,
  ads,
  roots: () => authority.roots,
  version: 'bench',
  log,
} as unknown as ConstructorParameters<typeof Clusterset>[0]);
const server = await startGrpcServer({ port: 0, certificate, createCertificate: () => {}, deltaAggregatedResources: ads.handle });

let cpu = process.cpuUsage();
function report(what: string, more: object = {}): void {
  const { user, system } = process.cpuUsage(cpu);
  process.send?.({ what, rssMiB: process.memoryUsage().rss / 2 ** 20, heapMiB: process.memoryUsage().heapUsed / 2 ** 20, cpuMs: (user + system) / 1000, ...turns.read(), ...more });
}
process.on('message', (what: string) => {
  if (what === 'reset') {
    cpu = process.cpuUsage();
    turns.reset();
  } else report(what);
});
process.on('disconnect', () => process.exit());
process.send?.({ what: 'listening', port: server.port, roots: authority.roots.map((root) => `-----BEGIN CERTIFICATE-----\n${root.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`).join('') });
await clusterset.run(new AbortController().signal);
