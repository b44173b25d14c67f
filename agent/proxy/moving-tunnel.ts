import type { StayReason } from '../handover/handed-batch.ts';
import type { HandedListener, HandedStream, TunnelState } from '../handover/handed-state.ts';
import type { MovingListener } from '../handover/movable.ts';
import type { Http2Stream, StreamListener } from '../hbone/http2-stream.ts';
import type { Http2Session } from '../hbone/http2-session.ts';
import type { EventLoop } from '../hbone/event-loop.ts';
import { PlainSocket } from '../hbone/plain-socket.ts';
import type { TlsChannel } from '../hbone/tls-channel.ts';

type Listener = StreamListener & MovingListener;

/** What a stream needs to move: a socket at its near side, and a listener that can. */
interface MovingStream {
  readonly stream: Http2Stream;
  readonly near: PlainSocket;
  readonly listener: Listener;
  readonly handed: HandedListener;
}

/** A TLS connection with its HTTP/2 session, streams and the sockets at their near sides, which move to another process together. */
export class MovingTunnel {
  readonly #loop: EventLoop;
  readonly channel: TlsChannel;
  readonly session: Http2Session;
  #arrived: readonly Listener[] = [];

  constructor(loop: EventLoop, channel: TlsChannel, session: Http2Session) {
    this.#loop = loop;
    this.channel = channel;
    this.session = session;
    channel.owner = session;
  }

  get connections(): number {
    return this.session.streams.size;
  }

  get sockets(): number {
    return 1 + this.session.streams.size;
  }

  get stays(): StayReason | undefined {
    if (this.session.isOver || !this.channel.isSettled) return 'ending';
    if (this.session.streams.values().some(isNested)) return 'nested';
    if (!this.session.isSettled) return 'unsettled';
    return this.session.streams.values().every((stream) => movingStream(stream) !== undefined) ? undefined : 'unsettled';
  }

  freeze(): void {
    this.session.freeze();
    this.channel.freeze();
    for (const { near } of this.#streams()) near.freeze();
  }

  *#streams(): Iterable<MovingStream> {
    for (const stream of this.session.streams.values()) {
      const moving = movingStream(stream);
      if (moving !== undefined) yield moving;
    }
  }

  get state(): TunnelState {
    const streams: HandedStream[] = [...this.#streams()].map(({ stream, near, handed }) => ({ stream: stream.state, near: near.state, listener: handed }));
    return { channel: this.channel.state, session: this.session.state, streams };
  }

  /** Makes the streams that another process had. False where one of them can be nobody's here. */
  arrive(streams: readonly HandedStream[], listenerOf: (stream: Http2Stream, near: PlainSocket, handed: HandedListener) => Listener | undefined): boolean {
    const arrived: Listener[] = [];
    for (const { stream: state, near, listener: handed } of streams) {
      const stream = this.session.arrive(state);
      const socket = new PlainSocket(this.#loop, near.fd, near);
      const listener = listenerOf(stream, socket, handed);
      if (listener === undefined) return false;
      stream.listener = listener;
      stream.near = socket;
      socket.owner = stream;
      arrived.push(listener);
    }
    this.#arrived = arrived;
    return true;
  }

  thaw(): void {
    this.channel.thaw();
    for (const { near } of this.session.streams.values()) if (near instanceof PlainSocket) near.thaw();
    this.session.goOn();
  }

  /** It is ours from here on. */
  start(): void {
    this.thaw();
    for (const listener of this.#arrived) listener.start();
    this.#arrived = [];
  }

  leave(): void {
    for (const { near, listener } of [...this.#streams()]) {
      listener.leave();
      near.leave();
    }
    this.session.leave();
    this.channel.leave();
  }

  /** It will not be ours: its keys are erased, and its windows given back. */
  forget(): void {
    this.session.leave();
    this.channel.forget();
  }
}

function movingStream(stream: Http2Stream): MovingStream | undefined {
  const { near, listener } = stream;
  if (!(near instanceof PlainSocket) || near.hasFailed || !near.isConnected || listener === undefined || !isMoving(listener)) return undefined;
  const { handedListener: handed } = listener;
  return handed === undefined ? undefined : { stream, near, listener, handed };
}

const isNested = ({ near, listener }: Http2Stream): boolean => (near !== undefined && !(near instanceof PlainSocket)) || (listener !== undefined && !isMoving(listener));

const isMoving = (listener: StreamListener): listener is Listener => 'handedListener' in listener && 'leave' in listener && 'start' in listener;
