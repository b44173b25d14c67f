/** A clusterset at a real hub: two honest clusters, and a third that will do whatever its credentials let it. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type RecordBody, recordKey } from '@landbridge/core/records.ts';
import { ExampleCluster } from '@landbridge/federation/clusterset/example-cluster.ts';
import { type HubAccess, hubAccess } from '@landbridge/federation/bus/hub-access.ts';
import { type ExampleHub, startExampleHub } from '@landbridge/federation/hub/example-hub.ts';
import { Membership } from '@landbridge/federation/hub/membership.ts';
import { parseHubCredentials, type HubCredentials } from '@landbridge/federation/join/credentials.ts';
import { makeRoot } from '@landbridge/federation/join/example-founder.ts';
import { issueFounderUser, makeUserKeys } from '@landbridge/federation/join/hub-users.ts';
import { makeMemoryTokenStore } from '@landbridge/federation/join/token-store.ts';
import { MemorySecretStore } from '@landbridge/federation/kubernetes/memory-secret-store.ts';
import type { LeafPlace } from '@landbridge/federation/leaf/leaf-secret.ts';
import { signRecord } from '@landbridge/federation/records/record-signature.ts';
import { snapshotSync } from '@landbridge/federation/records/snapshot-digest.ts';
import type { Version } from '@landbridge/wire/record.ts';
import { connect, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import { until } from '@landbridge/lab/until.ts';

const silent = pino({ level: 'silent' });
const BUCKET_SUBJECT = '$KV.fed.';

const OBJECTS = ['Namespace', 'Pod', 'Service', 'EndpointSlice', 'ServiceExport', 'ServiceImport'] as const;

interface HonestOptions {
  readonly leaf?: LeafPlace;
  /** The same cluster, whose federation service has ended: its objects and its root are still there. */
  readonly before?: HonestCluster;
}

/** Objects of one API server in memory, computed by a real federation service that follows a real hub. */
export class HonestCluster implements AsyncDisposable {
  readonly name: string;
  readonly membership: Membership;
  readonly objects: ExampleCluster;
  readonly secrets: MemorySecretStore;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  private constructor(name: string, root: Buffer, secrets: MemorySecretStore, { leaf, before }: HonestOptions) {
    this.name = name;
    this.secrets = secrets;
    this.membership = new Membership({ cluster: name, trustDomain: `${name}.landbridge`, network: '', roots: () => [root], secrets, tokens: makeMemoryTokenStore(), clock: Date.now, log: silent, onChange: () => this.objects.clusterset.notify(), ...(leaf === undefined ? {} : { leaf }) });
    this.objects = new ExampleCluster(name, this.membership);
    this.objects.roots = [root];
    for (const object of before === undefined ? [] : OBJECTS.flatMap((kind) => before.objects.list(kind))) this.objects.put(object);
    this.objects.start();
    this.#running = this.membership.run(this.#stop.signal);
  }

  static async start(name: string, secrets = new MemorySecretStore(), options: HonestOptions = {}): Promise<HonestCluster> {
    return new HonestCluster(name, options.before?.objects.roots[0] ?? Buffer.from(await makeRoot(), 'base64'), secrets, options);
  }

  get imports(): ReadonlySet<string> {
    return new Set(this.objects.list('ServiceImport').map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`));
  }

  /** Addresses of slices of other clusters, by cluster. */
  addresses(cluster: string): readonly string[] {
    const slices = this.objects.list('EndpointSlice') as readonly { metadata?: { labels?: Record<string, string> }; endpoints?: readonly { addresses: readonly string[] }[] }[];
    return slices.filter(({ metadata }) => metadata?.labels?.['multicluster.kubernetes.io/source-cluster'] === cluster).flatMap(({ endpoints = [] }) => endpoints.flatMap(({ addresses }) => addresses)).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.objects[Symbol.asyncDispose]();
    await this.#running;
  }
}

/** Holds its own, real credentials, and speaks NATS itself. */
export class HostileMember implements AsyncDisposable {
  readonly credentials: HubCredentials;
  readonly connection: NatsConnection;
  readonly privateKey: KeyObject;
  /** What the server refused, in its own words. */
  readonly refused: string[] = [];
  #epoch = Date.now();
  #gen = 0;
  readonly #live = new Map<string, Version>();

  private constructor(credentials: HubCredentials, connection: NatsConnection) {
    this.credentials = credentials;
    this.connection = connection;
    this.privateKey = createPrivateKey(credentials.recordPrivateKeyPem);
    void this.#listen();
  }

  static async connect(credentials: HubCredentials, access: HubAccess = hubAccess(credentials)): Promise<HostileMember> {
    return new HostileMember(credentials, await open(access));
  }

  async #listen(): Promise<void> {
    for await (const status of this.connection.status()) if (status.type === 'error') this.refused.push(String(status.error));
  }

  /** Signed by its own key, for whatever place it names. */
  sign(key: string, body: RecordBody | null, cluster = this.credentials.cluster, version?: Version): Uint8Array {
    this.#gen += 1;
    return signRecord(this.privateKey, { cluster, key, ...(version ?? { epoch: this.#epoch, gen: this.#gen }), body });
  }

  put(key: string, bytes: Uint8Array, headers?: MsgHdrs): void {
    this.connection.publish(`${BUCKET_SUBJECT}${key}`, bytes, headers === undefined ? {} : { headers });
  }

  /** A record of its own, as a member writes it. */
  say(body: RecordBody): void {
    const key = recordKey(body);
    const bytes = this.sign(key, body);
    this.#live.set(key, { epoch: this.#epoch, gen: this.#gen });
    this.put(`${this.credentials.cluster}.${key}`, bytes);
  }

  withdraw(key: string): void {
    this.#live.delete(key);
    this.put(`${this.credentials.cluster}.${key}`, this.sign(key, null));
  }

  /** Closes its snapshot, without which nobody counts it. */
  async sync(): Promise<void> {
    this.put(`${this.credentials.cluster}.sync`, this.sign('sync', snapshotSync(this.#live)));
    await this.connection.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
  }
}

async function open(access: HubAccess): Promise<NatsConnection> {
  return await connect({ servers: [...access.servers], reconnect: false, ...(access.inboxPrefix === undefined ? {} : { inboxPrefix: access.inboxPrefix }), ...(access.authenticator === undefined ? {} : { authenticator: access.authenticator }), ...(access.tls === undefined ? {} : { tls: access.tls }) });
}

export class HostileClusterset implements AsyncDisposable {
  readonly hub: ExampleHub;
  readonly east: HonestCluster;
  readonly west: HonestCluster;
  readonly mallory: HostileMember;

  private constructor(hub: ExampleHub, east: HonestCluster, west: HonestCluster, mallory: HostileMember) {
    this.hub = hub;
    this.east = east;
    this.west = west;
    this.mallory = mallory;
  }

  /** @param malloryNetwork The honest ones are in the network without a name. */
  static async start(malloryNetwork = ''): Promise<HostileClusterset> {
    const hub = await startExampleHub();
    const secrets = new MemorySecretStore();
    await secrets.write('landbridge-hub-authority', { 'hub.json': JSON.stringify(hub.authority) }, undefined);
    const east = await HonestCluster.start('east', secrets);
    await until('the founder is a member', () => east.membership.allListed);
    const west = await HonestCluster.start('west');
    const join = async (cluster: string, membership: Membership): Promise<void> => {
      const { token } = await east.membership.createToken({ cluster }, AbortSignal.timeout(60_000));
      await membership.join(token, AbortSignal.timeout(60_000));
    };
    await join('west', west.membership);
    // Its own service is never started: only what it does by hand counts.
    const own = new MemorySecretStore();
    const root = Buffer.from(await makeRoot(), 'base64');
    await join('mallory', new Membership({ cluster: 'mallory', trustDomain: 'mallory.landbridge', network: malloryNetwork, roots: () => [root], secrets: own, tokens: makeMemoryTokenStore(), clock: Date.now, log: silent, onChange: () => {} }));
    const credentials = parseHubCredentials((await own.read('landbridge-hub-credentials'))?.values['credentials.json'] ?? '');
    if (!credentials.ok) throw new Error(credentials.error);
    const mallory = await HostileMember.connect(credentials.value);
    await until('all know all', () => [east, west].every(({ membership }) => membership.views().size === 3));
    return new HostileClusterset(hub, east, west, mallory);
  }

  /** The same member with the hub's permissions switched off, as a hostile operator could do it: it may write anywhere. */
  async unbound(): Promise<HostileMember> {
    const { seed, publicKey } = makeUserKeys();
    const userJwt = await issueFounderUser(this.hub.authority, 'mallory', publicKey);
    return await HostileMember.connect({ ...this.mallory.credentials, userSeed: seed, userJwt });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mallory[Symbol.asyncDispose]();
    await this.west[Symbol.asyncDispose]();
    await this.east[Symbol.asyncDispose]();
    await this.hub[Symbol.asyncDispose]();
  }
}
