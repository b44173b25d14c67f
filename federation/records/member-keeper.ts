/** The founder's care for the member records: a bucket that lost them, or was given older ones, gets the newest back. */
import { compareVersions, type Version } from '@landbridge/wire/record.ts';
import type { Logger } from 'pino';
import type { Leadership } from '../leadership/leadership.ts';
import { type Bus, busKey, MEMBERS, splitBusKey } from '../bus/bus.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { openMember, type VerifiedMember } from './members.ts';
import type { RecordPublicKey } from './record-signature.ts';

interface Kept extends Version {
  readonly bytes: Uint8Array;
}

export interface MemberKeeperOptions {
  readonly authorityPublicKey: RecordPublicKey;
  /** Of the replicas, which all know the records, one writes. */
  readonly leadership: Leadership;
  readonly log: Pick<Logger, 'warn'>;
}

/** Runs until the signal is aborted or the bus closed. What the bus lost before the first look is not known here. */
export async function keepMembers(bus: Bus, options: MemberKeeperOptions, signal: AbortSignal): Promise<void> {
  const kept = new Map<string, Kept>();
  const wrong = new Set<string>();
  let isCurrent = false;
  const mend = async (): Promise<void> => {
    if (!isCurrent || !options.leadership.isLeading) return;
    for (const cluster of wrong) if (await putBack(bus, cluster, kept.get(cluster), options, signal)) wrong.delete(cluster);
  };
  using _changed = options.leadership.onChange(() => void mend());
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
    await mend();
  }
}

function isNewest(found: VerifiedMember | undefined, cluster: string, own: Kept | undefined): boolean {
  return found !== undefined && found.member.cluster === cluster && (own === undefined || compareVersions(found, own) >= 0);
}

/** Whether there is nothing left to do; not, where another replica began to lead meanwhile. */
async function putBack(bus: Bus, cluster: string, member: Kept | undefined, { log, leadership }: MemberKeeperOptions, signal: AbortSignal): Promise<boolean> {
  if (member === undefined) return true;
  log.warn({ cluster }, 'the bus lost the member record, writing it again');
  for (let failures = 0; !signal.aborted && leadership.isLeading; failures += 1) {
    try {
      await bus.put(busKey(MEMBERS, cluster), member.bytes, signal);
      return true;
    } catch (thrown) {
      if (signal.aborted || bus.state().kind === 'closed') return true;
      log.warn({ err: thrown, cluster }, 'could not write the member record, will try again');
      await waitFor(retryDelay(failures), signal);
    }
  }
  return false;
}
