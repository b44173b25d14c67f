/** What a process of the benchmarks has around a federation service: discovery over TLS, and reports for its parent. */
import { Authenticator } from '@landbridge/federation/ca/authenticator.ts';
import { exampleAuthority } from '@landbridge/federation/ca/example-authority.ts';
import type { Clusterset } from '@landbridge/federation/clusterset/clusterset.ts';
import type { FederationConfig } from '@landbridge/federation/config.ts';
import { startGrpcServer } from '@landbridge/federation/grpc-server.ts';
import type { Membership } from '@landbridge/federation/hub/membership.ts';
import { metrics } from '@landbridge/federation/metrics.ts';
import { AdsService } from '@landbridge/federation/xds/ads-service.ts';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import { pino } from 'pino';
import { TurnMeter } from './turn-meter.ts';

export class MeasuredService {
  readonly ads: AdsService;
  readonly log = pino({ level: 'warn' }, pino.destination(2));
  readonly #startedMs = performance.now();
  readonly #turns = new TurnMeter();
  readonly #authority;
  #cpu = process.cpuUsage();

  /** Reports `synced` once so many addresses are told. */
  constructor({ trustDomain }: FederationConfig, addresses: number) {
    this.#authority = exampleAuthority(trustDomain);
    this.ads = new AdsService(new Authenticator(async () => ({ username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'node-0', pod: 'agent' }), 'landbridge-system', Date.now), this.log);
    const publish = this.ads.publish.bind(this.ads);
    let isReady = false;
    this.ads.publish = (snapshot): void => {
      publish(snapshot);
      if (isReady || (snapshot.types.get(ADDRESS_TYPE)?.size ?? 0) < addresses) return;
      isReady = true;
      this.#report('synced', { ms: performance.now() - this.#startedMs });
    };
  }

  readonly roots = (): readonly Buffer[] => this.#authority.roots;

  /** Until the parent ends. */
  async run(membership: Membership, clusterset: Clusterset): Promise<void> {
    const certificate = await this.#authority.issueServer(['localhost'], Date.now(), AbortSignal.timeout(10_000));
    const server = await startGrpcServer({ port: 0, certificate, createCertificate: () => {}, deltaAggregatedResources: this.ads.handle });
    process.on('message', (what: string) => {
      if (what === 'reset') {
        this.#cpu = process.cpuUsage();
        this.#turns.reset();
      } else if (what === 'waiting') void toWrite().then((waiting) => process.send?.({ what, toWrite: waiting }));
      else this.#report(what);
    });
    process.on('disconnect', () => process.exit());
    const pem = this.#authority.roots.map((root) => `-----BEGIN CERTIFICATE-----\n${root.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`).join('');
    process.send?.({ what: 'listening', pid: process.pid, port: server.port, roots: pem });
    const { signal } = new AbortController();
    await Promise.all([membership.run(signal), clusterset.run(signal)]);
  }

  #report(what: string, more: object = {}): void {
    const { user, system } = process.cpuUsage(this.#cpu);
    process.send?.({ what, rssMiB: process.memoryUsage().rss / 2 ** 20, heapMiB: process.memoryUsage().heapUsed / 2 ** 20, cpuMs: (user + system) / 1000, ...this.#turns.read(), ...more });
  }
}

/** Imports of which something is to be written. */
const toWrite = async (): Promise<number> => (await metrics.outputsWaiting.get()).values[0]?.value ?? 0;
