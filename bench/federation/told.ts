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
  /** What each workload is to be that is not told yet, and since when. */
  readonly #sent = new Map<string, { readonly address: string; readonly atMs: number }>();
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

  /** One that changes again before it was told is told once, and late since the first time. */
  sent(name: string, address: string, atMs: number): void {
    this.#changes += 1;
    const last = this.#last.get(name);
    // Messages of processes may overtake each other.
    if (last?.address === address) {
      this.#latencies.push(Math.max(0, last.atMs - (this.#sent.get(name)?.atMs ?? atMs)));
      this.#sent.delete(name);
    } else this.#sent.set(name, { address, atMs: this.#sent.get(name)?.atMs ?? atMs });
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
    const sent = this.#sent.get(name);
    if (sent?.address !== address) return;
    this.#latencies.push(atMs - sent.atMs);
    this.#sent.delete(name);
  }

  #takeService(name: string, bytes: Uint8Array): void {
    const { type } = fromBinary(AddressSchema, bytes);
    if (type.case !== 'service') return;
    this.#services.add(name);
    if (type.value.addresses.length > 0) this.#addressed.add(name);
  }
}
