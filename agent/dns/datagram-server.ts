import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv4 } from 'node:net';
import { addressBytes, DNS_PORT, type SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { sendDatagram } from '@landbridge/native/datagram-socket.ts';
import { dnsFailure } from '@landbridge/wire/dns-exchange.ts';
import type { DnsOutcome } from './dns-resolver.ts';
import { forwardDatagram } from './forwarder.ts';
import type { PodNames } from './pod-names.ts';

interface Query {
  readonly bytes: Buffer;
  /** The pod's own address that it came to, where answers come from. */
  readonly to: SocketAddress;
  readonly source: SocketAddress;
}

/** Takes the queries of a pod that come by UDP. Until they are read they wait in the sockets, whose memory the kernel bounds: what finds no room there is lost. */
export class DatagramServer implements AsyncDisposable {
  readonly #names: PodNames;
  readonly #isDual: boolean;
  readonly #sockets: readonly { readonly fd: number; readonly socket: Socket }[];
  #isClosed = false;

  /** Owns the descriptors, in the order of their ports. */
  constructor(names: PodNames, descriptors: readonly number[]) {
    this.#names = names;
    this.#isDual = names.pod.place.addresses.some((address) => !isIPv4(address));
    this.#sockets = descriptors.map((fd, at) => {
      const socket = createSocket(this.#isDual ? 'udp6' : 'udp4');
      socket.on('message', (bytes, source) => void this.#take(fd, DNS_PORT + at, bytes, source));
      // Of an answer that found nobody: who asked has gone.
      socket.on('error', () => {});
      socket.bind({ fd });
      return { fd, socket };
    });
  }

  async #take(fd: number, port: number, bytes: Buffer, { address, port: sourcePort }: RemoteInfo): Promise<void> {
    const source = { ip: address.replace(/^::ffff:(?=[0-9.]+$)/, ''), port: sourcePort };
    const to = this.#names.pod.place.addresses.find((own) => isIPv4(own) === isIPv4(source.ip));
    if (to === undefined) return;
    const query = { bytes, to: { ip: to, port }, source };
    const answer = await this.#answer(query);
    // A descriptor that is closed may be another socket's by now.
    if (answer === undefined || this.#isClosed) return;
    sendDatagram(fd, answer, { from: addressBytes(to), to: addressBytes(source.ip), port: source.port, isDual: this.#isDual });
  }

  async #answer({ bytes, to, source }: Query): Promise<Uint8Array | undefined> {
    const { pod, resolver, client, limits, observer, signal } = this.#names;
    const outcome = await this.#decide(resolver(bytes, client, 'udp'));
    if (outcome === undefined) return dnsFailure(bytes, 'udp');
    if (outcome.kind === 'answer') return outcome.message;
    if (outcome.kind === 'drop') return undefined;
    const server = pod.askedServer(to, source);
    // The kernel has let it go here, and has forgotten why: too many others have asked since.
    if (server === undefined) return undefined;
    using taken = limits.queries.take(client.uid);
    if (taken === undefined) {
      observer.refused('udp');
      return dnsFailure(bytes, 'udp');
    }
    const end = observer.forwarded(bytes, client, 'udp');
    const forwarded = await forwardDatagram(pod, bytes, server, signal);
    end(forwarded.kind === 'answered');
    switch (forwarded.kind) {
      case 'answered':
        return forwarded.message;
      case 'refused':
        return dnsFailure(bytes, 'udp');
      case 'unanswered':
        // As without an agent: the resolver asks again when it likes.
        return undefined;
      default:
        return forwarded satisfies never;
    }
  }

  /** What is not decided at once counts as a query that waits; undefined where there is no room for it. */
  async #decide(outcome: DnsOutcome | Promise<DnsOutcome>): Promise<DnsOutcome | undefined> {
    if (!(outcome instanceof Promise)) return outcome;
    const { limits, client, observer } = this.#names;
    using taken = limits.queries.take(client.uid);
    if (taken !== undefined) return await outcome;
    observer.refused('udp');
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#sockets.map(async ({ socket }) => await new Promise<void>((resolve) => socket.close(resolve))));
  }
}
