import { type Bus, busKey, MEMBERS } from '../bus/bus.ts';
import { openMember, type VerifiedMember } from '../records/members.ts';

export interface SignedMember extends VerifiedMember {
  readonly bytes: Uint8Array;
}

/** The members now on the bus, by cluster; what the authority did not sign is left out. Rejects with the signal's reason. */
export async function listMembers(bus: Bus, authorityPublicKey: string, signal: AbortSignal): Promise<ReadonlyMap<string, SignedMember>> {
  const members = new Map<string, SignedMember>();
  for await (const event of bus.watch(busKey(MEMBERS, '>'), signal)) {
    if (event.kind === 'current') return members;
    if (event.kind === 'restart') members.clear();
    if (event.kind !== 'entry') continue;
    const opened = openMember(event.value, authorityPublicKey);
    if (opened.ok && event.key === busKey(MEMBERS, opened.value.member.cluster)) members.set(opened.value.member.cluster, { ...opened.value, bytes: event.value });
  }
  signal.throwIfAborted();
  throw new Error('the bus was closed');
}
