import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { StayReason } from '../handover/handed-batch.ts';
import type { HandedConnection, OutboundTunnelState } from '../handover/handed-state.ts';
import type { Arrival, Movable, MovableKind } from '../handover/movable.ts';
import type { PooledSession } from '../hbone/session-pool.ts';
import { TlsChannel } from '../hbone/tls-channel.ts';
import type { DataThread } from './data-thread.ts';
import { DoubleTunnel } from './double-tunnel.ts';
import { MovingTunnel, type StreamArrivals } from './moving-tunnel.ts';
import { OutboundConnection } from './outbound-connection.ts';
import type { ThreadPod } from './thread-pod.ts';

/** So that no two that were taken over share a key. */
let taken = 0;

/** A tunnel of the pool, with the connections of one pod in it, as it moves to another process. */
export class OutboundTunnel implements Movable, Arrival {
  readonly #thread: DataThread;
  readonly #pooled: PooledSession;
  readonly #tunnel: MovingTunnel;
  readonly #enter: () => void;

  constructor(thread: DataThread, pooled: PooledSession, enter: () => void = () => {}) {
    this.#thread = thread;
    this.#pooled = pooled;
    this.#tunnel = new MovingTunnel(thread.loop, pooled.channel, pooled.session);
    this.#enter = enter;
  }

  /** As another process had it, where its peer is one to speak to still. */
  static arrive(thread: DataThread, pod: ThreadPod, { address: { ip, port }, peer, chain, provenAtMs, tunnel }: OutboundTunnelState): Result<OutboundTunnel> {
    // One that has ended meanwhile was good when the connection was made.
    const judged = thread.judge.judgeChain(chain, provenAtMs);
    if (!judged.ok || judged.value.id !== peer) return err(judged.ok ? `the peer is not ${peer}` : judged.error.text);
    const { uid } = pod.spec;
    const key = { uid, address: ip, port, text: `${uid} taken ${taken++}`, identities: [peer] };
    const { pooled, enter } = thread.pool.adopt({ key, channel: new TlsChannel(thread.loop, tunnel.channel.fd, tunnel.channel), peer, chain, provenAtMs }, tunnel.session);
    const arrived = new OutboundTunnel(thread, pooled, enter);
    const plain: StreamArrivals['plain'] = (stream, near, { kind, state }) => (kind === 'outbound' && state.podUid === uid ? OutboundConnection.arriveInTunnel(thread, pod, stream, near, state) : undefined);
    const areKnown = arrived.#tunnel.arrive(tunnel.streams, { plain, nested: (stream, nested) => DoubleTunnel.arrive(thread, ip, stream, nested, plain) });
    if (areKnown) return ok(arrived);
    arrived.forget();
    return err('a stream that this tunnel can not have');
  }

  get kind(): MovableKind {
    return this.#tunnel.hasNested ? 'double-tunnel' : 'outbound-tunnel';
  }

  get connections(): number {
    return this.#tunnel.connections;
  }

  get sockets(): number {
    return this.#tunnel.sockets;
  }

  get stays(): StayReason | undefined {
    return this.#tunnel.stays;
  }

  freeze(): void {
    this.#tunnel.freeze();
  }

  get handed(): HandedConnection {
    const { key: { uid, address, port }, peer, chain, provenAtMs } = this.#pooled;
    return { kind: 'outbound-tunnel', state: { podUid: uid, address: { ip: address, port }, peer, chain, provenAtMs, tunnel: this.#tunnel.state } };
  }

  thaw(): void {
    this.#tunnel.thaw();
  }

  leave(): void {
    this.#thread.pool.handedOver(this.#pooled);
    this.#tunnel.leave();
  }

  start(): void {
    this.#enter();
    this.#tunnel.start();
  }

  forget(): void {
    this.#tunnel.forget();
  }
}
