/** A clusterset whose clusters come to the hub by ways that lose and delay packets, at real times. In a network namespace of its own. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { TestNatsServer } from '@landbridge/federation/bus/test-nats-server.ts';
import { CLUSTERS, FaultClusterset } from './fault-clusterset.ts';
import { type FaultTimes, REAL_TIMES } from './fault-times.ts';
import { type Carried, PacketWays, type Profile } from './packet-way.ts';

export class PacketClusterset implements AsyncDisposable {
  readonly set: FaultClusterset;
  readonly server: TestNatsServer;
  readonly #ways: PacketWays;

  private constructor(set: FaultClusterset, server: TestNatsServer, ways: PacketWays) {
    this.set = set;
    this.server = server;
    this.#ways = ways;
  }

  static async start(times: FaultTimes = REAL_TIMES): Promise<PacketClusterset> {
    const server = await TestNatsServer.start(async (store, port) => {
      const file = path.join(path.dirname(store), 'nats.conf');
      await writeFile(file, `host: 0.0.0.0\nport: ${port}\njetstream { store_dir: ${JSON.stringify(store)} }\n`);
      return file;
    });
    const ways = await PacketWays.open([server.port]);
    const set = await FaultClusterset.start(CLUSTERS, { times, serversOf: (cluster) => [`nats://${ways.address(wayOf(cluster))}:${server.port}`] });
    return new PacketClusterset(set, server, ways);
  }

  /** How packets of the cluster fare from now on. */
  async way(cluster: string, profiles: { readonly there?: Profile; readonly back?: Profile }): Promise<Carried> {
    return await this.#ways.set(wayOf(cluster), profiles);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.set[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    await this.#ways[Symbol.asyncDispose]();
  }
}

function wayOf(cluster: string): number {
  return 1 + CLUSTERS.indexOf(cluster);
}
