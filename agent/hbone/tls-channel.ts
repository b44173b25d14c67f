/**
 * A TLS connection on a socket. Long because dialling, handshake, records and the end are phases of one descriptor,
 * whose events mean something else in each: apart, each would have to know the others.
 */
import { close, EAGAIN, ECONNRESET, lastErrno, receive, send, shutdownWrite, takeError, unacknowledged } from '@landbridge/native/stream-socket.ts';
import { errnoOf } from '@landbridge/native/errno.ts';
import { nativeMemory } from '@landbridge/native/memory.ts';
import type { TlsContext } from '@landbridge/native/tls-context.ts';
import { type HandshakeResult, type HandshakeState, TlsHandshake } from '@landbridge/native/tls-handshake.ts';
import { ALERT, type Alert, CONTENT_TYPE, encodeAlert, MAX_CIPHERTEXT_BYTES, RECORD_HEADER_BYTES } from '@landbridge/wire/tls13.ts';
import { type Channel, type ChannelOwner, NOTHING, OVER } from './channel.ts';
import { Event, type EventHandler, type EventLoop } from './event-loop.ts';
import type { Failure, FailureReason } from './failure.ts';
import type { HandshakeTurns, WaitingHandshake } from './handshake-turns.ts';
import { plainIn, READ_BYTES, sealedIn, sealedOut } from './scratch.ts';
import { giveSlab, LARGE_SLAB, type Slab, slabOf, takeSlab } from './slab.ts';
import { MAX_HANDSHAKE_BYTES, recordsFault, TlsRecords, type TlsRecordsState } from './tls-records.ts';

const ETIMEDOUT = errnoOf('ETIMEDOUT');
const UNREACHABLE: ReadonlySet<number> = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL'].map(errnoOf));

const control = nativeMemory(16);

/** Of an open channel which neither side has ended. */
export interface TlsChannelState {
  readonly fd: number;
  readonly records: TlsRecordsState;
  /** Whether what is called partial in `records` may be whole records, which no event tells of. */
  readonly isPartialWhole: boolean;
  readonly unsent: Buffer;
}

/** Why a state can be none of this engine's; undefined where it can. */
export function channelFault({ records, isPartialWhole, unsent }: TlsChannelState): string | undefined {
  return recordsFault(records, isPartialWhole ? READ_BYTES : RECORD_HEADER_BYTES + MAX_CIPHERTEXT_BYTES) ?? (unsent.length > LARGE_SLAB ? 'more is unsent than is ever sealed at once' : undefined);
}

/** Who waits for the handshake of a channel. */
export interface HandshakeListener {
  /** The peer has proven to have the key of its certificate; whose it is, is the listener's to judge. */
  onSecure(channel: TlsChannel, result: HandshakeResult): void;
  /** The handshake came to nothing; the channel is closed. */
  onHandshakeFailed(channel: TlsChannel, failure: Failure): void;
}

type Phase =
  /** The TCP connection is being made. */
  | 'connecting'
  /** A server that has not seen a whole ClientHello yet has no OpenSSL object: half-open connections stay cheap. */
  | 'waiting'
  /** The ClientHello is there, and the server's turn to answer it is not. */
  | 'queued'
  | 'handshake'
  | 'open'
  | 'closed';

/** A TLS 1.3 connection on a socket of its own. */
export class TlsChannel implements Channel, EventHandler, WaitingHandshake {
  readonly #loop: EventLoop;
  readonly fd: number;
  readonly role: 'client' | 'server';
  readonly inbound = plainIn;
  readonly #recordsPerKey: number | undefined;
  #phase: Phase;
  #context: TlsContext | undefined;
  #listener: HandshakeListener | undefined;
  /** For servers: undefined where they begin at once. */
  readonly #turns: HandshakeTurns | undefined;
  #handshake: TlsHandshake | undefined;
  #handshakeBytes = 0;
  /** The beginning of a handshake record. */
  #early: Buffer | undefined;
  #records: TlsRecords | undefined;
  owner: ChannelOwner | undefined;
  mayReceive = false;
  #maySend = true;
  #peerHungUp = false;
  /** Sealed and not sent: their numbers are spent, so that they are never sealed again. */
  #unsent: Slab | undefined;
  /** In the kernel's queue when nothing had been taken from `#unsent` for a while. */
  #leftAtStall = Number.POSITIVE_INFINITY;
  #isEnding = false;
  /** close_notify left as the last bytes. */
  #hasEnded = false;
  #hasPartial = false;
  failure: Failure | undefined;

  constructor(loop: EventLoop, fd: number, options: TlsChannelState | { readonly role: 'client' | 'server'; readonly isConnected: boolean; readonly context: TlsContext; readonly listener: HandshakeListener; readonly turns?: HandshakeTurns; readonly recordsPerKey?: number }) {
    this.#loop = loop;
    this.fd = fd;
    if ('records' in options) {
      const { records, isPartialWhole, unsent } = options;
      this.role = records.role;
      this.#phase = 'open';
      this.#records = new TlsRecords(records.role, records);
      this.#hasPartial = isPartialWhole;
      if (unsent.length > 0) this.#unsent = slabOf(unsent);
      return;
    }
    this.#recordsPerKey = options.recordsPerKey;
    this.#turns = options.turns;
    this.role = options.role;
    this.#context = options.context.hold();
    this.#listener = options.listener;
    this.#phase = options.isConnected ? 'waiting' : 'connecting';
    loop.add(fd, 'stream', this);
  }

  /** Whether it could go on in another process. */
  get isSettled(): boolean {
    return this.#phase === 'open' && this.failure === undefined && !this.#isEnding && !this.#hasEnded && this.#records?.fault === undefined && this.#records?.hasEnded === false;
  }

  /** Neither reads nor writes any more, nor hears of anything. */
  freeze(): void {
    this.#loop.remove(this.fd);
    this.#loop.stalls.clear(this);
  }

  /** Goes on, or begins to: what is there to read or write is told as an event, or found by the next flush. */
  thaw(): void {
    this.mayReceive = this.#maySend = true;
    this.#leftAtStall = Number.POSITIVE_INFINITY;
    if (this.#unsent !== undefined) this.#loop.stalls.set(this, this.#loop.nowMs);
    this.#loop.add(this.fd, 'stream', this);
  }

  /** Of a frozen channel, which may be thawed still. */
  get state(): TlsChannelState {
    const slab = this.#unsent;
    return { fd: this.fd, records: (this.#records as TlsRecords).state, isPartialWhole: this.#hasPartial, unsent: slab === undefined ? Buffer.alloc(0) : slab.bytes.subarray(slab.start, slab.end) };
  }

  /** Closes this process' copy of a frozen channel that another one has, and erases its keys: the peer sees nothing of it. */
  leave(): void {
    if (this.#phase === 'closed') return;
    this.forget();
    close(this.fd);
  }

  /** Erases its keys; its socket is somebody else's. */
  forget(): void {
    this.#phase = 'closed';
    this.mayReceive = false;
    this.#records?.[Symbol.dispose]();
    if (this.#unsent !== undefined) giveSlab(this.#unsent);
    this.#records = this.#unsent = this.owner = undefined;
  }

  /** Whether the TCP connection is there. */
  get isConnected(): boolean {
    return this.#phase !== 'connecting';
  }

  get isOpen(): boolean {
    return this.#phase === 'open';
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  get isBlocked(): boolean {
    return this.#unsent !== undefined;
  }

  onEvents(events: number): void {
    if ((events & (Event.IN | Event.HANG_UP | Event.ERROR | Event.PEER_HANG_UP)) !== 0) this.mayReceive = true;
    if ((events & (Event.HANG_UP | Event.ERROR | Event.PEER_HANG_UP)) !== 0) this.#peerHungUp = true;
    if ((events & (Event.OUT | Event.HANG_UP | Event.ERROR)) !== 0) this.#maySend = true;
    if (this.#phase === 'connecting') {
      if ((events & Event.ERROR) !== 0) return this.#failDial(takeError(this.fd));
      if ((events & Event.OUT) === 0) return;
      this.#phase = 'waiting';
      this.#begin();
    }
    if (this.#unsent !== undefined) this.flush();
    if (this.#phase === 'waiting' || this.#phase === 'handshake') return this.#receiveHandshake();
    this.owner?.onChannel();
  }

  /** A server begins once there is a record; a client at once. */
  #begin(): void {
    if (this.#context === undefined) return;
    this.#handshake = new TlsHandshake(this.#context, this.role);
    this.#context.release();
    this.#context = undefined;
    this.#phase = 'handshake';
    if (this.role === 'client') this.#advance(this.#handshake.advance());
  }

  /** A server's turn has come. */
  begin(): void {
    this.#begin();
    const size = this.#early?.copy(sealedIn.bytes, 0) ?? 0;
    this.#early = undefined;
    this.#feed(size);
    this.#receiveHandshake();
  }

  giveWay(): void {
    this.abandon('tls-busy', 'too many handshakes at once');
  }

  #receiveHandshake(): void {
    while (this.mayReceive && (this.#phase === 'waiting' || this.#phase === 'handshake')) {
      const have = this.#early?.length ?? 0;
      this.#early?.copy(sealedIn.bytes, 0);
      this.#early = undefined;
      const count = receive(this.fd, sealedIn.address + have, READ_BYTES);
      if (count < 0) {
        if (have > 0) this.#early = Buffer.from(sealedIn.bytes.subarray(0, have));
        if (lastErrno() !== EAGAIN) return this.#failHandshake('reset', 'the connection was reset during the handshake');
        this.mayReceive = false;
        return;
      }
      if (count === 0) return this.#failHandshake('tls-truncated', 'the connection ended during the handshake');
      if (count < READ_BYTES && !this.#peerHungUp) this.mayReceive = false;
      this.#handshakeBytes += count;
      this.#feed(have + count);
    }
  }

  #feed(size: number): void {
    const { bytes, address } = sealedIn;
    let at = 0;
    while (this.#phase === 'waiting' || this.#phase === 'handshake') {
      if (size - at >= 2 && (((bytes[at] as number) & 0xfc) !== 0x14 || bytes[at + 1] !== 3)) return this.#failHandshake('tls-not-tls', 'the peer does not speak TLS');
      if (size - at < RECORD_HEADER_BYTES) break;
      const length = RECORD_HEADER_BYTES + bytes.readUInt16BE(at + 3);
      if (length > RECORD_HEADER_BYTES + MAX_CIPHERTEXT_BYTES || this.#handshakeBytes > MAX_HANDSHAKE_BYTES + READ_BYTES) return this.#failHandshake('tls-record-overflow', 'a handshake longer than any that is needed');
      if (size - at < length) break;
      if (this.#phase === 'waiting') {
        if (this.#turns !== undefined) {
          this.#phase = 'queued';
          this.#turns.wait(this);
          break;
        }
        this.#begin();
      }
      const handshake = this.#handshake as TlsHandshake;
      const state = handshake.feed(address + at, length);
      at += length;
      // What follows is application data under other keys: it stays where it is meanwhile.
      if (state.kind === 'done') return this.#secure(handshake, at, size);
      this.#advance(state);
    }
    if (this.#phase !== 'closed' && at < size) {
      if (size - at > MAX_HANDSHAKE_BYTES) return this.#failHandshake('tls-record-overflow', 'a handshake longer than any that is needed');
      this.#early = Buffer.from(bytes.subarray(at, size));
    }
  }

  #advance(state: HandshakeState): void {
    this.#sendHandshake();
    if (state.kind === 'failed') this.#failHandshake(`tls-${state.fault}`, state.text);
  }

  #sendHandshake(): void {
    const bytes = this.#handshake?.takeOutput();
    if (bytes !== undefined) this.#write(bytes);
  }

  #secure(handshake: TlsHandshake, at: number, size: number): void {
    this.#sendHandshake();
    if (this.#phase === 'closed') return;
    const result = handshake.result();
    if (result === undefined) return this.#failHandshake('tls-protocol', 'the handshake ended without keys');
    this.#records = new TlsRecords(this.role, result, this.#recordsPerKey);
    if (at < size) {
      this.#records.keepPartial(sealedIn.bytes, at, size);
      this.#hasPartial = this.mayReceive = true;
    }
    handshake[Symbol.dispose]();
    this.#handshake = undefined;
    this.#turns?.ended(this);
    this.#phase = 'open';
    const listener = this.#listener as HandshakeListener;
    this.#listener = undefined;
    listener.onSecure(this, result);
    if (this.isOpen && this.mayReceive) this.owner?.onChannel();
  }

  receive(): number {
    const records = this.#records;
    if (records === undefined || this.failure !== undefined || records.hasEnded) return OVER;
    const have = records.takePartial(sealedIn.bytes);
    const count = this.#hasPartial ? 0 : this.#read(records, have);
    if (count < 0) return this.failure === undefined ? NOTHING : OVER;
    // What the handshake read too much may be whole records, and more than a read has room for behind them.
    this.#hasPartial = false;
    const plain = records.open(sealedIn, have + count, plainIn);
    if (records.fault !== undefined) this.#failRecords(records);
    else if (records.owesKeyUpdate && !this.isBlocked) this.#sendEmpty(records);
    if (plain === 0 && (this.failure !== undefined || records.hasEnded)) return OVER;
    return plain;
  }

  /** Reads behind a partial record; negative where there is nothing, or `failure` says why there never will be. */
  #read(records: TlsRecords, have: number): number {
    const count = receive(this.fd, sealedIn.address + have, READ_BYTES);
    if (count > 0) {
      if (count < READ_BYTES && !this.#peerHungUp) this.mayReceive = false;
      return count;
    }
    this.mayReceive = false;
    // Without close_notify anybody may have cut it (RFC 8446, section 6.1).
    if (count === 0) this.failure ??= { reason: 'closed', text: 'the connection ended without close_notify' };
    else if (lastErrno() !== EAGAIN) this.failure ??= { reason: 'reset', text: 'the connection was reset' };
    else if (have > 0) records.keepPartial(sealedIn.bytes, 0, have);
    return -1;
  }

  /** A record without content, before which the KeyUpdate goes that the peer asked for. */
  #sendEmpty(records: TlsRecords): void {
    this.#sendSealed(records.seal(control.bytes, control.address, 0, 0, sealedOut, 0));
  }

  #failRecords(records: TlsRecords): void {
    const { kind, alert, text } = records.fault as NonNullable<TlsRecords['fault']>;
    this.failure = { reason: `tls-${kind}`, text };
    if (alert !== undefined) this.#sendAlert(alert);
  }

  #sendAlert(alert: Alert): void {
    if (this.#records === undefined || this.isBlocked) return;
    control.bytes.set(encodeAlert(alert));
    this.#sendSealed(this.#records.seal(control.bytes, control.address, 0, 2, sealedOut, 0, CONTENT_TYPE.ALERT));
  }

  send(bytes: Buffer, address: number, from: number, size: number): void {
    const records = this.#records;
    if (records === undefined || this.failure !== undefined || this.isBlocked) return;
    this.#sendSealed(records.seal(bytes, address + from, from, size, sealedOut, 0));
  }

  #sendSealed(size: number): void {
    let sent = send(this.fd, sealedOut.address, size);
    if (sent === size) return;
    if (sent < 0) {
      if (lastErrno() !== EAGAIN) return this.#failSend();
      sent = 0;
    }
    this.#keep(sealedOut.bytes, sent, size);
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    this.#maySend = false;
    this.#unsent = slabOf(bytes, from, to);
    this.#leftAtStall = Number.POSITIVE_INFINITY;
    this.#loop.stalls.set(this, this.#loop.nowMs);
  }

  /** Nothing was taken from `#unsent` for a while: a peer that takes a little at a time makes the kernel's own queue shorter. */
  onStalled(): void {
    if (this.#unsent === undefined || this.#phase !== 'open') return;
    const left = unacknowledged(this.fd);
    if (left < this.#leftAtStall) {
      this.#leftAtStall = left;
      return this.#loop.stalls.set(this, this.#loop.nowMs);
    }
    this.failure ??= { reason: 'peer-silent', text: 'the peer takes nothing' };
    this.mayReceive = true;
    this.owner?.onChannel();
  }

  #write(bytes: Buffer): void {
    if (this.#unsent !== undefined) {
      // Flights of a handshake are short; a peer that takes none of them runs into the deadline.
      const joined = takeSlab(this.#unsent.end - this.#unsent.start + bytes.length);
      this.#unsent.bytes.copy(joined.bytes, 0, this.#unsent.start, this.#unsent.end);
      bytes.copy(joined.bytes, this.#unsent.end - this.#unsent.start);
      joined.end = this.#unsent.end - this.#unsent.start + bytes.length;
      giveSlab(this.#unsent);
      this.#unsent = joined;
      return;
    }
    bytes.copy(sealedOut.bytes, 0);
    this.#sendSealed(bytes.length);
  }

  flush(): void {
    const slab = this.#unsent;
    if (slab === undefined || !this.#maySend || this.#phase === 'closed') return;
    const sent = send(this.fd, slab.address + slab.start, slab.end - slab.start);
    if (sent < 0) {
      this.#maySend = false;
      if (lastErrno() !== EAGAIN) this.#failSend();
      return;
    }
    slab.start += sent;
    if (slab.start < slab.end) {
      this.#maySend = false;
      if (sent > 0) this.#loop.stalls.set(this, this.#loop.nowMs);
      return;
    }
    this.#loop.stalls.clear(this);
    giveSlab(slab);
    this.#unsent = undefined;
    if (this.#isEnding) this.#end();
    else if (this.#records?.owesKeyUpdate === true) this.#sendEmpty(this.#records);
  }

  #failSend(): void {
    this.failure ??= { reason: lastErrno() === ECONNRESET ? 'reset' : 'closed', text: 'the peer takes nothing any more' };
    if (this.#unsent !== undefined) giveSlab(this.#unsent);
    this.#unsent = undefined;
    // Whoever waits for room learns it from the next receive.
    this.mayReceive = true;
  }

  end(): void {
    this.#isEnding = true;
    if (!this.isBlocked) this.#end();
  }

  #end(): void {
    if (this.#phase !== 'open' || this.failure !== undefined) return;
    this.#isEnding = false;
    this.#sendAlert(ALERT.CLOSE_NOTIFY);
    if (this.isBlocked) {
      this.#isEnding = true;
      return;
    }
    this.#hasEnded = true;
    shutdownWrite(this.fd);
  }

  #failDial(errno: number): void {
    const [reason, text]: [FailureReason, string] = errno === ETIMEDOUT ? ['dial-timeout', 'no answer'] : UNREACHABLE.has(errno) ? ['dial-unreachable', 'there is no way to it'] : ['dial-refused', 'the connection was refused'];
    this.#failHandshake(reason, text);
  }

  #failHandshake(reason: FailureReason, text: string): void {
    this.failure ??= { reason, text };
    const listener = this.#listener;
    this.#listener = undefined;
    this.close();
    listener?.onHandshakeFailed(this, this.failure);
  }

  /** Tells a peer that it has proven to be somebody who is not wanted, and ends. */
  refuse(): void {
    this.#sendAlert(ALERT.ACCESS_DENIED);
    this.close();
  }

  /** Gives up a handshake that takes too long. */
  abandon(reason: FailureReason, text: string): void {
    this.#failHandshake(reason, text);
  }

  close(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.mayReceive = false;
    this.#turns?.ended(this);
    this.#loop.stalls.clear(this);
    const isPeerToEnd = this.#hasEnded && this.failure === undefined && this.#records?.hasEnded === false;
    this.#context?.release();
    this.#handshake?.[Symbol.dispose]();
    this.#records?.[Symbol.dispose]();
    this.#handshake = this.#records = this.#context = this.#listener = this.owner = this.#early = undefined;
    if (this.#unsent !== undefined) giveSlab(this.#unsent);
    this.#unsent = undefined;
    if (isPeerToEnd) return this.#loop.closeAfterPeer(this.fd);
    this.#loop.close(this.fd);
  }
}
