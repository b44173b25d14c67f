import type { Logger } from 'pino';
import type { LineBatch } from '../line-batch.ts';
import { metrics } from '../metrics.ts';
import type { Carriage, ConnectionEnd, ConnectionTuning, TrafficLabels } from './thread-messages.ts';

/** Refused connections of one source that get a line: one in this time. */
export const REFUSAL_LINE_MS = 1000;
/** Sources that are told apart for it; further ones share a line. */
export const MAX_REFUSED_SOURCES = 4096;
/** Lines that say how many lines are missing: one in this time. */
const OVERFLOW_LINE_MS = 10_000;

/** Lines that are written before others get their turn: the thread that writes them decides where connections go. */
export const LINES_PER_TURN = 500;
/** Ends that wait for their turn; more are counted only. */
export const MAX_WAITING_ENDS = 100_000;

const TUNNEL: Readonly<Record<Carriage, string>> = { hbone: 'hbone', 'double-hbone': 'double-hbone', local: 'local', plain: 'none' };
const FURTHER_SOURCES = 'further';

/** Ends of one report. */
interface Waiting {
  readonly ends: readonly ConnectionEnd[];
  readonly labelsOf: (series: number) => TrafficLabels;
  readonly nowMs: number;
  next: number;
}

interface Refusals {
  untilMs: number;
  /** Since the last line. */
  suppressed: number;
}

/**
 * The access log: one line for each connection when it ends. Names and order of the fields are those of ztunnel's
 * access log, with `tunnel` and `trace_id` as ours. What is empty is left out.
 */
export class ConnectionLog {
  readonly #log: Logger;
  readonly #batch: LineBatch | undefined;
  readonly #refused = new Map<string, Refusals>();
  #waiting: Waiting[] = [];
  #waitingEnds = 0;
  #turn: NodeJS.Immediate | undefined;
  #nextSweepMs = 0;
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
    } else if (isRefusal(end)) {
      this.#writeRefusal(end, labels, nowMs);
    } else if (this.#log.isLevelEnabled('error')) this.#log.error(fieldsOf(end, labels), 'connection complete');
  }

  /** Any pod can dial what does not exist as fast as it likes. */
  #writeRefusal(end: ConnectionEnd, labels: TrafficLabels, nowMs: number): void {
    if (!this.#log.isLevelEnabled('warn')) return;
    let source = end.sourceAddress.slice(0, end.sourceAddress.lastIndexOf(':'));
    let refusals = this.#refused.get(source);
    if (refusals === undefined && this.#refused.size >= MAX_REFUSED_SOURCES) {
      source = FURTHER_SOURCES;
      refusals = this.#refused.get(source);
    }
    if (refusals === undefined) this.#refused.set(source, (refusals = { untilMs: 0, suppressed: 0 }));
    if (nowMs < refusals.untilMs) {
      refusals.suppressed++;
      metrics.accessLogDropped.inc({ cause: 'repeated' });
      return;
    }
    const { suppressed } = refusals;
    refusals.untilMs = nowMs + REFUSAL_LINE_MS;
    refusals.suppressed = 0;
    this.#log.warn(suppressed === 0 ? fieldsOf(end, labels) : { ...fieldsOf(end, labels), suppressed }, 'connection failed');
  }

  /** A source that went quiet gets its last count too. */
  #tellSuppressed(nowMs: number): void {
    if (nowMs < this.#nextSweepMs) return;
    this.#nextSweepMs = nowMs + REFUSAL_LINE_MS;
    for (const [source, refusals] of this.#refused) {
      if (nowMs < refusals.untilMs) continue;
      if (refusals.suppressed === 0) {
        this.#refused.delete(source);
        continue;
      }
      if (this.mode !== 'off') this.#log.warn({ 'src.addr': source, suppressed: refusals.suppressed }, 'further connections failed');
      refusals.untilMs = nowMs + REFUSAL_LINE_MS;
      refusals.suppressed = 0;
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

/** Whether nothing was dialled: an error without a response flag, as no response was sought. */
function isRefusal({ flag, error }: ConnectionEnd): boolean {
  return flag === '-' && error !== undefined;
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
