import { isIPv4, Socket } from 'node:net';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { dnsFailure, dnsIdOf } from '@landbridge/wire/dns-exchange.ts';
import { DNS_HEADER_BYTES } from '@landbridge/wire/dns-message.ts';
import { DnsFrameReader, encodeDnsFrame } from '@landbridge/wire/dns-frames.ts';
import type { DnsOutcome } from './dns-resolver.ts';
import type { PodNames } from './pod-names.ts';

/** Queries of one connection that its server has not answered yet; further ones wait in the connection. */
export const MAX_PIPELINED = 100;

/**
 * A connection of a pod to port 53. Queries are answered in whatever order their answers are there (RFC 7766, section
 * 6.2.1.1). All that are not the agent's to answer go on by one connection to the server, from which every message goes
 * back as it is: a transfer of a zone is many of them.
 */
export class DnsConnection {
  readonly #names: PodNames;
  readonly #client: Socket;
  readonly #server: SocketAddress;
  readonly #ends = new Map<number, { readonly query: Uint8Array; readonly end: (isAnswered: boolean) => void }>();
  #upstream: Socket | undefined;
  /** Queries of which it is not decided yet what becomes of them. */
  #undecided = 0;
  /** No further query is taken. */
  #isOver = false;

  /** Ends by itself; `client.destroy()` ends it at once. */
  constructor(names: PodNames, client: Socket, server: SocketAddress) {
    this.#names = names;
    this.#client = client;
    this.#server = server;
    const reader = new DnsFrameReader();
    client.setTimeout(names.limits.idleMs, () => client.destroy());
    client.on('data', (chunk) => {
      const messages = reader.push(chunk);
      if (!messages.ok) return void client.destroy();
      for (const message of messages.value) this.#take(message);
    });
    client.on('end', () => {
      this.#isOver = true;
      // It may still wait for answers.
      if (this.#upstream !== undefined) this.#upstream.end();
      else if (this.#undecided === 0) client.end();
    });
    client.on('error', () => {});
    client.on('drain', () => this.#upstream?.resume());
    client.on('close', () => {
      this.#upstream?.destroy();
      this.#settle();
    });
  }

  /** Whether somebody has yet to answer. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  get #waiting(): number {
    return this.#ends.size + this.#undecided;
  }

  /** No further query is taken; what is under way is answered. */
  finish(): void {
    this.#isOver = true;
    this.#client.pause();
    if (!this.isWaiting) this.#client.end();
  }

  #take(query: Uint8Array): void {
    const { resolver, client } = this.#names;
    const outcome = resolver(query, client, 'tcp');
    if (outcome instanceof Promise) void this.#decide(Uint8Array.from(query), outcome);
    else this.#act(query, outcome);
    if (this.#waiting >= MAX_PIPELINED) this.#client.pause();
    if (this.#client.writableNeedDrain) this.#client.pause().once('drain', () => this.#client.resume());
  }

  async #decide(query: Uint8Array, deciding: Promise<DnsOutcome>): Promise<void> {
    this.#undecided++;
    const outcome = await deciding;
    this.#undecided--;
    if (this.#client.destroyed) return;
    this.#act(query, outcome);
    if (this.#isOver) this.#upstream?.end();
    this.#resume();
  }

  #act(query: Uint8Array, outcome: DnsOutcome): void {
    if (outcome.kind === 'answer') this.#client.write(encodeDnsFrame(outcome.message));
    else if (outcome.kind === 'forward') this.#forward(query);
  }

  #forward(query: Uint8Array): void {
    if (query.length < DNS_HEADER_BYTES) return void this.#client.destroy();
    const { observer, client } = this.#names;
    this.#ends.get(dnsIdOf(query))?.end(false);
    this.#ends.set(dnsIdOf(query), { query: Uint8Array.from(query), end: observer.forwarded(query, client, 'tcp') });
    this.#upstream ??= this.#connect();
    this.#upstream?.write(encodeDnsFrame(query));
    if (this.#waiting >= MAX_PIPELINED || this.#upstream?.writableNeedDrain === true) this.#client.pause();
  }

  #connect(): Socket | undefined {
    const { ip, port } = this.#server;
    let upstream: Socket;
    try {
      upstream = new Socket({ fd: this.#names.pod.socket(isIPv4(ip) ? 'IPv4' : 'IPv6'), allowHalfOpen: true });
    } catch {
      // No descriptor left.
      this.#fail();
      return undefined;
    }
    const reader = new DnsFrameReader();
    upstream.on('data', (chunk) => {
      const messages = reader.push(chunk);
      if (!messages.ok) return void upstream.destroy();
      for (const message of messages.value) this.#answer(message);
      if (this.#client.writableNeedDrain) upstream.pause();
    });
    upstream.on('drain', () => this.#resume());
    upstream.on('error', () => {});
    // Whoever asks on would find it closed without an agent too.
    upstream.on('end', () => upstream.end());
    upstream.on('close', () => this.#fail());
    return upstream.connect({ host: ip, port });
  }

  #answer(message: Uint8Array): void {
    if (this.#client.destroyed) return;
    this.#client.write(encodeDnsFrame(message));
    const id = dnsIdOf(message);
    this.#ends.get(id)?.end(true);
    this.#ends.delete(id);
    this.#resume();
  }

  #resume(): void {
    if (this.#isOver) {
      if (!this.isWaiting) this.#client.end();
    } else if (this.#waiting < MAX_PIPELINED && this.#upstream?.writableNeedDrain !== true) {
      this.#client.resume();
    }
  }

  /** The server is gone: what it has not answered it will not. */
  #fail(): void {
    for (const { query } of this.#ends.values()) {
      const failure = dnsFailure(query, 'tcp');
      if (failure !== undefined && !this.#client.destroyed) this.#client.write(encodeDnsFrame(failure));
    }
    this.#settle();
    this.#client.end();
  }

  #settle(): void {
    for (const { end } of this.#ends.values()) end(false);
    this.#ends.clear();
  }
}
