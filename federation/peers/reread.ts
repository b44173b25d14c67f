import { type Bus, busKey } from '../bus/bus.ts';

const TIMEOUT_MS = 60_000;

/** Reads all that the bus has of one cluster once more, from the start. Records that are known already cost a comparison each. */
export async function reread(bus: Bus, cluster: string, take: (key: string, value: Uint8Array) => void, signal: AbortSignal): Promise<void> {
  const enough = new AbortController();
  for await (const event of bus.watch(busKey(cluster, '>'), AbortSignal.any([signal, enough.signal, AbortSignal.timeout(TIMEOUT_MS)]))) {
    if (event.kind !== 'entry') break;
    take(event.key, event.value);
  }
  enough.abort();
}
