import type { StayReason } from '../handover/handed-batch.ts';
import type { HandedListener, HandedNestedStream, HandedPlainStream, HandedStream, TunnelState } from '../handover/handed-state.ts';
import type { MovingListener, MovingNested } from '../handover/movable.ts';
import type { Http2Stream, StreamListener } from '../hbone/http2-stream.ts';
import type { Http2Session } from '../hbone/http2-session.ts';
import type { EventLoop } from '../hbone/event-loop.ts';
import { PlainSocket } from '../hbone/plain-socket.ts';
import type { TlsChannel } from '../hbone/tls-channel.ts';

type Listener = StreamListener & MovingListener;

/** What a stream needs to move: a socket at its near side, and a listener that can. */
export interface MovingStream {
  readonly stream: Http2Stream;
  readonly near: PlainSocket;
  readonly listener: Listener;
  readonly handed: HandedListener;
}

/** Who makes what streams belong to that have come with a tunnel: undefined for what can be nobody's here. */
export interface StreamArrivals {
  plain(stream: Http2Stream, near: PlainSocket, handed: HandedListener): Listener | undefined;
  nested?(stream: Http2Stream, handed: HandedNestedStream['nested']): MovingNested | undefined;
}

/** A TLS connection with its HTTP/2 session, streams and the sockets at their near sides, which move to another process together. */
export class MovingTunnel {
  readonly #loop: EventLoop;
  readonly channel: TlsChannel;
  readonly session: Http2Session;
  #arrived: (Listener | MovingNested)[] = [];

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

  /** Whether sessions of their own are in its streams. */
  get hasNested(): boolean {
    return !this.#nested()[Symbol.iterator]().next().done;
  }

  get stays(): StayReason | undefined {
    if (this.session.isOver || !this.channel.isSettled) return 'ending';
    const streams = [...this.session.streams.values()];
    if (streams.some(isStuck)) return 'nested';
    if (!this.session.isSettled) return 'unsettled';
    return streams.every((stream) => nestedIn(stream)?.isSettled ?? movingStream(stream) !== undefined) ? undefined : 'unsettled';
  }

  freeze(): void {
    for (const nested of this.#nested()) nested.freeze();
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

  *#nested(): Iterable<MovingNested> {
    for (const stream of this.session.streams.values()) {
      const nested = nestedIn(stream);
      if (nested !== undefined) yield nested;
    }
  }

  get state(): TunnelState {
    return { channel: this.channel.state, session: this.session.state, streams: [...this.session.streams.values()].flatMap(handedStream) };
  }

  /** Makes the streams that another process had. False where one of them can be nobody's here. */
  arrive(streams: readonly HandedStream[], arrivals: StreamArrivals): boolean {
    return streams.every((handed) => (handed.kind === 'plain' ? this.#arrivePlain(handed, arrivals) : this.#arriveNested(handed, arrivals)));
  }

  #arrivePlain(handed: HandedPlainStream, { plain }: StreamArrivals): boolean {
    const listener = arriveIn(this.session, this.#loop, handed, plain);
    if (listener === undefined) return false;
    this.#arrived.push(listener);
    return true;
  }

  #arriveNested({ stream: state, nested: handed }: HandedNestedStream, arrivals: StreamArrivals): boolean {
    const nested = arrivals.nested?.(this.session.arrive(state), handed);
    if (nested === undefined) return false;
    this.#arrived.push(nested);
    return true;
  }

  thaw(): void {
    this.channel.thaw();
    for (const { near } of this.session.streams.values()) if (near instanceof PlainSocket) near.thaw();
    this.session.goOn();
    for (const nested of this.#nested()) nested.thaw();
  }

  /** It is ours from here on. */
  start(): void {
    this.thaw();
    for (const each of this.#arrived) each.start();
    this.#arrived = [];
  }

  leave(): void {
    for (const { near, listener } of [...this.#streams()]) {
      listener.leave();
      near.leave();
    }
    for (const nested of [...this.#nested()]) nested.leave();
    this.session.leave();
    this.channel.leave();
  }

  /** It will not be ours: its keys are erased, and its windows given back. */
  forget(): void {
    for (const each of this.#arrived) if ('forget' in each) each.forget();
    this.session.leave();
    this.channel.forget();
  }
}

/** Makes a stream that leads to a socket, with what it belongs to; undefined for what can be nobody's here. */
export function arriveIn(session: Http2Session, loop: EventLoop, { stream: state, near, listener: handed }: Omit<HandedPlainStream, 'kind'>, listenerOf: StreamArrivals['plain']): Listener | undefined {
  const stream = session.arrive(state);
  const socket = new PlainSocket(loop, near.fd, near);
  const listener = listenerOf(stream, socket, handed);
  if (listener === undefined) return undefined;
  stream.listener = listener;
  stream.near = socket;
  socket.owner = stream;
  return listener;
}

export function movingStream(stream: Http2Stream): MovingStream | undefined {
  const { near, listener } = stream;
  if (!(near instanceof PlainSocket) || near.hasFailed || !near.isConnected || listener === undefined || !isMoving(listener)) return undefined;
  const { handedListener: handed } = listener;
  return handed === undefined ? undefined : { stream, near, listener, handed };
}

function handedStream(stream: Http2Stream): readonly HandedStream[] {
  const nested = nestedIn(stream);
  if (nested !== undefined) return [{ kind: 'nested', stream: stream.state, nested: nested.handedNested }];
  const moving = movingStream(stream);
  return moving === undefined ? [] : [{ kind: 'plain', stream: stream.state, near: moving.near.state, listener: moving.handed }];
}

/** What can not move as long as it lives. */
const isStuck = (stream: Http2Stream): boolean => nestedIn(stream) === undefined && stream.listener !== undefined && !isMoving(stream.listener);

const isMoving = (listener: StreamListener): listener is Listener => 'handedListener' in listener && 'leave' in listener && 'start' in listener;

const nestedIn = ({ listener }: Http2Stream): (StreamListener & MovingNested) | undefined => (listener !== undefined && 'handedNested' in listener ? (listener as StreamListener & MovingNested) : undefined);
