import type { ErrorCode } from '@landbridge/core/errors.ts';

const STATUS: Readonly<Record<ErrorCode, number>> = {
  'bad-request': 400,
  'cluster-name-invalid': 400,
  'token-request-invalid': 400,
  'token-damaged': 400,
  'token-for-another-cluster': 400,
  forbidden: 403,
  'not-found': 404,
  'member-unknown': 404,
  'method-not-allowed': 405,
  'already-joined': 409,
  'not-joined': 409,
  'not-authority': 409,
  'cluster-name-taken': 409,
  'trust-domain-taken': 409,
  'root-taken': 409,
  'member-revoked': 409,
  'cluster-name-held': 409,
  'founder-stays': 409,
  conflict: 409,
  'ca-not-own': 409,
  'rotation-not-ready': 409,
  'token-used': 410,
  'token-expired': 410,
  'token-unknown': 410,
  'request-too-large': 413,
  'too-many-tokens': 429,
  'too-many-attempts': 429,
  'key-taken': 409,
  'key-not-current': 409,
  'user-refused': 409,
  'founder-failed': 502,
  'answer-malformed': 502,
  'hub-unreachable': 503,
  'founder-unreachable': 503,
  'founder-busy': 503,
  'shutting-down': 503,
};

/** 500 for a code that is not known here. */
export function httpStatusOf(code: ErrorCode): number {
  return Object.hasOwn(STATUS, code) ? (STATUS[code] as number) : 500;
}
