import type { StayReason } from './handed-batch.ts';
import type { HandedConnection, HandedListener, NestedState } from './handed-state.ts';

export type { HandedListener } from './handed-state.ts';

/** What a stream of a tunnel belongs to, as it moves with that tunnel. */
export interface MovingListener {
  /** All that there is to know of it besides its stream; undefined while it can not move. */
  readonly handedListener: HandedListener | undefined;
  /** It goes on elsewhere: nothing of it is left here. */
  leave(): void;
  /** It is ours: counted from now on, and cut where it is not allowed any more. */
  start(): void;
}

/** A session inside a stream, which moves with that stream's tunnel. */
export interface MovingNested {
  /** Whether it could go on in another process. */
  readonly isSettled: boolean;
  /** Before the tunnel that it is in, as it sends what it has staged through that. */
  freeze(): void;
  /** Once it is frozen. */
  readonly handedNested: NestedState;
  thaw(): void;
  /** It goes on elsewhere: nothing of it is left here. */
  leave(): void;
  /** It is ours, and its tunnel goes on. */
  start(): void;
  /** It will not be ours; the sockets are closed by whoever has the batch. */
  forget(): void;
}

export type MovableKind = HandedConnection['kind'] | 'double-tunnel';

const TUNNELS: ReadonlySet<MovableKind> = new Set<MovableKind>(['inbound-tunnel', 'outbound-tunnel', 'double-tunnel']);

/** Whether it is a connection between nodes, with connections in it. */
export const isTunnel = ({ kind }: { readonly kind: MovableKind }): boolean => TUNNELS.has(kind);

/** What moves to another process as one: a pair of sockets, or a tunnel with all of its streams. */
export interface Movable {
  /** What moves by the same code. */
  readonly kind: MovableKind;
  /** Connections of applications in it. */
  readonly connections: number;
  /** Sockets in it. */
  readonly sockets: number;
  /** Why it can not move at this moment; undefined where it can. */
  readonly stays: StayReason | undefined;
  /** Between two rounds of the loop: from here on nothing of it is read, written, or told of an event. */
  freeze(): void;
  /** All that there is to know of it, once it is frozen; it may be thawed still. */
  readonly handed: HandedConnection;
  /** It goes on here. */
  thaw(): void;
  /** It goes on elsewhere: nothing of it is left here, and no peer sees anything. */
  leave(): void;
}

/** What has come from another process and not begun to move. */
export interface Arrival {
  readonly kind: MovableKind;
  readonly connections: number;
  /** It is ours: goes on where it stopped, once what it may do was judged again. */
  start(): void;
  /** It will not be ours. Its sockets are closed by whoever has the batch; all else is given back. */
  forget?(): void;
}
