/**
 * One JetStream push consumer over the bucket, from its making to its first fault. Nothing is repaired here: after a gap, missed
 * heartbeats or a reader that is too slow it ends, and the caller makes another from the last revision that it has read.
 */
import { AckPolicy, type ConsumerConfig, DeliverPolicy, type JetStreamManager, ReplayPolicy } from '@nats-io/jetstream';
import { createInbox, type Msg, nanos, nuid } from '@nats-io/transport-node';
import { BUCKET } from './bus.ts';
import type { Session } from './nats-link.ts';

export const STREAM = `KV_${BUCKET}`;
export const SUBJECT_PREFIX = `$KV.${BUCKET}.`;
/** Set on the markers that NATS writes for a deleted or purged key (ADR-8). */
export const OPERATION_HEADER = 'KV-Operation';

export interface DeliveryOptions {
  readonly filter: string;
  /** First revision to deliver; undefined for the last value of every key. */
  readonly from: number | undefined;
  readonly inboxPrefix: string | undefined;
  readonly heartbeatMs: number;
  /** For which the way to the hub may be silent, whatever the heartbeats are. */
  readonly patienceMs: () => number;
}

export interface Delivered {
  readonly key: string;
  /** Undefined for a deletion. */
  readonly value: Uint8Array | undefined;
  readonly revision: number;
}

export interface Ended {
  readonly ended: string;
  /** Nothing came any more: perhaps not for this consumer alone. */
  readonly isSilent: boolean;
}

/** Unread entries; more than that and the delivery ends. */
const MAX_QUEUED = 4096;
const MAX_QUEUED_BYTES = 32 * 1024 * 1024;
/** The server removes a consumer that nobody listens to. */
const INACTIVE_MS = 30_000;
/** One may be missed: a consumer goes without a word when the server of the hub that has it does. */
const SILENT_HEARTBEATS = 2.25;
const LOOKS_PER_HEARTBEAT = 4;

export class BucketDelivery {
  readonly #options: DeliveryOptions;
  readonly #queue: Delivered[] = [];
  #queuedBytes = 0;
  #sequence = 0;
  #heardMs = performance.now();
  #isCurrent = false;
  #isSilent = false;
  #ended: string | undefined;
  #changed = Promise.withResolvers<void>();
  #release: () => Promise<void> = async () => undefined;

  private constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  static async open(session: Session, jsm: JetStreamManager, options: DeliveryOptions): Promise<BucketDelivery> {
    const delivery = new BucketDelivery(options);
    const inbox = createInbox(options.inboxPrefix);
    const subscription = session.connection.subscribe(inbox, { callback: (error, message) => delivery.#take(error, message) });
    const onLost = (): void => delivery.#end('the connection was lost');
    session.lost.addEventListener('abort', onLost, { once: true });
    const name = `watch_${nuid.next()}`;
    const timer = setInterval(() => delivery.#checkHeartbeat(), options.heartbeatMs / LOOKS_PER_HEARTBEAT);
    // A reader that went away without a word must not keep the process alive.
    timer.unref();
    delivery.#release = async () => {
      clearInterval(timer);
      session.lost.removeEventListener('abort', onLost);
      subscription.unsubscribe();
      // Without this the server would remove it a little later.
      if (!session.lost.aborted) await jsm.consumers.delete(STREAM, name).catch(() => undefined);
    };
    try {
      const info = await jsm.consumers.add(STREAM, consumerConfig(name, inbox, options));
      if (info.num_pending === 0) delivery.#isCurrent = true;
      delivery.#heardMs = performance.now();
      return delivery;
    } catch (thrown) {
      await delivery[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** The next entry; `current` when all that was there has been read; `ended` with the reason when no more will come. Waits for one of them. */
  async next(current: boolean, signal: AbortSignal): Promise<Delivered | 'current' | Ended> {
    for (;;) {
      const entry = this.#queue.shift();
      if (entry !== undefined) {
        this.#queuedBytes -= entry.value?.length ?? 0;
        return entry;
      }
      if (this.#isCurrent && !current) return 'current';
      if (this.#ended !== undefined) return { ended: this.#ended, isSilent: this.#isSilent };
      if (signal.aborted) return { ended: 'aborted', isSilent: false };
      const changed = Promise.withResolvers<void>();
      this.#changed = changed;
      const wake = (): void => changed.resolve();
      signal.addEventListener('abort', wake, { once: true });
      await changed.promise;
      // One for each entry would be left, and each new one is compared with all of them.
      signal.removeEventListener('abort', wake);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end('closed');
    await this.#release();
  }

  #take(error: Error | null, message: Msg): void {
    if (this.#ended !== undefined) return;
    if (error !== null) return this.#end(error.message);
    this.#heardMs = performance.now();
    if (!message.subject.startsWith(SUBJECT_PREFIX)) return this.#takeStatus(message);
    const info = parseDeliveryInfo(message.reply ?? '');
    if (info === undefined) return this.#end('a message without delivery information');
    if (info.sequence !== this.#sequence + 1) return this.#end('a message was lost');
    this.#sequence = info.sequence;
    // What the socket read at once is one piece of memory, and would be kept for as long as one message of it waits.
    const value = message.headers?.has(OPERATION_HEADER) ? undefined : new Uint8Array(message.data);
    this.#queue.push({ key: message.subject.slice(SUBJECT_PREFIX.length), value, revision: info.revision });
    this.#queuedBytes += value?.length ?? 0;
    if (info.pending === 0) this.#isCurrent = true;
    if (this.#queue.length > MAX_QUEUED || this.#queuedBytes > MAX_QUEUED_BYTES) this.#end('the reader is slow');
    this.#changed.resolve();
  }

  /** Heartbeats come only when nothing is left to deliver. All other status messages tell that the consumer is gone. */
  #takeStatus(message: Msg): void {
    if (message.headers?.code !== 100) return this.#end(message.headers?.description || 'unexpected message');
    const last = Number(message.headers.get('Nats-Last-Consumer') || '0');
    if (last !== this.#sequence) return this.#end('a message was lost');
    this.#isCurrent = true;
    this.#changed.resolve();
  }

  #checkHeartbeat(): void {
    if (this.#ended !== undefined || performance.now() - this.#heardMs <= this.#silenceMs) return;
    this.#isSilent = true;
    this.#end('heartbeats are missing');
  }

  get #silenceMs(): number {
    return Math.max(SILENT_HEARTBEATS * this.#options.heartbeatMs, this.#options.patienceMs());
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    this.#changed.resolve();
  }
}

function consumerConfig(name: string, inbox: string, options: DeliveryOptions): Partial<ConsumerConfig> {
  return {
    name,
    deliver_subject: inbox,
    filter_subject: `${SUBJECT_PREFIX}${options.filter}`,
    ...(options.from === undefined ? { deliver_policy: DeliverPolicy.LastPerSubject } : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: options.from }),
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    idle_heartbeat: nanos(options.heartbeatMs),
    inactive_threshold: nanos(INACTIVE_MS),
    mem_storage: true,
    num_replicas: 1,
  };
}

interface DeliveryInfo {
  /** Counts the messages of the consumer, from 1. */
  readonly sequence: number;
  readonly revision: number;
  /** Messages that were left to deliver after this one. */
  readonly pending: number;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or with `<domain>.<account>` after `ACK`
 * and, perhaps, further tokens at the end (ADR-15).
 */
export function parseDeliveryInfo(reply: string): DeliveryInfo | undefined {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || (tokens.length !== 9 && tokens.length < 11)) return undefined;
  const at = tokens.length === 9 ? 5 : 7;
  const [revision, sequence, , pending] = tokens.slice(at, at + 4).map(Number) as [number, number, number, number];
  return [revision, sequence, pending].every(Number.isSafeInteger) ? { revision, sequence, pending } : undefined;
}
