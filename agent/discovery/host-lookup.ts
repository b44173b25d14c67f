import { Resolver } from 'node:dns/promises';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import type { HostAnswer, LookUp } from './host-resolver.ts';

/** Of the first try; of the second twice as much. Together less than a connection waits for its plan. */
const TIMEOUT_MS = 1500;
const TRIES = 2;
/** Codes of c-ares by which a server has said that there is nothing. */
const NOTHING: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA']);

/**
 * Asks the name servers of the agent's own resolv.conf, for both families, and without any search list: names of
 * workloads are whole. Addresses that would lead to the client itself are none. `servers` are asked instead, `<ip>:<port>`.
 */
export function hostLookup(servers?: readonly string[]): LookUp {
  return async (hostname, signal) => {
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
    if (servers !== undefined) resolver.setServers(servers);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const answers = await Promise.all([resolver.resolve4(hostname, { ttl: true }), resolver.resolve6(hostname, { ttl: true })].map(async (records) => await familyAnswer(records)));
      return together(answers);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}

async function familyAnswer(asked: Promise<readonly { readonly address: string; readonly ttl: number }[]>): Promise<HostAnswer> {
  try {
    const records = await asked;
    const addresses = records.map(({ address }) => routableAddress(address)).filter((ip): ip is IpAddress => ip !== undefined);
    return addresses.length === 0 ? { kind: 'none' } : { kind: 'found', addresses, ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000 };
  } catch (thrown) {
    return { kind: NOTHING.has((thrown as { code?: unknown }).code) ? 'none' : 'failed' };
  }
}

/** What one family has is an answer, whatever became of the other one. */
function together(answers: readonly HostAnswer[]): HostAnswer {
  const found = answers.filter((answer) => answer.kind === 'found');
  if (found.length > 0) return { kind: 'found', addresses: found.flatMap(({ addresses }) => addresses), ttlMs: Math.min(...found.map(({ ttlMs }) => ttlMs)) };
  return { kind: answers.some(({ kind }) => kind === 'failed') ? 'failed' : 'none' };
}
