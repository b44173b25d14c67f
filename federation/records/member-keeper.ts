/** The founder's care for the member records: a bucket that lost them, or was given older ones, gets the newest back. */
import { compareVersions, type Version } from '@landbridge/wire/record.ts';
import type { Logger } from 'pino';
import { type Bus, busKey, MEMBERS, splitBusKey } from '../bus/bus.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { openMember, type VerifiedMember } from './members.ts';
import type { RecordPublicKey } from './record-signature.ts';

interface Kept extends Version {
  readonly bytes: Uint8Array;
}

/** Runs until the signal is aborted or the bus closed. What the bus lost before the first look is not known here. */
export async function keepMembers(bus: Bus, options: { authorityPublicKey: RecordPublicKey; log: Pick<Logger, 'warn'> }, signal: AbortSignal): Promise<void> {
  const kept = new Map<string, Kept>();
  const wrong = new Set<string>();
  let isCurrent = false;
  for await (const event of bus.watch(busKey(MEMBERS, '>'), signal)) {
    if (event.kind === 'restart') {
      isCurrent = false;
      for (const cluster of kept.keys()) wrong.add(cluster);
    } else if (event.kind === 'current') {
      isCurrent = true;
    } else {
      const cluster = splitBusKey(event.key)?.recordKey ?? '';
      const opened = openMember(event.value, options.authorityPublicKey);
      const own = kept.get(cluster);
      if (isNewest(opened.ok ? opened.value : undefined, cluster, own)) {
        if (opened.ok) kept.set(cluster, { epoch: opened.value.epoch, gen: opened.value.gen, bytes: event.value });
        wrong.delete(cluster);
      } else if (own !== undefined) {
        wrong.add(cluster);
      }
    }
    if (!isCurrent) continue;
    for (const cluster of wrong) await putBack(bus, cluster, kept.get(cluster), options.log, signal);
    wrong.clear();
  }
}

function isNewest(found: VerifiedMember | undefined, cluster: string, own: Kept | undefined): boolean {
  return found !== undefined && found.member.cluster === cluster && (own === undefined || compareVersions(found, own) >= 0);
}

async function putBack(bus: Bus, cluster: string, member: Kept | undefined, log: Pick<Logger, 'warn'>, signal: AbortSignal): Promise<void> {
  if (member === undefined) return;
  log.warn({ cluster }, 'the bus lost the member record, writing it again');
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      return await bus.put(busKey(MEMBERS, cluster), member.bytes, signal);
    } catch (thrown) {
      if (signal.aborted || bus.state().kind === 'closed') return;
      log.warn({ err: thrown, cluster }, 'could not write the member record, will try again');
      await waitFor(retryDelay(failures), signal);
    }
  }
}
