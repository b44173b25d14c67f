/** What an agent was told, as far as the benchmark asks: how much of all there is, which services have an address, and how late changes are. */
import { fromBinary } from '@bufbuild/protobuf';
import { AddressSchema } from '@landbridge/wire/gen/workload_pb.js';
import { percentile } from '../control-plane/clock.ts';

export class Told {
  readonly #workloads = new Set<string>();
  readonly #services = new Set<string>();
  readonly #addressed = new Set<string>();
  /** The address of each workload that has changed, once it was told of it, and when. */
  readonly #last = new Map<string, { readonly address: string; readonly atMs: number }>();
  /** What each workload has become that is not told yet, and when, in this order. */
  readonly #sent = new Map<string, { readonly address: string; readonly atMs: number }[]>();
  readonly #latencies: number[] = [];
  #since = 0;
  #mostUnderWay = 0;
  #changes = 0;

  take(name: string, atMs: number, bytes: Uint8Array): void {
    // Services are `<namespace>/<hostname>`, workloads have more parts.
    if (name.indexOf('/') === name.lastIndexOf('/')) this.#takeService(name, bytes);
    else if (this.#workloads.has(name)) this.#takeChange(name, atMs, bytes);
    else this.#workloads.add(name);
  }

  /** A change is told once its agent has what the workload became by it, or by a later one: what changes faster than it is told would never be. */
  sent(name: string, address: string, atMs: number): void {
    this.#changes += 1;
    const waiting = this.#sent.get(name);
    if (waiting === undefined) this.#sent.set(name, [{ address, atMs }]);
    else waiting.push({ address, atMs });
    // Messages of processes may overtake each other.
    const last = this.#last.get(name);
    if (last?.address === address) this.#tell(name, address, last.atMs);
    this.#mostUnderWay = Math.max(this.#mostUnderWay, this.#sent.size);
  }

  get workloads(): number {
    return this.#workloads.size;
  }

  get services(): number {
    return this.#services.size;
  }

  get addressed(): number {
    return this.#addressed.size;
  }

  /** Workloads of which a change is not told yet. */
  get underWay(): number {
    return this.#sent.size;
  }

  get mostUnderWay(): number {
    return this.#mostUnderWay;
  }

  get changes(): number {
    return this.#changes;
  }

  /** Milliseconds; of those told since this was asked last with `since`, or of all. */
  latency(part: number, { since = false } = {}): number {
    const asked = this.#latencies.slice(since ? this.#since : 0).sort((a, b) => a - b);
    return percentile(asked, part);
  }

  /** From here on {@link latency} begins anew. */
  mark(): void {
    this.#since = this.#latencies.length;
  }

  #takeChange(name: string, atMs: number, bytes: Uint8Array): void {
    const { type } = fromBinary(AddressSchema, bytes);
    const address = type.case === 'workload' ? (type.value.addresses[0] ?? new Uint8Array()).join('.') : '';
    this.#last.set(name, { address, atMs });
    this.#tell(name, address, atMs);
  }

  #tell(name: string, address: string, atMs: number): void {
    const waiting = this.#sent.get(name) ?? [];
    const told = waiting.splice(0, waiting.findIndex((sent) => sent.address === address) + 1);
    for (const sent of told) this.#latencies.push(Math.max(0, atMs - sent.atMs));
    if (waiting.length === 0) this.#sent.delete(name);
  }

  #takeService(name: string, bytes: Uint8Array): void {
    const { type } = fromBinary(AddressSchema, bytes);
    if (type.case !== 'service') return;
    this.#services.add(name);
    if (type.value.addresses.length > 0) this.#addressed.add(name);
  }
}
