/** Some clusters at one hub, each by a way of its own that can be broken. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TestNatsServer } from '@landbridge/federation/bus/test-nats-server.ts';
import { type ExampleKeys, exampleKeys } from '@landbridge/federation/records/example-records.ts';
import { until } from '@landbridge/lab/until.ts';
import { BrokenLink } from './broken-link.ts';
import { FaultMember, type FaultMemberOptions } from './fault-member.ts';
import { CONVERGED_MS, type FaultTimes, SHORT_TIMES } from './fault-times.ts';

const FOUNDER = 'east';
export const CLUSTERS: readonly string[] = ['east', 'west', 'north'];

export interface FaultSetup {
  /** The hub, as a cluster comes to it. Where left out there is one, and each cluster has a link to it that can be broken. */
  readonly serversOf?: (cluster: string) => readonly string[];
  readonly replicas?: number;
  readonly times?: FaultTimes;
}

export class FaultClusterset implements AsyncDisposable {
  readonly #server: TestNatsServer | undefined;
  readonly keys: ReadonlyMap<string, ExampleKeys>;
  readonly links = new Map<string, BrokenLink>();
  readonly members = new Map<string, FaultMember>();
  /** What each exports. */
  readonly wanted = new Map<string, readonly string[]>();

  readonly #setup: FaultSetup;

  private constructor(server: TestNatsServer | undefined, clusters: readonly string[], setup: FaultSetup) {
    this.#server = server;
    this.#setup = setup;
    this.keys = new Map(clusters.map((cluster) => [cluster, exampleKeys()]));
  }

  /** Each of them exports some services, and all have seen those of all. */
  static async start(clusters: readonly string[] = CLUSTERS, setup: FaultSetup = {}): Promise<FaultClusterset> {
    const made = new FaultClusterset(setup.serversOf === undefined ? await TestNatsServer.start() : undefined, clusters, setup);
    for (const cluster of clusters) {
      made.wanted.set(cluster, [`${cluster}-1`, `${cluster}-2`, 'cart']);
      if (setup.serversOf === undefined) made.links.set(cluster, await BrokenLink.open(() => made.server.port));
      await made.join(cluster);
    }
    await made.converge('at the start', 60_000);
    await until('all are heard', () => [...made.members.values()].every((member) => made.others(member.cluster).every((peer) => member.watch.statusOf(peer)?.heardMs !== undefined)));
    return made;
  }

  /** The federation service of the cluster begins, knowing its keys and what it exports. */
  async join(cluster: string, more: Pick<FaultMemberOptions, 'clock' | 'leadership'> = {}): Promise<FaultMember> {
    const { serversOf, replicas = 1, times = SHORT_TIMES } = this.#setup;
    const servers = serversOf?.(cluster) ?? [`nats://127.0.0.1:${this.link(cluster).port}`];
    const member = await FaultMember.start({ cluster, keys: this.keys.get(cluster) ?? exampleKeys(), servers, replicas, times, ...(cluster === FOUNDER ? { founds: this.keys } : {}), ...more });
    this.members.set(cluster, member);
    member.publish(this.wanted.get(cluster) ?? []);
    return member;
  }

  /** The hub of its own. */
  get server(): TestNatsServer {
    if (this.#server === undefined) throw new Error('the hub is another one');
    return this.#server;
  }

  async leave(cluster: string): Promise<void> {
    await this.member(cluster)[Symbol.asyncDispose]();
    this.members.delete(cluster);
  }

  member(cluster: string): FaultMember {
    const found = this.members.get(cluster);
    if (found === undefined) throw new Error(`${cluster} does not run`);
    return found;
  }

  link(cluster: string): BrokenLink {
    const found = this.links.get(cluster);
    if (found === undefined) throw new Error(`no way to ${cluster}`);
    return found;
  }

  export(cluster: string, names: readonly string[]): void {
    this.wanted.set(cluster, names);
    this.member(cluster).publish(names);
  }

  others(cluster: string): string[] {
    return [...this.keys.keys()].filter((each) => each !== cluster);
  }

  /** What is not yet as it is to be. */
  differences(): string[] {
    return [...this.members.values()].flatMap((member) => this.others(member.cluster).flatMap((peer) => {
      const [seen, wanted] = [member.exportsOf(peer), [...(this.wanted.get(peer) ?? [])].sort()].map((names) => names.join());
      return seen === wanted ? [] : [`${member.cluster} sees of ${peer}: ${seen}, not ${wanted}`];
    }));
  }

  /** Waits until all that run see what all export. Returns how long it took, in milliseconds. */
  async converge(when: string, withinMs: number = CONVERGED_MS): Promise<number> {
    const startMs = performance.now();
    await until(() => `${when}: ${this.differences().join('; ')}`, () => this.differences().length === 0, withinMs);
    return performance.now() - startMs;
  }

  /** `<who> <whose> <export>` of everything that vanished anywhere. */
  get lost(): string[] {
    return [...this.members.values()].flatMap(({ cluster, lost }) => lost.map((each) => `${cluster} ${each}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.members.values()].map((member) => member[Symbol.asyncDispose]()));
    await Promise.all([...this.links.values()].map((link) => link[Symbol.asyncDispose]()));
    await this.#server?.[Symbol.asyncDispose]();
  }
}

/** Watches for a while that something holds all the time. */
export async function throughout(forMs: number, holds: () => boolean): Promise<boolean> {
  const startMs = performance.now();
  while (performance.now() - startMs < forMs) {
    if (!holds()) return false;
    await sleep(20);
  }
  return true;
}
