import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { Candidate } from '@landbridge/core/route-plan.ts';
import type { ResponseHead } from '@landbridge/wire/http2-request.ts';
import type { TlsContext } from '@landbridge/native/tls-context.ts';
import type { HandedListener, NestedState } from '../handover/handed-state.ts';
import type { MovingNested } from '../handover/movable.ts';
import type { Failure } from '../hbone/failure.ts';
import { Http2Session } from '../hbone/http2-session.ts';
import type { Http2Stream, StreamEnd, StreamListener } from '../hbone/http2-stream.ts';
import { TlsOverStream } from '../hbone/tls-over-stream.ts';
import type { DataThread } from './data-thread.ts';
import { arriveIn, type MovingStream, movingStream, type StreamArrivals } from './moving-tunnel.ts';

export interface DoubleTunnelListener {
  /** The workload behind the gateway has proven who it is; the session is for one stream. */
  onInner(session: Http2Session, peer: SpiffeId): void;
  /** Nothing of the application was delivered. */
  onInnerFailed(failure: Failure): void;
}

/**
 * A tunnel through a gateway of another network: inside the gateway's stream a TLS session of its own to the workload,
 * so that the gateway can only carry it. One for each connection: the gateway chooses an endpoint for each.
 */
export class DoubleTunnel implements StreamListener, MovingNested {
  readonly #thread: DataThread;
  readonly #gateway: string;
  readonly #outer: Http2Stream;
  /** Until the workload has proven who it is. */
  readonly #listener: DoubleTunnelListener | undefined;
  readonly #channel: TlsOverStream;
  #session: Http2Session | undefined;
  /** Of the handshake: judged again when other roots count. */
  #chain: readonly Buffer[] = [];
  /** When the handshake was. */
  #provenAtMs = 0;
  #isOver = false;

  constructor(thread: DataThread, gateway: string, outer: Http2Stream, options: { readonly candidate: Candidate; readonly context: TlsContext; readonly listener: DoubleTunnelListener } | NestedState) {
    this.#thread = thread;
    this.#gateway = gateway;
    this.#outer = outer;
    outer.listener = this;
    if ('provenAtMs' in options) {
      this.#channel = new TlsOverStream(outer, options.channel);
      this.#chain = options.chain;
      this.#provenAtMs = options.provenAtMs;
      return;
    }
    const { candidate, context, listener } = options;
    this.#listener = listener;
    this.#channel = new TlsOverStream(outer, {
      context,
      listener: {
        onSecure: (channel, result) => {
          thread.innerHandshakes.clear(channel);
          this.#provenAtMs = Date.now();
          const peer = thread.judge.judgeServer(result, candidate.innerIdentities, this.#provenAtMs);
          if (!peer.ok) return this.#fail(peer.error);
          this.#chain = result.peerChain;
          this.#secure(peer.value);
        },
        onHandshakeFailed: (channel, failure) => {
          thread.innerHandshakes.clear(channel);
          this.#fail(failure);
        },
      },
    });
  }

  begin(): void {
    this.#outer.join(this.#channel);
    this.#thread.innerHandshakes.set(this.#channel, this.#thread.loop.nowMs);
    this.#channel.begin();
  }

  #secure(peer: SpiffeId): void {
    const session = this.#speak();
    this.#thread.doubleTunnels.add(this);
    this.#listener?.onInner(session, peer);
  }

  #speak(from?: NestedState['session']): Http2Session {
    const session = new Http2Session(this.#thread.loop, this.#channel, 'client', this.#thread.budget, {
      onCapacity: (inner) => {
        if (inner.streams.size === 0) inner.drain();
      },
      onClosed: () => {
        this.#isOver = true;
        this.#thread.doubleTunnels.delete(this);
      },
    }, 0, from);
    this.#session = session;
    this.#channel.owner = session;
    return session;
  }

  // -- From one process to the next

  /** As another process had it, where its workload is one to speak to still. */
  static arrive(thread: DataThread, gateway: string, outer: Http2Stream, state: NestedState, listenerOf: StreamArrivals['plain']): DoubleTunnel | undefined {
    const { chain, provenAtMs, session, stream, near, outbound } = state;
    // One that has ended meanwhile was good when the connection was made.
    const peer = thread.judge.judgeChain(chain, provenAtMs);
    if (!peer.ok || peer.value.id !== outbound.peer) return undefined;
    const tunnel = new DoubleTunnel(thread, gateway, outer, state);
    outer.near = tunnel.#channel;
    const listener = arriveIn(tunnel.#speak(session), thread.loop, { stream, near, listener: { kind: 'outbound', state: outbound } }, listenerOf);
    if (listener !== undefined) return tunnel;
    tunnel.forget();
    return undefined;
  }

  /** The one connection in it, where that is no other's to decide. */
  get #moving(): MovingStream | undefined {
    const [stream] = this.#session?.streams.values() ?? [];
    return stream === undefined ? undefined : movingStream(stream);
  }

  get isSettled(): boolean {
    return !this.#isOver && this.#outer.hasHead && this.#channel.isSettled && this.#session?.isSettled === true && this.#moving?.handed.kind === 'outbound';
  }

  freeze(): void {
    this.#session?.freeze();
    this.#moving?.near.freeze();
  }

  get handedNested(): NestedState {
    const { stream, near, handed } = this.#moving as MovingStream;
    const { state: outbound } = handed as Extract<HandedListener, { readonly kind: 'outbound' }>;
    return { chain: this.#chain, provenAtMs: this.#provenAtMs, channel: this.#channel.state, session: (this.#session as Http2Session).state, stream: stream.state, near: near.state, outbound };
  }

  thaw(): void {
    this.#moving?.near.thaw();
    this.#session?.goOn();
  }

  leave(): void {
    const moving = this.#moving;
    this.#thread.doubleTunnels.delete(this);
    moving?.listener.leave();
    moving?.near.leave();
    this.forget();
  }

  start(): void {
    this.#thread.doubleTunnels.add(this);
    this.#moving?.listener.start();
  }

  forget(): void {
    this.#isOver = true;
    this.#session?.leave();
    this.#channel.forget();
  }

  /** Ends the inner session where the roots of this moment do not vouch for the workload any more. */
  review(): void {
    const peer = this.#thread.judge.judgeChain(this.#chain, Date.now());
    if (peer.ok || peer.error.reason !== 'trust-domain') return;
    this.#thread.tunnelFailed('outbound', peer.error.reason, peer.error.text, { gateway: this.#gateway });
    this.#session?.abort(peer.error);
  }

  #fail(failure: Failure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#thread.tunnelFailed('outbound', failure.reason, failure.text, { gateway: this.#gateway });
    this.#outer.listener = undefined;
    this.#outer.reset();
    this.#channel.close();
    if (this.#session === undefined) this.#listener?.onInnerFailed(failure);
  }

  onHead(stream: Http2Stream, { status }: ResponseHead): void {
    if (status === 200) return stream.settle();
    this.#fail({ reason: 'dial-unreachable', text: `the gateway answered with status ${status}` });
  }

  onClosed(_stream: Http2Stream, end: StreamEnd): void {
    if (this.#session === undefined) this.#fail({ reason: end.kind === 'connection-lost' ? 'closed' : 'reset', text: 'the gateway ended the stream' });
  }
}
