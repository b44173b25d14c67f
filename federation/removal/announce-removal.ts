import type { Logger } from 'pino';
import { type Bus, busKey, MEMBERS } from '../bus/bus.ts';
import type { HubAuthority } from '../join/credentials.ts';
import type { SignedMember } from '../join/member-list.ts';
import { ensureRevocations } from './hub-account.ts';
import type { RemovalKeeper } from './removal-keeper.ts';

/** `told`: members hear of it, and the hub lets the user in no more. `later`: as soon as the hub is back. `unable`: only members; the hub was made by a version that could not. */
export type HubTold = 'told' | 'later' | 'unable';

export interface Announcement {
  readonly bus: Bus;
  readonly authority: HubAuthority;
  readonly keeper: RemovalKeeper;
  readonly revoked: () => ReadonlyMap<string, number>;
  readonly log: Pick<Logger, 'warn'>;
}

const TIMEOUT_MS = 10_000;

/** Tells members and the hub of a removal that is kept already. */
export async function announceRemoval({ bus, authority, keeper, revoked, log }: Announcement, removed: SignedMember, outer: AbortSignal): Promise<HubTold> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(TIMEOUT_MS)]);
  keeper.see(removed);
  keeper.wake();
  try {
    await bus.put(busKey(MEMBERS, removed.member.cluster), removed.bytes, signal);
    const { control } = authority;
    if (control === undefined) return 'unable';
    await ensureRevocations({ ...authority, control }, revoked(), signal);
    return 'told';
  } catch (thrown) {
    outer.throwIfAborted();
    // Whoever leads goes on with it.
    log.warn({ err: thrown, cluster: removed.member.cluster }, 'the hub could not be told of a removed member, will try again');
    return 'later';
  }
}
