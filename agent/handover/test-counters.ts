/**
 * A service that answers each byte with a number, the next one of its connection: as a source and a sink of a hand-over, by
 * which a number that is lost or told twice is seen from outside.
 */
import { nativeMemory } from '@landbridge/native/memory.ts';
import { MappedMemory, sealedMemory } from '@landbridge/native/sealed-memory.ts';
import { accept, close, EAGAIN, lastErrno, receive, send } from '@landbridge/native/stream-socket.ts';
import { type HandedBatch, type HandoverSink, type HandoverSource, machineMs, type NextBatch, type Prepared, type PreparedBatch, type Staying, type Taken, type TakeWord } from './handed-batch.ts';
import { sendPacket } from './handover-channel.ts';

const PUMP_MS = 1;
/** Connections of a rehearsal. */
const REHEARSED = 8;
const asked = nativeMemory(64);
const answer = nativeMemory(4);

function stateOf(numbers: readonly number[]): Pick<HandedBatch, 'memory' | 'bytes'> {
  const text = Buffer.from(JSON.stringify(numbers));
  return { memory: sealedMemory([text]).release(), bytes: text.length };
}

interface PreparedCounters extends PreparedBatch {
  readonly counters: ReadonlyMap<number, number>;
}

export class Counters implements HandoverSource, HandoverSink, Disposable {
  /** The next number of each socket that runs here. */
  readonly #counters = new Map<number, number>();
  readonly #refused = new Set<number>();
  /** Of the batch that stands still. */
  #frozen = new Map<number, number>();
  #hasRehearsed = false;
  #listener = -1;
  readonly #pump = setInterval(() => this.#run(), PUMP_MS);
  /** Before a batch is prepared. */
  prepareMs = 0;
  refuses = false;
  /** Before each step of what takes a batch. */
  onStep: ((step: { readonly kind: 'preparing' | 'saying' | 'starting'; readonly number: number }) => void) | undefined;

  get size(): number {
    return this.#counters.size;
  }

  listen(fd: number): void {
    this.#listener = fd;
  }

  #run(): void {
    for (let fd = this.#listener < 0 ? -1 : accept(this.#listener); fd >= 0; fd = accept(this.#listener)) this.#counters.set(fd, 0);
    for (const [fd, next] of [...this.#counters]) {
      const count = receive(fd, asked.address, asked.bytes.length);
      if (count === 0 || (count < 0 && lastErrno() !== EAGAIN)) this.#end(fd);
      for (let i = 0; i < count; i++) {
        answer.bytes.writeUInt32LE(next + i);
        send(fd, answer.address, answer.bytes.length);
        this.#counters.set(fd, next + i + 1);
      }
    }
  }

  #end(fd: number): void {
    this.#counters.delete(fd);
    close(fd);
  }

  async begin(): Promise<void> {
    this.#refused.clear();
    this.#hasRehearsed = false;
  }

  /** Once, of what the next batch has. */
  async rehearse(): Promise<HandedBatch | undefined> {
    if (this.#hasRehearsed) return undefined;
    this.#hasRehearsed = true;
    const counters = [...this.#counters].slice(0, REHEARSED);
    return { ...stateOf(counters.map(([, next]) => next)), fds: counters.map(([fd]) => fd), connections: counters.length };
  }

  async next(limit: number): Promise<NextBatch> {
    const frozenAtMs = machineMs();
    this.#frozen = new Map([...this.#counters].filter(([fd]) => !this.#refused.has(fd)).slice(0, limit));
    if (this.#frozen.size === 0) return { kind: 'none-left' };
    for (const fd of this.#frozen.keys()) this.#counters.delete(fd);
    return { kind: 'batch', batch: { ...stateOf([...this.#frozen.values()]), fds: [...this.#frozen.keys()], connections: this.#frozen.size }, tunnels: 0, frozenAtMs };
  }

  async commit({ fds }: HandedBatch): Promise<void> {
    for (const fd of fds) close(fd);
    this.#frozen.clear();
  }

  async rollback(_batch: HandedBatch, why: 'again' | 'refused'): Promise<void> {
    for (const [fd, next] of this.#frozen) {
      this.#counters.set(fd, next);
      if (why === 'refused') this.#refused.add(fd);
    }
    this.#frozen.clear();
  }

  async staying(): Promise<Staying> {
    const [refused, all] = [this.#refused.size, this.#counters.size];
    return { ...(refused > 0 ? { refused } : {}), ...(all > refused ? { untaken: all - refused } : {}) };
  }

  async prepare({ memory, bytes, fds }: HandedBatch): Promise<Prepared> {
    using mapped = new MappedMemory(memory, bytes);
    const numbers = JSON.parse(mapped.bytes.toString()) as number[];
    close(memory);
    await new Promise((resolve) => setTimeout(resolve, this.prepareMs));
    if (this.refuses) {
      for (const fd of fds) close(fd);
      return { kind: 'refused', reason: 'as it was told' };
    }
    const prepared: PreparedCounters = { connections: fds.length, tunnels: 0, counters: new Map(fds.map((fd, i) => [fd, numbers[i] as number])) };
    return { kind: 'prepared', prepared };
  }

  async take(batch: HandedBatch, { channel, number }: TakeWord): Promise<Taken> {
    this.onStep?.({ kind: 'preparing', number });
    const outcome = await this.prepare(batch);
    if (outcome.kind === 'refused') return outcome;
    const { prepared } = outcome;
    this.onStep?.({ kind: 'saying', number });
    if (sendPacket(channel, { kind: 'take', number }).kind !== 'passed') return { kind: 'unsaid', prepared };
    this.onStep?.({ kind: 'starting', number });
    return { kind: 'started', batch: prepared, atMs: await this.start(prepared) };
  }

  async start(prepared: PreparedBatch): Promise<number> {
    for (const [fd, next] of (prepared as PreparedCounters).counters) this.#counters.set(fd, next);
    return machineMs();
  }

  async discard(prepared: PreparedBatch): Promise<void> {
    for (const fd of (prepared as PreparedCounters).counters.keys()) close(fd);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#pump);
    for (const fd of this.#counters.keys()) this.#end(fd);
    if (this.#listener >= 0) close(this.#listener);
  }
}
