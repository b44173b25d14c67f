import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { HandshakeResult } from '@landbridge/native/tls-handshake.ts';
import type { TlsContext } from '@landbridge/native/tls-context.ts';
import type { Result } from '@landbridge/core/result.ts';
import { DeadlineList } from './deadline-list.ts';
import type { EventLoop } from './event-loop.ts';
import type { Failure } from './failure.ts';
import { Http2Session, type SessionBudget } from './http2-session.ts';
import type { Http2SessionState } from './http2-state.ts';
import { type HandshakeListener, TlsChannel } from './tls-channel.ts';

/** Who may share a connection: only tunnels of one source to one peer. */
export interface PoolKey {
  /** The source pod. */
  readonly uid: string;
  readonly address: string;
  readonly port: number;
  /** Source pod, source identity with the generation of its certificate, address and port, acceptable identities. */
  readonly text: string;
  readonly identities: readonly SpiffeId[];
}

/** Who waits for a connection. */
export interface SessionWaiter {
  onSession(session: PooledSession): void;
  onNoSession(failure: Failure): void;
}

export interface Dial {
  /** A socket whose connect(2) goes on, of the source's namespace; or why there is none. */
  connect(): Result<number, Failure>;
  readonly context: TlsContext;
  /** Judges the peer of a finished handshake. */
  judge(result: HandshakeResult): Result<SpiffeId, Failure>;
}

export interface PooledSession {
  readonly session: Http2Session;
  readonly key: PoolKey;
  readonly channel: TlsChannel;
  /** When the handshake was, as Date.now() has it. */
  readonly provenAtMs: number;
  /** Whom the handshake proved. */
  readonly peer: SpiffeId;
  /** Of the handshake, in DER. */
  readonly chain: readonly Buffer[];
}

export interface PoolSettings {
  readonly maxStreams: number;
  readonly idleMs: number;
  readonly dialTimeoutMs: number;
}

/** Connections that wait for one dial; more are refused at once. */
const MAX_WAITERS = 4096;

interface Entry {
  readonly key: PoolKey;
  /** Of the certificate that the key names: held, as a further dial may come after its disposal. Undefined where there will be none. */
  readonly context: TlsContext | undefined;
  readonly sessions: PooledSession[];
  channel: TlsChannel | undefined;
  readonly waiters: Set<SessionWaiter>;
  /** Of the peer's SETTINGS, as the last connection had them. */
  peerMaxStreams: number | undefined;
}

/**
 * Tunnel connections that are kept for the next one. One dial for a key at a time: who comes meanwhile waits for it,
 * and more dials follow only where its streams do not do for all.
 */
export class SessionPool {
  readonly #loop: EventLoop;
  readonly #settings: PoolSettings;
  readonly #budget: SessionBudget;
  readonly #entries = new Map<string, Entry>();
  readonly #idle: DeadlineList<Http2Session>;
  readonly #dialing: DeadlineList<TlsChannel>;
  readonly #speaking: DeadlineList<Http2Session>;
  /** Called with each session that begins and ends, for keepalive and counts. */
  readonly #onSession: (session: Http2Session, isOpen: boolean) => void;
  readonly #onFailure: (failure: Failure) => void;
  #sessions = 0;
  #isDraining = false;

  constructor(loop: EventLoop, settings: PoolSettings, budget: SessionBudget, hooks: { readonly onSession: (session: Http2Session, isOpen: boolean) => void; readonly onFailure: (failure: Failure) => void }) {
    this.#loop = loop;
    this.#settings = settings;
    this.#budget = budget;
    this.#onSession = hooks.onSession;
    this.#onFailure = hooks.onFailure;
    this.#idle = new DeadlineList(settings.idleMs, (session) => {
      if (session.streams.size === 0) session.drain();
    });
    this.#speaking = new DeadlineList(settings.dialTimeoutMs, (session) => session.abort({ reason: 'h2-preface', text: 'the peer did not begin to speak HTTP/2 in time' }));
    this.#dialing = new DeadlineList(settings.dialTimeoutMs, (channel) => channel.abandon(channel.isConnected ? 'tls-timeout' : 'dial-timeout', channel.isConnected ? 'the handshake took too long' : 'no answer in time; a NetworkPolicy may block port 15008'));
    loop.watch(this.#idle);
    loop.watch(this.#dialing);
    loop.watch(this.#speaking);
  }

  get size(): number {
    return this.#sessions;
  }

  get dials(): number {
    return this.#dialing.size;
  }

  /** Gives a connection with room for one more stream, at once or later. `dial` is used where there is none. */
  acquire(key: PoolKey, dial: Dial, waiter: SessionWaiter): void {
    let entry = this.#entries.get(key.text);
    if (entry === undefined) {
      entry = { key, context: dial.context.hold(), sessions: [], channel: undefined, waiters: new Set(), peerMaxStreams: undefined };
      this.#entries.set(key.text, entry);
    }
    const found = this.#withRoom(entry);
    if (found !== undefined) return waiter.onSession(found);
    if (entry.waiters.size >= MAX_WAITERS) return waiter.onNoSession({ reason: 'tls-busy', text: 'too many connections wait for a tunnel' });
    entry.waiters.add(waiter);
    if (entry.channel === undefined) this.#dial(entry, dial);
  }

  /** Ends a wait. */
  forget(key: PoolKey, waiter: SessionWaiter): void {
    this.#entries.get(key.text)?.waiters.delete(waiter);
  }

  /** The least busy one: streams of one connection share its packets' fate. */
  #withRoom(entry: Entry): PooledSession | undefined {
    let best: PooledSession | undefined;
    for (const pooled of entry.sessions) {
      const { session } = pooled;
      if (session.hasRoom && session.streams.size < this.#settings.maxStreams && (best === undefined || session.streams.size < best.session.streams.size)) best = pooled;
    }
    return best;
  }

  #dial(entry: Entry, dial: Dial): void {
    const socket = dial.connect();
    if (!socket.ok) return this.#refuse(entry, socket.error);
    const listener: HandshakeListener = {
      onSecure: (channel, result) => {
        this.#dialing.clear(channel);
        entry.channel = undefined;
        const peer = dial.judge(result);
        if (peer.ok) return this.#begin(entry, channel, { key: entry.key, channel, peer: peer.value, chain: result.peerChain, provenAtMs: Date.now() }, dial);
        channel.refuse();
        this.#onFailure(peer.error);
        this.#refuse(entry, peer.error);
      },
      onHandshakeFailed: (channel, failure) => {
        this.#dialing.clear(channel);
        entry.channel = undefined;
        this.#onFailure(failure);
        this.#refuse(entry, failure);
      },
    };
    try {
      entry.channel = new TlsChannel(this.#loop, socket.value, { role: 'client', isConnected: false, context: dial.context, listener });
      this.#dialing.set(entry.channel, this.#loop.nowMs);
    } catch (thrown) {
      this.#refuse(entry, { reason: 'dial-unreachable', text: String(thrown) });
    }
  }

  #begin(entry: Entry, channel: TlsChannel, proven: Omit<PooledSession, 'session'>, dial: Dial): void {
    const session = new Http2Session(this.#loop, channel, 'client', this.#budget, {
      onReady: () => {
        this.#speaking.clear(session);
        entry.peerMaxStreams = session.peerMaxStreams;
      },
      onCapacity: () => {
        this.#serve(entry, dial);
        this.#rest(session);
      },
      onClosed: (_, failure) => {
        if (failure !== undefined) this.#onFailure(failure);
        this.#remove(entry, pooled);
      },
    });
    // What the peer allowed before it likely allows again; streams beyond it would come back refused.
    if (entry.peerMaxStreams !== undefined) session.peerMaxStreams = entry.peerMaxStreams;
    channel.owner = session;
    const pooled: PooledSession = { session, ...proven };
    this.#add(entry, pooled);
    this.#speaking.set(session, this.#loop.nowMs);
    this.#serve(entry, dial);
    this.#rest(session);
  }

  #add(entry: Entry, pooled: PooledSession): void {
    entry.sessions.push(pooled);
    this.#sessions++;
    this.#onSession(pooled.session, true);
  }

  #remove(entry: Entry, pooled: PooledSession): void {
    const at = entry.sessions.indexOf(pooled);
    if (at < 0) return;
    entry.sessions.splice(at, 1);
    this.#idle.clear(pooled.session);
    this.#speaking.clear(pooled.session);
    this.#sessions--;
    this.#onSession(pooled.session, false);
    this.#forgetIfEmpty(entry);
  }

  /** Another process has the connection from now on. */
  handedOver(pooled: PooledSession): void {
    const entry = this.#entries.get(pooled.key.text);
    if (entry !== undefined) this.#remove(entry, pooled);
  }

  /**
   * A connection that another process made, under a certificate of its own: nobody shares it, and it ends with the last
   * of its streams. It counts once `enter` is called.
   */
  adopt(proven: Omit<PooledSession, 'session'>, from: Http2SessionState): { readonly pooled: PooledSession; readonly enter: () => void } {
    const entry: Entry = { key: proven.key, context: undefined, sessions: [], channel: undefined, waiters: new Set(), peerMaxStreams: undefined };
    const session = new Http2Session(this.#loop, proven.channel, 'client', this.#budget, {
      onCapacity: () => {
        if (session.streams.size === 0) session.drain();
      },
      onClosed: (_, failure) => {
        if (failure !== undefined) this.#onFailure(failure);
        this.#remove(entry, pooled);
      },
    }, 0, from);
    const pooled: PooledSession = { session, ...proven };
    return {
      pooled,
      enter: () => {
        this.#entries.set(entry.key.text, entry);
        this.#add(entry, pooled);
      },
    };
  }

  /** Keeps a session that has nothing to do for a while, unless it is not wanted any more. */
  #rest(session: Http2Session): void {
    if (session.streams.size > 0 || session.isOver) return;
    if (this.#isDraining) session.drain();
    else this.#idle.set(session, this.#loop.nowMs);
  }

  /** Ends each connection once it has no stream any more. */
  drain(): void {
    this.#isDraining = true;
    for (const { session } of [...this.sessions()]) this.#rest(session);
  }

  /** Gives what there is to those who wait, and dials again where it does not do. */
  #serve(entry: Entry, dial: Dial): void {
    for (const waiter of entry.waiters) {
      const found = this.#withRoom(entry);
      if (found === undefined) {
        if (entry.channel === undefined) this.#dial(entry, dial);
        return;
      }
      entry.waiters.delete(waiter);
      waiter.onSession(found);
    }
  }

  #refuse(entry: Entry, failure: Failure): void {
    const waiters = [...entry.waiters];
    entry.waiters.clear();
    this.#forgetIfEmpty(entry);
    for (const waiter of waiters) waiter.onNoSession(failure);
  }

  #forgetIfEmpty(entry: Entry): void {
    if (entry.sessions.length > 0 || entry.waiters.size > 0 || entry.channel !== undefined || this.#entries.get(entry.key.text) !== entry) return;
    this.#entries.delete(entry.key.text);
    entry.context?.release();
  }

  /** A stream was opened on it. */
  used(session: Http2Session): void {
    this.#idle.clear(session);
  }

  *sessions(): Iterable<PooledSession> {
    for (const entry of this.#entries.values()) yield* entry.sessions;
  }

  /** Ends all connections, with what they carry, for which there is a reason. */
  review(faultOf: (session: PooledSession) => Failure | undefined): void {
    for (const pooled of [...this.sessions()]) {
      const fault = faultOf(pooled);
      if (fault !== undefined) pooled.session.abort(fault);
    }
  }

  /** Ends all connections whose key begins so: of a source that is gone. */
  closeAll(prefix: string, failure: Failure): void {
    for (const [text, entry] of [...this.#entries]) {
      if (!text.startsWith(prefix)) continue;
      for (const { session } of [...entry.sessions]) session.abort(failure);
      entry.channel?.abandon(failure.reason, failure.text);
    }
  }
}
