/** A hand-over as the main thread sees it: the batches of all data threads, one after the other. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { HandedBatch, HandoverSink, HandoverSource, NextBatch, Prepared, PreparedBatch, Staying, StayReason, Taken, Taker, TakeWord } from '../handover/handed-batch.ts';
import type { DataPlane, Urgency } from './data-plane.ts';
import type { HandoverOutcome, ToThread } from './thread-messages.ts';

async function ask(plane: DataPlane, thread: number, question: (id: number) => ToThread, urgency: Urgency = {}): Promise<{ readonly id: number; readonly outcome: HandoverOutcome }> {
  const reply = await plane.askThread(thread, question, urgency);
  if (reply.kind !== 'handover') throw new LandbridgeError('internal', `a data thread answered with ${reply.kind}`);
  return reply;
}

/** What is asked while connections wait for the answer: those of a batch, or all of a thread that rehearses. Their state is whole at the end of a round only. */
const LEAVING: Urgency = { first: true };
/** What comes is no part of the round yet. */
const ARRIVING: Urgency = { first: true, interrupts: true };

/** Connections that this process gives away. */
export class PlaneSource implements HandoverSource {
  readonly #plane: DataPlane;
  /** Whose batch is on its way. */
  readonly #threadOf = new WeakMap<HandedBatch, number>();
  /** Who gave last: may have more, which the others may not. */
  #giving = 0;
  /** The first one that has not rehearsed often enough. */
  #rehearsing = 0;

  constructor(plane: DataPlane) {
    this.#plane = plane;
  }

  async begin(): Promise<void> {
    this.#rehearsing = 0;
    for (let thread = 0; thread < this.#plane.threads; thread++) await ask(this.#plane, thread, (id) => ({ kind: 'handover-begin', id }));
  }

  /** Of one thread after the other. */
  async rehearse(sockets: number): Promise<HandedBatch | undefined> {
    for (; this.#rehearsing < this.#plane.threads; this.#rehearsing++) {
      const { outcome } = await ask(this.#plane, this.#rehearsing, (id) => ({ kind: 'handover-rehearse', id, sockets }), LEAVING);
      if (outcome.kind === 'failed') throw new LandbridgeError('bad-handover', outcome.reason);
      if (outcome.kind !== 'rehearsal') continue;
      const { memory, bytes, fds, connections } = outcome;
      return { memory, bytes, fds, connections };
    }
    return undefined;
  }

  async next(limit: number, taker: Taker): Promise<NextBatch> {
    let isAnyUnsettled = false;
    for (let i = 0; i < this.#plane.threads; i++) {
      const thread = (this.#giving + i) % this.#plane.threads;
      const { outcome } = await ask(this.#plane, thread, (id) => ({ kind: 'handover-next', id, limit, taker }), LEAVING);
      if (outcome.kind === 'batch') {
        this.#giving = thread;
        const { memory, bytes, fds, connections, tunnels, frozenAtMs } = outcome;
        const batch: HandedBatch = { memory, bytes, fds, connections };
        this.#threadOf.set(batch, thread);
        return { kind: 'batch', batch, tunnels, frozenAtMs };
      }
      if (outcome.kind === 'failed') throw new LandbridgeError('bad-handover', outcome.reason);
      if (outcome.kind === 'later') isAnyUnsettled = true;
    }
    return { kind: isAnyUnsettled ? 'later' : 'none-left' };
  }

  async commit(batch: HandedBatch): Promise<void> {
    this.#plane.tellThread(this.#thread(batch), { kind: 'handover-commit' });
  }

  async rollback(batch: HandedBatch, why: 'again' | 'refused'): Promise<void> {
    await ask(this.#plane, this.#thread(batch), (id) => ({ kind: 'handover-rollback', id, why }));
  }

  async staying(): Promise<Staying> {
    const staying: Partial<Record<StayReason, number>> = {};
    for (let thread = 0; thread < this.#plane.threads; thread++) {
      const { outcome } = await ask(this.#plane, thread, (id) => ({ kind: 'handover-count', id }));
      if (outcome.kind === 'staying') add(staying, outcome.staying);
    }
    return staying;
  }

  #thread(batch: HandedBatch): number {
    const thread = this.#threadOf.get(batch);
    if (thread === undefined) throw new LandbridgeError('internal', 'a batch that is decided already, or of somebody else');
    this.#threadOf.delete(batch);
    return thread;
  }
}

function add(sum: Partial<Record<StayReason, number>>, more: Staying): void {
  for (const [reason, count] of Object.entries(more) as [StayReason, number][]) sum[reason] = (sum[reason] ?? 0) + count;
}

interface ThreadBatch extends PreparedBatch {
  readonly thread: number;
  readonly id: number;
}

const threadBatch = (thread: number, id: number, { connections, tunnels }: PreparedBatch): ThreadBatch => ({ connections, tunnels, thread, id });

const refusedBy = (outcome: HandoverOutcome): Extract<Prepared, { readonly kind: 'refused' }> => ({ kind: 'refused', reason: outcome.kind === 'refused' ? outcome.reason : 'the data thread did not say why' });

/** Connections that this process takes over, spread over its data threads. */
export class PlaneSink implements HandoverSink {
  readonly #plane: DataPlane;
  #turn = 0;

  constructor(plane: DataPlane) {
    this.#plane = plane;
  }

  async prepare({ memory, fds }: HandedBatch): Promise<Prepared> {
    const thread = this.#turn++ % this.#plane.threads;
    const { id, outcome } = await ask(this.#plane, thread, (question) => ({ kind: 'handover-prepare', id: question, memory, fds }), ARRIVING);
    return outcome.kind === 'prepared' ? { kind: 'prepared', prepared: threadBatch(thread, id, outcome) } : refusedBy(outcome);
  }

  async take({ memory, fds }: HandedBatch, word: TakeWord): Promise<Taken> {
    const thread = this.#turn++ % this.#plane.threads;
    const { id, outcome } = await ask(this.#plane, thread, (question) => ({ kind: 'handover-take', id: question, memory, fds, word }), ARRIVING);
    if (outcome.kind === 'taken') return { kind: 'started', batch: threadBatch(thread, id, outcome), atMs: outcome.atMs };
    return outcome.kind === 'prepared' ? { kind: 'unsaid', prepared: threadBatch(thread, id, outcome) } : refusedBy(outcome);
  }

  async start(prepared: PreparedBatch): Promise<number> {
    const { thread, id: of } = prepared as ThreadBatch;
    const { outcome } = await ask(this.#plane, thread, (id) => ({ kind: 'handover-start', id, prepared: of }), ARRIVING);
    if (outcome.kind !== 'started') throw new LandbridgeError('internal', `a data thread answered with ${outcome.kind}`);
    return outcome.atMs;
  }

  async discard(prepared: PreparedBatch): Promise<void> {
    const { thread, id: of } = prepared as ThreadBatch;
    await ask(this.#plane, thread, (id) => ({ kind: 'handover-discard', id, prepared: of }));
  }
}
