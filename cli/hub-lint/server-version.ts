import type { CheckResult } from '../checks.ts';

/** Older ones have open advisories, some of them before a client has proved who it is. */
export const OLDEST_SERVER = [2, 14, 3] as const;

/** @param version as the server says it; undefined where it was not asked */
export function judgeServerVersion(version: string | undefined): CheckResult {
  const id = 'hub-version';
  const parts = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version ?? '')?.slice(1).map(Number);
  if (parts === undefined) return { id, state: 'unknown', message: version === undefined ? 'It is not known which nats-server the hub is.' : `${JSON.stringify(version.slice(0, 60))} is no version.` };
  const oldest = OLDEST_SERVER.join('.');
  for (const [index, wanted] of OLDEST_SERVER.entries()) {
    const part = parts[index] ?? 0;
    if (part > wanted) break;
    if (part < wanted) return { id, state: 'failed', message: `The hub is nats-server ${parts.join('.')}; older ones than ${oldest} have known faults that strangers can use.`, hint: `Update it to ${oldest} or newer.` };
  }
  return { id, state: 'ok', message: `The hub is nats-server ${parts.join('.')}.` };
}
