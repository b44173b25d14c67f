/**
 * A process of its own that is all other members: each with its keys and its connection to the hub, so that every record is
 * one that a member would write. Talks with its parent by messages.
 */
import { createPrivateKey } from 'node:crypto';
import type { Endpoint, RecordBody } from '@landbridge/core/records.ts';
import { busKey, MEMBERS } from '@landbridge/federation/bus/bus.ts';
import { openNatsBus } from '@landbridge/federation/bus/nats-bus.ts';
import { startExampleHub } from '@landbridge/federation/hub/example-hub.ts';
import type { HubCredentials } from '@landbridge/federation/join/credentials.ts';
import { makeEd25519Keys } from '@landbridge/federation/join/ed25519.ts';
import { makeRoot } from '@landbridge/federation/join/example-founder.ts';
import { issueFounderUser, issueMemberUser, makeUserKeys } from '@landbridge/federation/join/hub-users.ts';
import { beatInterval, DEFAULT_TIMES } from '@landbridge/federation/peers/peer-times.ts';
import { signMember } from '@landbridge/federation/records/members.ts';
import { INTERVAL_STEP_MS } from '@landbridge/wire/beat.ts';
import { pino } from 'pino';
import { GeneratedMember } from './generated-member.ts';
import { exporters, HOME, type MeshSize, NAMESPACES, serviceNames, workloadUid } from './shared-services.ts';

const [members = 0, services = 0, endpoints = 0] = process.argv.slice(2).map(Number);
const size: MeshSize = { members, services, endpoints };
const log = pino({ level: 'warn' }, pino.destination(2));
const stop = new AbortController();
const { signal } = stop;

await using hub = await startExampleHub();
const { authority } = hub;

async function credentialsOf(cluster: string, isFounder = false): Promise<HubCredentials> {
  const user = makeUserKeys();
  const record = makeEd25519Keys();
  const { urls, caPem, authorityPublicKey } = authority;
  return { cluster, urls, caPem, authorityPublicKey, userJwt: await (isFounder ? issueFounderUser : issueMemberUser)(authority, cluster, user.publicKey, Math.floor(Date.now() / 1000) + 86_400), userSeed: user.seed, recordPrivateKeyPem: record.privateKeyPem, recordPublicKey: record.publicKey };
}

const authorityKey = createPrivateKey(authority.authorityPrivateKeyPem);
await using founder = await openNatsBus({ credentials: await credentialsOf('founder', true), createBucket: true, clusterName: 'founder', log, signal });

async function admit({ cluster, recordPublicKey }: HubCredentials): Promise<void> {
  const member = { cluster, recordPublicKey, userPublicKey: makeUserKeys().publicKey, trustDomain: `${cluster}.landbridge`, roots: [await makeRoot()], network: '', joinedAt: Date.now(), revoked: false };
  await founder.put(busKey(MEMBERS, cluster), signMember(authorityKey, member, { epoch: Date.now(), gen: 0 }), signal);
}

function recordsOf(member: number): readonly RecordBody[] {
  const cluster = `member-${member}`;
  const bodies: RecordBody[] = [{ kind: 'meta', trustDomain: `${cluster}.landbridge`, network: '', version: '0.1.0', beats: true }];
  for (let service = 0; service < services; service++) {
    const place = exporters(size, service).indexOf(member);
    if (place < 0) continue;
    const { namespace, name } = serviceNames(service);
    bodies.push({ kind: 'svc', namespace, name, exportedAt: 1_700_000_000_000 + service, type: 'ClusterSetIP', ports: [{ name: 'http', protocol: 'TCP', port: 80 }], sessionAffinity: 'None', ipFamilies: ['IPv4'] });
    bodies.push({ kind: 'eps', namespace, name, shard: 0, endpoints: Array.from({ length: endpoints / services / 2 }, (_, i) => endpointOf(member, service, i, 0)) });
  }
  return bodies;
}

/** `turn` makes another pod of it, by another address. */
function endpointOf(member: number, service: number, number: number, turn: number): Endpoint {
  const address = `10.${64 + member}.${service % 250}.${1 + ((number + 50 * Math.floor(service / 250) + turn * 7) % 254)}`;
  return { workload: `${serviceNames(service).name}-7d9c6b5f48-${number}`, addresses: [address], ports: [{ name: 'http', protocol: 'TCP', port: 8080 }], ready: true, serving: true, terminating: false, serviceAccount: 'default', tunnel: 'hbone', node: `node-${number % 10}`, region: 'r', zone: `z${number % 3}` };
}

const BEAT_MS = Math.ceil(beatInterval(members + 2, DEFAULT_TIMES) / INTERVAL_STEP_MS) * INTERVAL_STEP_MS;

const exporting: GeneratedMember[] = [];
for (let member = 0; member < members; member++) {
  const credentials = await credentialsOf(`member-${member}`);
  await admit(credentials);
  const bus = await openNatsBus({ credentials, createBucket: false, clusterName: credentials.cluster, log, signal });
  const exporter = new GeneratedMember(bus, credentials, recordsOf(member));
  await exporter.publish(signal);
  exporting.push(exporter);
  void exporter.close(signal);
  void exporter.beat(BEAT_MS, signal);
}
const home = await credentialsOf(HOME);
await admit(home);

/** Changes of a longer time are not made up for. */
const MOST_BEHIND_MS = 100;

/** What a workload has become. */
export interface Changed {
  readonly uid: string;
  readonly address: string;
  readonly atMs: number;
}

/** Replaces one endpoint of one service of one member. */
function update(number: number): Changed {
  const service = (number * 7919) % services;
  const [member] = exporters(size, service);
  const exporter = exporting[member] as GeneratedMember;
  const { namespace, name } = serviceNames(service);
  const key = `eps.${namespace}.${name}.0`;
  const endpoint = endpointOf(member, service, 0, 1 + Math.floor(number / services));
  exporter.change(key, 0, endpoint);
  return { uid: workloadUid(exporter.cluster, service, 0), address: endpoint.addresses[0] ?? '', atMs: performance.timeOrigin + performance.now() };
}

process.on('message', ({ perSecond, count }: { perSecond: number; count: number }) => {
  let lastMs = performance.now();
  let changed = 0;
  let due = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    // On a machine that has no time for this process there are fewer in a second, and not all of them at once later.
    due += (Math.min(nowMs - lastMs, MOST_BEHIND_MS) / 1000) * perSecond;
    lastMs = nowMs;
    const all: Changed[] = [];
    for (; changed < count && due >= 1; changed++, due--) all.push(update(changed));
    // One message for all of them: each takes as much of this process as a signature.
    if (all.length > 0) process.send?.(all);
    if (changed === count) clearInterval(timer);
  }, 5);
});
process.send?.({ credentials: home, namespaces: NAMESPACES, records: exporting.reduce((sum, { size }) => sum + size + 1, 0) });
await new Promise((resolve) => process.once('disconnect', resolve));
stop.abort();
