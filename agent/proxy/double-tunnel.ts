import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { Candidate } from '@landbridge/core/route-plan.ts';
import type { ResponseHead } from '@landbridge/wire/http2-request.ts';
import type { TlsContext } from '@landbridge/native/tls-context.ts';
import type { Failure } from '../hbone/failure.ts';
import { Http2Session } from '../hbone/http2-session.ts';
import type { Http2Stream, StreamEnd, StreamListener } from '../hbone/http2-stream.ts';
import { TlsOverStream } from '../hbone/tls-over-stream.ts';
import type { DataThread } from './data-thread.ts';

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
export class DoubleTunnel implements StreamListener {
  readonly #thread: DataThread;
  readonly #candidate: Candidate;
  readonly #outer: Http2Stream;
  readonly #listener: DoubleTunnelListener;
  readonly #channel: TlsOverStream;
  #session: Http2Session | undefined;
  /** Of the handshake: judged again when other roots count. */
  #chain: readonly Buffer[] = [];
  #isOver = false;

  constructor(thread: DataThread, candidate: Candidate, context: TlsContext, outer: Http2Stream, listener: DoubleTunnelListener) {
    this.#thread = thread;
    this.#candidate = candidate;
    this.#outer = outer;
    this.#listener = listener;
    this.#channel = new TlsOverStream(context, outer, {
      onSecure: (channel, result) => {
        thread.innerHandshakes.clear(channel);
        const peer = thread.judge.judgeServer(result, this.#candidate.innerIdentities, Date.now());
        if (!peer.ok) return this.#fail(peer.error);
        this.#chain = result.peerChain;
        this.#secure(peer.value);
      },
      onHandshakeFailed: (channel, failure) => {
        thread.innerHandshakes.clear(channel);
        this.#fail(failure);
      },
    });
    outer.listener = this;
  }

  begin(): void {
    this.#outer.join(this.#channel);
    this.#thread.innerHandshakes.set(this.#channel, this.#thread.loop.nowMs);
    this.#channel.begin();
  }

  #secure(peer: SpiffeId): void {
    const session = new Http2Session(this.#thread.loop, this.#channel, 'client', this.#thread.budget, {
      onCapacity: (inner) => {
        if (inner.streams.size === 0) inner.drain();
      },
      onClosed: () => {
        this.#isOver = true;
        this.#thread.doubleTunnels.delete(this);
      },
    });
    this.#session = session;
    this.#thread.doubleTunnels.add(this);
    this.#channel.owner = session;
    this.#listener.onInner(session, peer);
  }

  /** Ends the inner session where the roots of this moment do not vouch for the workload any more. */
  review(): void {
    const peer = this.#thread.judge.judgeChain(this.#chain, Date.now());
    if (peer.ok || peer.error.reason !== 'trust-domain') return;
    this.#thread.tunnelFailed('outbound', peer.error.reason, peer.error.text, { gateway: this.#candidate.address });
    this.#session?.abort(peer.error);
  }

  #fail(failure: Failure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#thread.tunnelFailed('outbound', failure.reason, failure.text, { gateway: this.#candidate.address });
    this.#outer.listener = undefined;
    this.#outer.reset();
    this.#channel.close();
    if (this.#session === undefined) this.#listener.onInnerFailed(failure);
  }

  onHead(stream: Http2Stream, { status }: ResponseHead): void {
    if (status === 200) return stream.settle();
    this.#fail({ reason: 'dial-unreachable', text: `the gateway answered with status ${status}` });
  }

  onClosed(_stream: Http2Stream, end: StreamEnd): void {
    if (this.#session === undefined) this.#fail({ reason: end.kind === 'connection-lost' ? 'closed' : 'reset', text: 'the gateway ended the stream' });
  }
}
