import type { Logger } from 'pino';
import type { LineBatch } from '../line-batch.ts';
import { LineLimit } from '../line-limit.ts';
import { metrics } from '../metrics.ts';
import type { Carriage, ConnectionEnd, ConnectionTuning, TrafficLabels } from './thread-messages.ts';

/** Lines that one source gets for connections that were refused before anything was dialled. */
export const REFUSAL_LINES = { burst: 1, perSecond: 1 } as const;
/** Lines that one source gets for connections that failed without a byte. */
export const FAILURE_LINES = { burst: 20, perSecond: 1 } as const;
/** Lines that say how many lines are missing: one in this time. */
const OVERFLOW_LINE_MS = 10_000;

/** Lines that are written before others get their turn: the thread that writes them decides where connections go. */
export const LINES_PER_TURN = 500;
/** Ends that wait for their turn; more are counted only. */
export const MAX_WAITING_ENDS = 100_000;

const TUNNEL: Readonly<Record<Carriage, string>> = { hbone: 'hbone', 'double-hbone': 'double-hbone', local: 'local', plain: 'none' };

/** Ends of one report. */
interface Waiting {
  readonly ends: readonly ConnectionEnd[];
  readonly labelsOf: (series: number) => TrafficLabels;
  readonly nowMs: number;
  next: number;
}

/**
 * The access log: one line for each connection when it ends. Names and order of the fields are those of ztunnel's
 * access log, with `tunnel` and `trace_id` as ours. What is empty is left out.
 */
export class ConnectionLog {
  readonly #log: Logger;
  readonly #batch: LineBatch | undefined;
  readonly #refusals = new LineLimit(REFUSAL_LINES);
  readonly #failures = new LineLimit(FAILURE_LINES);
  #waiting: Waiting[] = [];
  #waitingEnds = 0;
  #turn: NodeJS.Immediate | undefined;
  #overflow = 0;
  #nextOverflowMs = 0;
  mode: ConnectionTuning['accessLog'];

  /** `batch`: the destination of `log`, where it is one. */
  constructor(log: Logger, mode: ConnectionTuning['accessLog'], batch?: LineBatch) {
    this.#log = log.child({ scope: 'access' });
    this.mode = mode;
    this.#batch = batch;
  }

  /** What a thread's report tells of connections that ended. To be called with every report, also an empty one. */
  write(ends: readonly ConnectionEnd[], dropped: number, labelsOf: (series: number) => TrafficLabels, nowMs: number): void {
    const isFull = this.#waitingEnds + ends.length > MAX_WAITING_ENDS;
    const lost = dropped + (isFull ? ends.length : 0);
    if (lost > 0) metrics.accessLogDropped.inc({ cause: 'overflow' }, lost);
    if (!isFull && ends.length > 0) {
      this.#waiting.push({ ends, labelsOf, nowMs, next: 0 });
      this.#waitingEnds += ends.length;
    }
    if (this.#turn === undefined) this.#takeTurn();
    this.#tellOverflow(lost, nowMs);
    this.#tellSuppressed(nowMs);
  }

  /** Writes all that waits. */
  flush(): void {
    while (this.#waiting.length > 0) this.#writeWaiting();
  }

  #takeTurn(): void {
    this.#turn = undefined;
    this.#writeWaiting();
    if (this.#waiting.length > 0) this.#turn = setImmediate(() => this.#takeTurn());
  }

  #writeWaiting(): void {
    const work = (): void => {
      let left = LINES_PER_TURN;
      for (let waiting = this.#waiting[0]; waiting !== undefined && left > 0; waiting = this.#waiting[0]) {
        const { ends, labelsOf, nowMs } = waiting;
        const until = Math.min(ends.length, waiting.next + left);
        left -= until - waiting.next;
        this.#waitingEnds -= until - waiting.next;
        for (; waiting.next < until; waiting.next++) {
          const end = ends[waiting.next] as ConnectionEnd;
          if (this.mode !== 'off') this.#writeEnd(end, labelsOf(end.series), nowMs);
        }
        if (until === ends.length) this.#waiting.shift();
      }
    };
    if (this.#batch === undefined) work();
    else this.#batch.together(work);
  }

  #writeEnd(end: ConnectionEnd, labels: TrafficLabels, nowMs: number): void {
    if (end.error === undefined) {
      if (this.mode === 'all' && this.#log.isLevelEnabled('info')) this.#log.info(fieldsOf(end, labels), 'connection complete');
      return;
    }
    const isRefused = isRefusal(end, labels);
    if (!this.#log.isLevelEnabled(isRefused ? 'warn' : 'error')) return;
    let suppressed: number | undefined = 0;
    // Any pod can dial what does not exist or is denied as fast as it likes; a connection that carried something was worth its line.
    if (end.sentBytes + end.receivedBytes === 0) suppressed = (isRefused ? this.#refusals : this.#failures).take(end.sourceAddress.slice(0, end.sourceAddress.lastIndexOf(':')), nowMs);
    if (suppressed === undefined) return metrics.accessLogDropped.inc({ cause: 'repeated' });
    const fields = suppressed === 0 ? fieldsOf(end, labels) : { ...fieldsOf(end, labels), suppressed };
    if (isRefused) this.#log.warn(fields, 'connection failed');
    else this.#log.error(fields, 'connection complete');
  }

  #tellSuppressed(nowMs: number): void {
    for (const limit of [this.#refusals, this.#failures]) {
      for (const [source, suppressed] of limit.quiet(nowMs)) if (this.mode !== 'off') this.#log.warn({ 'src.addr': source, suppressed }, 'further connections failed');
    }
  }

  #tellOverflow(dropped: number, nowMs: number): void {
    this.#overflow += dropped;
    if (this.#overflow === 0 || nowMs < this.#nextOverflowMs) return;
    if (this.mode !== 'off') this.#log.warn({ lines: this.#overflow }, 'the access log lacks connections: too many ended at once');
    this.#overflow = 0;
    this.#nextOverflowMs = nowMs + OVERFLOW_LINE_MS;
  }
}

/** Whether nobody was found to dial, inside the mesh or outside: what ztunnel calls an early refusal. */
function isRefusal({ hboneAddress, sentBytes, receivedBytes }: ConnectionEnd, { direction, carriage, destination }: TrafficLabels): boolean {
  return direction === 'outbound' && carriage === 'plain' && destination.workload === '' && hboneAddress === undefined && sentBytes + receivedBytes === 0;
}

/** Always the same keys in the same order; pino leaves out what is undefined. */
function fieldsOf(end: ConnectionEnd, { direction, carriage, source, destination, service }: TrafficLabels): Record<string, string | number | undefined> {
  const isOutbound = direction === 'outbound';
  return {
    'src.addr': end.sourceAddress,
    'src.workload': filled(source.workload),
    'src.namespace': filled(source.namespace),
    'src.identity': end.sourceIdentity,
    'src.cluster': filled(source.cluster),
    'dst.addr': end.destinationAddress,
    'dst.hbone_addr': end.hboneAddress,
    'dst.service': service?.hostname,
    'dst.workload': filled(destination.workload),
    'dst.namespace': filled(destination.namespace),
    'dst.identity': end.destinationIdentity,
    'dst.cluster': filled(destination.cluster),
    direction,
    tunnel: TUNNEL[carriage],
    trace_id: end.traceId,
    // As the pod of this node sees them.
    bytes_sent: isOutbound ? end.sentBytes : end.receivedBytes,
    bytes_recv: isOutbound ? end.receivedBytes : end.sentBytes,
    duration: `${Math.trunc(end.durationMs)}ms`,
    error: end.error,
  };
}

function filled(text: string): string | undefined {
  return text === '' ? undefined : text;
}
