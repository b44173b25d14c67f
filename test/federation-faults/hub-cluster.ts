/** Three NATS servers on loopback that keep the bucket together (JetStream, R3). */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TestNatsServer } from '@landbridge/federation/bus/test-nats-server.ts';
import { freePorts } from '@landbridge/lab/free-ports.ts';
import { until } from '@landbridge/lab/until.ts';
import { jetstream, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import { connect, nanos } from '@nats-io/transport-node';

const NAMES = ['a', 'b', 'c'] as const;

export class HubCluster implements AsyncDisposable {
  readonly servers: readonly TestNatsServer[];
  readonly #stores: readonly string[];

  private constructor(servers: readonly TestNatsServer[], stores: readonly string[]) {
    this.servers = servers;
    this.#stores = stores;
  }

  static async start(): Promise<HubCluster> {
    const routePorts = await freePorts(NAMES.length);
    const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`).join(', ');
    const stores: string[] = [];
    const servers = await Promise.all(NAMES.map(async (name, index) => await TestNatsServer.start(async (store, port) => {
      stores[index] = store;
      const file = join(store, '..', 'nats.conf');
      await writeFile(file, `server_name: ${name}\nhost: 127.0.0.1\nport: ${port}\njetstream { store_dir: ${JSON.stringify(store)} }\ncluster { name: hub, host: 127.0.0.1, port: ${routePorts[index]}, routes: [${routes}] }\n`);
      return file;
    })));
    const cluster = new HubCluster(servers, stores);
    await cluster.#makeBucket();
    return cluster;
  }

  get urls(): readonly string[] {
    return this.servers.map(({ url }) => url);
  }

  /** Turns bits in what one server, which does not run, has stored of the bucket. Returns how many files that were. */
  async corrupt(index: number): Promise<number> {
    const files = (await readdir(this.#stores[index] ?? '', { recursive: true })).filter((name) => name.includes('KV_fed') && name.endsWith('.blk'));
    for (const name of files) {
      const file = join(this.#stores[index] ?? '', name);
      const bytes = await readFile(file);
      for (let at = 200; at < bytes.length; at += 997) bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      await writeFile(file, bytes.subarray(0, Math.ceil(bytes.length * 0.9)));
    }
    return files.length;
  }

  /** Resolves when the hub takes writes and makes consumers, as all of its leaders must be there for. */
  async whole(): Promise<void> {
    const connection = await connect({ servers: [...this.urls], maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    try {
      let why: unknown;
      await until(() => `the leaders of the hub: ${String(why)}`, async () => {
        try {
          const jsm = await jetstreamManager(connection, { checkAPI: false, timeout: 300 });
          // Refused by the stream's leader, and so stored by nobody.
          await jetstream(connection, { timeout: 300 }).publish('$KV.fed.x.x', '', { retries: 1, expect: { lastSequence: Number.MAX_SAFE_INTEGER } }).catch((thrown: unknown) => {
            if (!(thrown instanceof JetStreamApiError)) throw thrown;
          });
          const { name } = await jsm.consumers.add('KV_fed', { inactive_threshold: nanos(1000), mem_storage: true, num_replicas: 1 });
          return await jsm.consumers.delete('KV_fed', name);
        } catch (thrown) {
          why = thrown;
          return undefined;
        }
      });
    } finally {
      await connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }

  /** The cluster has to have elected a leader first. */
  async #makeBucket(): Promise<void> {
    const connection = await connect({ servers: [...this.urls] });
    try {
      let why: unknown;
      await until(() => `a leader: ${String(why)}`, async () => {
        try {
          const { streams } = await jetstreamManager(connection);
          return await streams.add({ name: 'KV_fed', subjects: ['$KV.fed.>'], max_msgs_per_subject: 1, num_replicas: 3, allow_direct: true, deny_delete: true, allow_rollup_hdrs: false });
        } catch (thrown) {
          why = thrown;
          return undefined;
        }
      });
    } finally {
      await connection.close();
    }
  }
}
