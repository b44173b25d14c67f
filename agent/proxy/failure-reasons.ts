import type { FailureReason } from '../hbone/failure.ts';

/** Complete by its type: each reason is a value of a metric's label and has its entry in docs/troubleshooting.md. */
const REASONS: Readonly<Record<FailureReason, true>> = {
  'dial-timeout': true,
  'dial-refused': true,
  'dial-unreachable': true,
  'tls-not-tls': true,
  'tls-timeout': true,
  'tls-truncated': true,
  'tls-busy': true,
  'tls-no-certificate': true,
  'tls-certificate-expired': true,
  'tls-certificate-not-yet-valid': true,
  'tls-unknown-authority': true,
  'tls-certificate-purpose': true,
  'tls-certificate': true,
  'tls-version': true,
  'tls-no-protocol': true,
  'tls-alert': true,
  'tls-protocol': true,
  'tls-bad-record': true,
  'tls-record-overflow': true,
  'tls-unexpected-message': true,
  'tls-key-limit': true,
  'tls-record-flood': true,
  'tls-peer-alert': true,
  identity: true,
  'trust-domain': true,
  'h2-preface': true,
  'h2-protocol': true,
  'h2-frame-size': true,
  'h2-compression': true,
  'h2-flow-control': true,
  'h2-flood': true,
  'h2-headers': true,
  'h2-goaway': true,
  reset: true,
  closed: true,
  'peer-silent': true,
  idle: true,
  drained: true,
};

/** In the order in which a tunnel can meet them. */
export const FAILURE_REASONS = Object.keys(REASONS) as readonly FailureReason[];

export function isFailureReason(reason: string): reason is FailureReason {
  return Object.hasOwn(REASONS, reason);
}
