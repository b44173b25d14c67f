import type { StatusKind, Writer } from '../outputs/writer.ts';
import { policyConditions } from '../policy/policy-conditions.ts';
import type { JudgedPolicy } from '../policy/policy-view.ts';

/** In one pass; the next has what is left. A write takes a few milliseconds. */
export const MAX_STATUSES_PER_PASS = 50;

const PLURALS: Readonly<Record<string, StatusKind>> = { AuthorizationPolicy: 'authorizationpolicies', PeerAuthentication: 'peerauthentications', DestinationRule: 'destinationrules', ServiceRoute: 'serviceroutes' };

/** Says on each policy what became of it, where it does not say so already. */
export async function writePolicyStatuses(judged: readonly JudgedPolicy[], writer: Pick<Writer, 'writeStatus'>, now: Date): Promise<{ readonly isWritten: boolean; readonly hasMore: boolean }> {
  let isWritten = true;
  let count = 0;
  for (const each of judged) {
    const conditions = policyConditions(each, now);
    const plural = PLURALS[each.object.kind ?? ''];
    if (conditions === undefined || plural === undefined) continue;
    if (count++ === MAX_STATUSES_PER_PASS) return { isWritten, hasMore: isWritten };
    isWritten = (await writer.writeStatus(plural, each.object, { conditions }, { asRead: true })) && isWritten;
  }
  return { isWritten, hasMore: false };
}
