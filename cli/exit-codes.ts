/** The command's exit codes; where sysexits.h has a meaning that fits, its number. */
import type { ErrorCode } from '@landbridge/core/errors.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 64,
  badData: 65,
  unavailable: 69,
  noPermission: 77,
  checkFoundProblems: 79,
  interrupted: 130,
} as const;

const BY_CODE: Readonly<Record<ErrorCode, number>> = {
  usage: EXIT.usage,
  'bad-kubeconfig': EXIT.usage,
  'cluster-name-invalid': EXIT.usage,
  'token-request-invalid': EXIT.usage,
  'member-unknown': EXIT.badData,
  'cluster-name-held': EXIT.badData,
  'hub-config-unreadable': EXIT.badData,
  'token-damaged': EXIT.badData,
  'token-used': EXIT.badData,
  'token-expired': EXIT.badData,
  'token-unknown': EXIT.badData,
  'token-for-another-cluster': EXIT.badData,
  'hub-unreachable': EXIT.unavailable,
  'founder-unreachable': EXIT.unavailable,
  'user-refused': EXIT.noPermission,
  'founder-busy': EXIT.unavailable,
  'founder-failed': EXIT.unavailable,
  'cluster-unreachable': EXIT.unavailable,
  'federation-not-installed': EXIT.unavailable,
  'federation-not-ready': EXIT.unavailable,
  'federation-unreachable': EXIT.unavailable,
  'bus-unavailable': EXIT.unavailable,
  'shutting-down': EXIT.unavailable,
  'agent-not-ready': EXIT.unavailable,
  'kernel-unfit': EXIT.checkFoundProblems,
  'not-permitted': EXIT.noPermission,
  'not-authority': EXIT.noPermission,
  'rotation-not-ready': EXIT.unavailable,
  interrupted: EXIT.interrupted,
};

export function exitCodeOf(code: ErrorCode): number {
  return Object.hasOwn(BY_CODE, code) ? (BY_CODE[code] as number) : EXIT.failed;
}
