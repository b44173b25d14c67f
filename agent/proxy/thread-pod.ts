import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import type { Movable } from '../handover/movable.ts';
import type { PodSpec } from './thread-messages.ts';
import type { Series } from './traffic-counter.ts';

/** What can be ended from outside: every connection of a pod, whatever carries it. */
export interface PodConnection {
  /** Cuts the connection. `reason` goes to the access log. */
  cut(reason: string, flag: 'DENY' | 'CONNECT'): void;
  /** What of it can move to another process; none where it is a part of something else, such as of a tunnel. */
  readonly movable?: Movable | undefined;
}

/** An inbound connection, which the pod's policies allow until they change. */
export interface GuardedConnection extends PodConnection {
  /** Looks at the policies again, and cuts what they do not allow any more. */
  review(): void;
}

/** A pod, or a gateway, as one data thread has it. */
export interface ThreadPod {
  readonly spec: PodSpec;
  /** Undefined until the main thread told them: nobody may come in. */
  policies: readonly AuthorizationPolicy[] | undefined;
  readonly guarded: Set<GuardedConnection>;
  readonly outbound: Set<PodConnection>;
  /** Waiting for policies or a certificate; called once they change. */
  readonly waiting: Set<() => void>;
  isGone: boolean;
  /** Counters of connections that go nowhere that is known; made when the first one needs them. */
  unknownOutbound?: Series | undefined;
}
