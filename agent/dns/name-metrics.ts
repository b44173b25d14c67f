import { DNS_TYPE, parseDnsQuery } from '@landbridge/wire/dns-message.ts';
import { networkAddress } from '../discovery/wds-address.ts';
import type { Registry } from '../discovery/registry.ts';
import { metrics } from '../metrics.ts';
import type { DnsObserver } from './pod-names.ts';
import type { DnsLabels } from './dns-labels.ts';
import type { DnsClient } from './dns-resolver.ts';

type Transport = 'udp' | 'tcp';

/** Clients with label sets of their own; when there is another one, the one that has been silent longest is forgotten. More than a node has pods. */
export const MAX_CLIENTS = 512;

const TYPES = new Map<number, string>(Object.entries(DNS_TYPE).map(([name, number]) => [number, name]));

/** What a client has counted, by type and protocol. */
type Counted = Map<string, DnsLabels>;

/** Counts queries in the names of ztunnel. */
export class NameMetrics implements DnsObserver {
  readonly #registry: Pick<Registry, 'localWorkload'>;
  readonly #network: string;
  readonly #clients = new Map<string, Counted>();

  constructor(registry: Pick<Registry, 'localWorkload'>, network: string) {
    this.#registry = registry;
    this.#network = network;
  }

  /** A query has come; `type` is undefined for what is none. */
  requested(type: number | undefined, client: DnsClient, transport: Transport): void {
    metrics.dnsRequests.inc(this.#labels(type, client, transport));
  }

  /** One goes to its server; call back when that is over. */
  forwarded(query: Uint8Array, client: DnsClient, transport: Transport): (isAnswered: boolean) => void {
    const parsed = parseDnsQuery(query);
    const labels = this.#labels(parsed.kind === 'query' ? parsed.query.question.type : undefined, client, transport);
    metrics.dnsUpstreamRequests.inc(labels);
    const end = metrics.dnsUpstreamSeconds.startTimer(labels);
    return (isAnswered) => {
      end();
      if (!isAnswered) metrics.dnsUpstreamFailures.inc(labels);
    };
  }

  /** There was no room for one, or for a connection. */
  refused(transport: Transport): void {
    metrics.dnsRefused.inc({ request_protocol: transport });
  }

  #labels(type: number | undefined, client: DnsClient, transport: Transport): DnsLabels {
    const workload = client.addresses.map((ip) => this.#registry.localWorkload(networkAddress(this.#network, ip), client)).find((found) => found !== undefined);
    const [service, revision] = [workload?.canonicalName || 'unknown', workload?.canonicalRevision || 'unknown'];
    const queryType = (type === undefined ? undefined : TYPES.get(type)) ?? 'other';
    const counted = this.#of(`${service}\n${revision}`);
    const key = `${queryType} ${transport}`;
    let labels = counted.get(key);
    if (labels === undefined) counted.set(key, (labels = { request_query_type: queryType, request_protocol: transport, source_canonical_service: service, source_canonical_revision: revision }));
    return labels;
  }

  #of(client: string): Counted {
    let counted = this.#clients.get(client);
    if (counted !== undefined) {
      // The order of the map is that of their last queries.
      this.#clients.delete(client);
    } else {
      counted = new Map();
      for (const [silent] of this.#clients.size < MAX_CLIENTS ? [] : this.#clients) {
        this.#forget(silent);
        break;
      }
    }
    this.#clients.set(client, counted);
    return counted;
  }

  #forget(client: string): void {
    for (const labels of this.#clients.get(client)?.values() ?? []) for (const metric of [metrics.dnsRequests, metrics.dnsUpstreamRequests, metrics.dnsUpstreamFailures, metrics.dnsUpstreamSeconds]) metric.remove(labels);
    this.#clients.delete(client);
  }
}
