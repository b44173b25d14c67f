import { LandbridgeError } from '@landbridge/core/errors.ts';
import { eitherOrAfter } from '@landbridge/core/either-or-after.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import type { HubAuthority } from '../join/credentials.ts';
import { ensureRevocations } from './hub-account.ts';

/** A hub that was wiped, or set up from older files, lets users of removed members in for so long; their records do not count meanwhile either. */
const LOOK_MS = 30_000;

export interface RevokedUsers {
  /** Public keys, with the time up to which their JWTs do not count, in seconds since 1970. */
  revoked(): ReadonlyMap<string, number>;
  /** Resolves when they may be others. */
  changed(): Promise<void>;
}

/** Has the hub know who may not come in, after each change and from time to time. Runs until the signal aborts. */
export async function keepHubAccount(authority: HubAuthority, users: RevokedUsers, log: Pick<Logger, 'info' | 'warn'>, signal: AbortSignal): Promise<void> {
  const { control } = authority;
  if (control === undefined) return;
  for (let failures = 0; !signal.aborted; ) {
    const changed = users.changed();
    try {
      const revoked = users.revoked();
      if (await ensureRevocations({ ...authority, control }, revoked, signal)) log.info({ users: revoked.size }, 'told the hub whom it must not let in');
      failures = 0;
      await eitherOrAfter(changed, LOOK_MS, signal);
    } catch (thrown) {
      if (signal.aborted) return;
      const { code, message } = LandbridgeError.from(thrown);
      if (failures === 0) log.warn({ code, error: message }, 'the hub could not be told whom it must not let in, will try again');
      await waitFor(retryDelay(failures++), signal);
    }
  }
}
