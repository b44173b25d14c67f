import { LandbridgeError } from '@landbridge/core/errors.ts';
import { sealedMemory } from '@landbridge/native/sealed-memory.ts';
import { setResetOnClose } from '@landbridge/native/stream-socket.ts';
import { machineMs, MAX_BATCH_BYTES, MAX_BATCH_SOCKETS, MAX_PACKET_SOCKETS, type Staying, type StayReason, type Taker } from '../handover/handed-batch.ts';
import { BatchWriter } from '../handover/handed-state.ts';
import { isTunnel, type Movable, type MovableKind } from '../handover/movable.ts';
import type { DataThread } from './data-thread.ts';
import type { HandoverOutcome, ToThread } from './thread-messages.ts';

/** What may cut connections, or needs all of them: to be done once it is known whose they are. A batch is away for a fraction of a second. */
const DEFERRED: ReadonlySet<ToThread['kind']> = new Set(['pod-gone', 'trust', 'policies', 'drain', 'stop']);

/** Of each kind: what is compiled is so after a few hundred calls. */
const REHEARSALS = 2;
/** Connections of a kind: fewer stand still for a moment only, however new the code is. */
const WORTH_REHEARSING = 32;
/** What connections have queued is more of it than what takes time. */
const MAX_REHEARSAL_BYTES = 1024 * 1024;

const sumOf = (movables: readonly Movable[]): number => movables.reduce((sum, { connections }) => sum + connections, 0);

/** The old process' half of a hand-over, for the connections of one data thread. */
export class ThreadHandover {
  readonly #thread: DataThread;
  /** On their way: one batch at a time. */
  #frozen: readonly Movable[] = [];
  #deferred: ToThread[] = [];
  /** Were in a batch that was refused: each is offered once more, alone, as it may have been for another one's sake. */
  #suspects = new WeakSet<Movable>();
  #refused = new WeakSet<Movable>();
  readonly #tooLarge = new WeakSet<Movable>();
  /** How often what kind was rehearsed. */
  readonly #rehearsals = new Map<MovableKind, number>();
  #mostSockets = MAX_BATCH_SOCKETS;

  constructor(thread: DataThread) {
    this.#thread = thread;
  }

  /** Whether a message waits until the batch under way has come to its end. */
  defers(message: ToThread): boolean {
    if (this.#frozen.length === 0 || !DEFERRED.has(message.kind)) return false;
    this.#deferred.push(message);
    return true;
  }

  /** Whoever refused something may be gone, or know by now what it did not know. */
  begin(): void {
    this.#rehearsals.clear();
    this.#suspects = new WeakSet();
    this.#refused = new WeakSet();
  }

  /**
   * What is about to be done with all connections of a kind, done before with some of them, which go on: code that has never
   * run takes several times as long, and so would their pause.
   */
  rehearse(mostSockets: number): HandoverOutcome {
    this.#mostSockets = mostSockets;
    for (const [kind, movables] of this.#byKind()) {
      const often = this.#rehearsals.get(kind) ?? 0;
      if (often === REHEARSALS || sumOf(movables) < WORTH_REHEARSING) continue;
      this.#rehearsals.set(kind, often + 1);
      return this.#rehearsalOf(movables);
    }
    return { kind: 'none-left' };
  }

  #byKind(): ReadonlyMap<MovableKind, readonly Movable[]> {
    const kinds = new Map<MovableKind, Movable[]>();
    for (const movable of this.#thread.movables()) {
      if (this.#whyStays(movable) !== undefined || movable.connections === 0) continue;
      const those = kinds.get(movable.kind);
      if (those === undefined) kinds.set(movable.kind, [movable]);
      else those.push(movable);
    }
    return kinds;
  }

  /** Nothing of it is read or written while this thread does this. */
  #rehearsalOf(movables: readonly Movable[]): HandoverOutcome {
    const writer = new BatchWriter();
    let [connections, sockets] = [0, 0];
    // Those with the fewest connections: nobody else has a turn meanwhile.
    for (const movable of movables.toSorted((a, b) => a.connections - b.connections)) {
      if (connections >= WORTH_REHEARSING || writer.size > MAX_REHEARSAL_BYTES || sockets + movable.sockets > this.#mostSockets) break;
      writer.add(movable.handed);
      connections += movable.connections;
      sockets += movable.sockets;
    }
    const { parts, size: bytes, fds } = writer.batch();
    try {
      return { kind: 'rehearsal', memory: sealedMemory(parts).release(), bytes, fds, connections };
    } catch (thrown) {
      return { kind: 'failed', reason: LandbridgeError.from(thrown).message };
    } finally {
      writer.clear();
    }
  }

  /** Up to `limit` connections, as the taker takes them. */
  next(limit: number, taker: Taker): HandoverOutcome {
    this.#mostSockets = taker.sockets;
    // Whoever asks anew has lost count of the last batch: nobody else has it.
    if (this.#frozen.length > 0) this.rollback('again');
    const { taken, isAnyUnsettled } = this.#choose(limit);
    if (taken.length === 0) return { kind: isAnyUnsettled ? 'later' : 'none-left' };
    return this.#freeze(taken, taker);
  }

  /** All that is here, by why; between two batches. */
  staying(): Staying {
    const staying: Partial<Record<StayReason, number>> = {};
    for (const movable of this.#thread.movables()) {
      if (movable.connections === 0) continue;
      const stays = this.#whyStays(movable) ?? 'untaken';
      staying[stays] = (staying[stays] ?? 0) + movable.connections;
    }
    return staying;
  }

  #choose(limit: number): { readonly taken: readonly Movable[]; readonly isAnyUnsettled: boolean } {
    const taken: Movable[] = [];
    let [weights, sockets, isAnyUnsettled] = [0, 0, this.#thread.isShakingHands];
    for (const movable of this.#thread.movables()) {
      const stays = this.#whyStays(movable);
      if (stays !== undefined) {
        if (stays === 'unsettled') isAnyUnsettled = true;
        continue;
      }
      const isSuspect = this.#suspects.has(movable);
      // A tunnel takes as long as one more connection.
      const weight = movable.connections + Number(isTunnel(movable));
      if (taken.length > 0 && (isSuspect || weights + weight > limit || sockets + movable.sockets > MAX_PACKET_SOCKETS)) continue;
      taken.push(movable);
      weights += weight;
      sockets += movable.sockets;
      if (isSuspect || weights >= limit) break;
    }
    return { taken, isAnyUnsettled };
  }

  #whyStays(movable: Movable): StayReason | undefined {
    if (this.#refused.has(movable)) return 'refused';
    return movable.sockets > this.#mostSockets || this.#tooLarge.has(movable) ? 'too-large' : movable.stays;
  }

  #freeze(taken: readonly Movable[], taker: Taker): HandoverOutcome {
    const frozenAtMs = machineMs();
    const writer = new BatchWriter();
    const frozen: Movable[] = [];
    let [connections, tunnels] = [0, 0];
    for (const movable of taken) {
      movable.freeze();
      const { handed } = movable;
      writer.add(handed);
      frozen.push(movable);
      if (isTunnel(movable)) tunnels++;
      connections += movable.connections;
      // What follows goes with the next batch.
      if (writer.size > MAX_BATCH_BYTES / 2) break;
    }
    this.#frozen = frozen;
    const { parts, size: bytes, fds } = writer.batch();
    // Where it ends a connection bytes that are unsent would be lost; thawed here they are as they were.
    if (!taker.resets) for (const fd of fds) setResetOnClose(fd, false);
    try {
      if (bytes <= MAX_BATCH_BYTES) return { kind: 'batch', memory: sealedMemory(parts).release(), bytes, fds, connections, tunnels, frozenAtMs };
    } catch (thrown) {
      this.rollback('again');
      return { kind: 'failed', reason: LandbridgeError.from(thrown).message };
    } finally {
      writer.clear();
    }
    for (const movable of frozen) this.#tooLarge.add(movable);
    this.rollback('again');
    return this.next(connections, taker);
  }

  commit(): void {
    for (const movable of this.#frozen) movable.leave();
    this.#goOn();
  }

  rollback(why: 'again' | 'refused'): void {
    for (const movable of this.#frozen) {
      if (why === 'refused' && (this.#frozen.length === 1 || this.#suspects.has(movable))) this.#refused.add(movable);
      else if (why === 'refused') this.#suspects.add(movable);
      movable.thaw();
    }
    this.#goOn();
  }

  #goOn(): void {
    this.#frozen = [];
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const message of deferred) this.#thread.handle(message);
  }
}
