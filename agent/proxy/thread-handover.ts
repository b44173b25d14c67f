import { LandbridgeError } from '@landbridge/core/errors.ts';
import { sealedMemory } from '@landbridge/native/sealed-memory.ts';
import { machineMs, MAX_BATCH_BYTES, MAX_BATCH_SOCKETS, MAX_PACKET_SOCKETS, type Staying, type StayReason } from '../handover/handed-batch.ts';
import { BatchWriter } from '../handover/handed-state.ts';
import type { Movable } from '../handover/movable.ts';
import type { DataThread } from './data-thread.ts';
import type { HandoverOutcome, ToThread } from './thread-messages.ts';

/** What may cut connections, or needs all of them: to be done once it is known whose they are. A batch is away for a fraction of a second. */
const DEFERRED: ReadonlySet<ToThread['kind']> = new Set(['pod-gone', 'trust', 'policies', 'drain', 'stop']);

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
    this.#suspects = new WeakSet();
    this.#refused = new WeakSet();
  }

  /** Up to `limit` connections, of at most so many sockets. */
  next(limit: number, mostSockets: number): HandoverOutcome {
    this.#mostSockets = mostSockets;
    // Whoever asks anew has lost count of the last batch: nobody else has it.
    if (this.#frozen.length > 0) this.rollback('again');
    const { taken, isAnyUnsettled } = this.#choose(limit);
    if (taken.length === 0) return { kind: isAnyUnsettled ? 'later' : 'none-left' };
    return this.#freeze(taken);
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
    let [connections, sockets, isAnyUnsettled] = [0, 0, this.#thread.isShakingHands];
    for (const movable of this.#thread.movables()) {
      const stays = this.#whyStays(movable);
      if (stays !== undefined) {
        if (stays === 'unsettled') isAnyUnsettled = true;
        continue;
      }
      const isSuspect = this.#suspects.has(movable);
      if (taken.length > 0 && (isSuspect || connections + movable.connections > limit || sockets + movable.sockets > MAX_PACKET_SOCKETS)) continue;
      taken.push(movable);
      connections += movable.connections;
      sockets += movable.sockets;
      if (isSuspect || connections >= limit) break;
    }
    return { taken, isAnyUnsettled };
  }

  #whyStays(movable: Movable): StayReason | undefined {
    if (this.#refused.has(movable)) return 'refused';
    return movable.sockets > this.#mostSockets || this.#tooLarge.has(movable) ? 'too-large' : movable.stays;
  }

  #freeze(taken: readonly Movable[]): HandoverOutcome {
    const frozenAtMs = machineMs();
    const writer = new BatchWriter();
    const frozen: Movable[] = [];
    let [connections, tunnels] = [0, 0];
    for (const movable of taken) {
      movable.freeze();
      const { handed } = movable;
      writer.add(handed);
      frozen.push(movable);
      if ('tunnel' in handed.state) tunnels++;
      connections += movable.connections;
      // What follows goes with the next batch.
      if (writer.size > MAX_BATCH_BYTES / 2) break;
    }
    this.#frozen = frozen;
    const { parts, size: bytes, fds } = writer.batch();
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
    return this.next(connections, this.#mostSockets);
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
