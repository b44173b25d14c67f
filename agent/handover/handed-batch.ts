/**
 * The border between what carries connections and what brings them from one agent process to the next one on its node:
 * batches of connections, which exactly one of the two processes has at any moment. Whoever brings a batch never looks
 * into it.
 */

/** Formats of {@link HandedBatch.memory} that this agent reads, the one that it writes first. Both sides say theirs before anything else. */
export const HANDOVER_FORMATS: readonly number[] = [1];

/** Connections that go with one batch: what is in it stands still meanwhile, so that the number sets the pause. */
export const CONNECTIONS_PER_BATCH = 32;
/** Sockets that go together: SCM_RIGHTS takes 253, and whoever brings a batch adds some of its own. */
export const MAX_PACKET_SOCKETS = 240;
/** Sockets of one batch: a tunnel has as many streams as this engine lets a peer open, and the kernel queues 10 packets (net.unix.max_dgram_qlen). */
export const MAX_BATCH_SOCKETS = 5 * MAX_PACKET_SOCKETS;
/** Of one batch. What connections hold is bounded by the windows of HTTP/2 and the buffers of the relay. */
export const MAX_BATCH_BYTES = 256 * 1024 * 1024;

/** Monotonic, and the same in all threads and processes (CLOCK_MONOTONIC). */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Connections that have left the old process and have not arrived in the new one. */
export interface HandedBatch {
  /**
   * All that there is to know of them, the keys of their TLS connections among it, in sealed memory without a name: never
   * on a disk or in a log. A descriptor of the process that has the batch: whoever brings the batch closes it in the old
   * one once it was sent, the sink in the new one from {@link HandoverSink.prepare} on. Names sockets by their place in
   * `fds`.
   */
  readonly memory: number;
  /** Length of the memory. */
  readonly bytes: number;
  /**
   * Their sockets, as numbers of the process that has the batch. In the old process they stay the source's: to be sent,
   * never to be closed. In the new one they are the sink's from {@link HandoverSink.prepare} on.
   */
  readonly fds: readonly number[];
  /** How many connections of applications are in it; 0 is possible, for a tunnel without any. */
  readonly connections: number;
}

/** Why connections stay in the old process, which serves them until they end. */
export type StayReason =
  /** Something of it is under way that can not move: a handshake, a dial, an answer that is waited for. */
  | 'unsettled'
  /** A tunnel through this process as a gateway. */
  | 'nested'
  /** The kernel carries a part of it past the agent. */
  | 'accelerated'
  /** It has ended, and only its last bytes are to leave. */
  | 'ending'
  /** The next agent did not take it. */
  | 'refused'
  /** More sockets or bytes than one batch has room for. */
  | 'too-large'
  /** It could move, and nobody has taken it. */
  | 'untaken';

export type NextBatch =
  /** `frozenAtMs`: since when it stands still, by {@link machineMs}. */
  | { readonly kind: 'batch'; readonly batch: HandedBatch; readonly tunnels: number; readonly frozenAtMs: number }
  /** All that is left is unsettled: worth another question in some milliseconds, until the caller's patience ends. */
  | { readonly kind: 'later' }
  /** Nothing of what is left will ever move. */
  | { readonly kind: 'none-left' };

/** What is to be known of who takes. */
export interface Taker {
  /** Of one batch. */
  readonly sockets: number;
  /** Whether it knows of sockets that are reset when they are closed, and ends those in order that it ends. */
  readonly resets: boolean;
}

/** Connections that stay, by reason. */
export type Staying = Readonly<Partial<Record<StayReason, number>>>;

/**
 * The old process: gives its connections away. One batch at a time: what `next` gave must be committed or rolled back
 * before the next `next`. Meanwhile nothing is read from or written to its sockets.
 */
export interface HandoverSource {
  /** Somebody else may take now, or the same one who knows more by now: what was refused before is offered anew, and rehearsals begin anew. @throws LandbridgeError once the data plane has ended */
  begin(): Promise<void>;
  /**
   * The next rehearsal, of at most so many sockets: a batch of connections that go on meanwhile and stay here, as much like
   * those that follow as any. Undefined where both sides have done often enough what they are about to do.
   * @throws LandbridgeError once the data plane has ended
   */
  rehearse(sockets: number): Promise<HandedBatch | undefined>;
  /** Takes up to `limit` connections out of the data path; a tunnel goes with all of its own, however many, up to the sockets that the taker takes. @throws LandbridgeError once the data plane has ended, or where there is no memory for it */
  next(limit: number, taker: Taker): Promise<NextBatch>;
  /**
   * The new process has them: closes the copies of their sockets without a word to their peers, and erases their keys, before
   * anything that is asked of this source from now on. @throws LandbridgeError once the data plane has ended
   */
  commit(batch: HandedBatch): Promise<void>;
  /**
   * Nobody else has them, or ever will: they go on here. `why`: `again` offers them to the next one who asks; `refused`
   * offers each alone once more, and then not again before the next {@link begin}.
   */
  rollback(batch: HandedBatch, why: 'again' | 'refused'): Promise<void>;
  /** All that is here at this moment, between two batches. @throws LandbridgeError once the data plane has ended */
  staying(): Promise<Staying>;
}

/** A batch in the new process whose objects are made and whose sockets nobody has touched. Opaque. */
export interface PreparedBatch {
  readonly connections: number;
  /** Connections between nodes in it. */
  readonly tunnels: number;
}

/** Where the word is given by which a batch is this process' own: `take` of this number. */
export interface TakeWord {
  /** A descriptor of this process, which stays its owner's. */
  readonly channel: number;
  readonly number: number;
}

export type Taken =
  /** Since `atMs`, by {@link machineMs}. */
  | { readonly kind: 'started'; readonly batch: PreparedBatch; readonly atMs: number }
  /** The word was not given: whose the batch is must be found out. */
  | { readonly kind: 'unsaid'; readonly prepared: PreparedBatch }
  | { readonly kind: 'refused'; readonly reason: string };

export type Prepared = { readonly kind: 'prepared'; readonly prepared: PreparedBatch } | { readonly kind: 'refused'; readonly reason: string };

/** The new process: takes connections over. */
export interface HandoverSink {
  /**
   * Reads a batch and makes its objects, without any input or output on its sockets. Memory and sockets are the sink's from
   * now on: it has closed them where it refuses. Not before the data plane was told of all pods, policies and roots.
   */
  prepare(batch: HandedBatch): Promise<Prepared>;
  /**
   * Prepares a batch, gives the word that takes it, and starts: in one go, as its connections stand still. The word is what
   * counts, and nothing is done with the batch before it was given.
   */
  take(batch: HandedBatch, word: TakeWord): Promise<Taken>;
  /** The batch is ours after all: policies are asked once more, and traffic goes on. Since when, by {@link machineMs}. */
  start(prepared: PreparedBatch): Promise<number>;
  /** The old process goes on with them: closes the copies of the sockets, without a word to their peers. */
  discard(prepared: PreparedBatch): Promise<void>;
}
