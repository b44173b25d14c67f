import type { HandshakeFault } from '@landbridge/native/tls-handshake.ts';
import type { RecordFault } from './tls-records.ts';

/** Why a tunnel ended that should not have: a closed set, as each is a value of a metric's label. docs/troubleshooting.md explains them. */
export type FailureReason =
  | `tls-${HandshakeFault}`
  | `tls-${RecordFault['kind']}`
  | 'tls-not-tls'
  | 'tls-timeout'
  | 'tls-truncated'
  | 'tls-busy'
  | 'identity'
  | 'trust-domain'
  | 'dial-timeout'
  | 'dial-refused'
  | 'dial-unreachable'
  | 'reset'
  | 'closed'
  | 'peer-silent'
  | 'h2-preface'
  | 'h2-protocol'
  | 'h2-frame-size'
  | 'h2-compression'
  | 'h2-flow-control'
  | 'h2-flood'
  | 'h2-headers'
  | 'h2-goaway'
  | 'idle'
  | 'drained';

export interface Failure {
  readonly reason: FailureReason;
  readonly text: string;
}
