import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';
import { type DnsQuery, parseDnsQuery } from '@landbridge/wire/dns-message.ts';
import type { Discovery } from '../discovery/xds-client.ts';
import { metrics } from '../metrics.ts';
import { answeringResolver, type CountQuery } from './answering-resolver.ts';
import { AskingView, keyOfHost } from './asking-view.ts';
import type { DnsClient, DnsOutcome, DnsResolver } from './dns-resolver.ts';
import type { NameOptions } from './name-view.ts';
import { searchList } from './search-list.ts';
import { isIn } from './zones.ts';

type ParsedQuery = ReturnType<typeof parseDnsQuery>;

/** Resolvers ask again after 5 s (resolv.conf(5)). */
const KNOWN_WITHIN_MS = 2000;

/**
 * Answers what the mesh knows, where that has to be asked for: services that a query names. Without an answer in time
 * it is as before discovery has told anything: the clusterset's names have to be asked for again, others are known to
 * the cluster's own DNS too.
 */
export function onDemandResolver(discovery: Pick<Discovery, 'registry' | 'isReady'>, onDemand: NonNullable<Discovery['onDemand']>, options: NameOptions, count: CountQuery = () => {}): DnsResolver {
  const answer = (bytes: Uint8Array, parsed: ParsedQuery, client: DnsClient, transport: 'udp' | 'tcp', isReady: boolean): DnsOutcome => {
    const view = new AskingView(discovery.registry, onDemand, isReady, options.clusterDomain);
    const outcome = answeringResolver(view, options)(bytes, client, transport);
    // The pod's resolver goes on by its own search list.
    return view.hasPassedUnknown && outcome.kind === 'answer' && !isClusterset(parsed) ? { kind: 'forward' } : outcome;
  };
  return (bytes, client, transport) => {
    const parsed = parseDnsQuery(bytes);
    if (parsed.kind !== 'no-query') count(parsed.kind === 'query' ? parsed.query.question.type : undefined, client, transport);
    const keys = parsed.kind === 'query' ? keysOf(parsed.query, client, options.clusterDomain) : [];
    if (!discovery.isReady || onDemand.need(keys)) return answer(bytes, parsed, client, transport, discovery.isReady);
    // A name can be asked for again.
    if (!onDemand.isConnected) return answer(bytes, parsed, client, transport, false);
    return onDemand.known(keys, AbortSignal.timeout(KNOWN_WITHIN_MS)).then((isKnown) => {
      if (!isKnown) metrics.discoveryUnanswered.inc({ question: 'name' });
      return answer(bytes, parsed, client, transport, isKnown);
    });
  };
}

/** Services that the query names, with or without what the pod's resolver has put behind. */
function keysOf({ question: { name } }: DnsQuery, { namespace, dns }: DnsClient, clusterDomain: string): string[] {
  if (name === undefined) return [];
  const stripped = searchList(namespace, clusterDomain, dns).filter((search) => name.endsWith(`.${search}`)).map((search) => name.slice(0, -search.length - 1));
  return [name, ...stripped].flatMap((host) => keyOfHost(host, clusterDomain) ?? []);
}

function isClusterset(parsed: ParsedQuery): boolean {
  return parsed.kind === 'query' && parsed.query.question.name !== undefined && isIn(parsed.query.question.name, CLUSTERSET_DOMAIN);
}
