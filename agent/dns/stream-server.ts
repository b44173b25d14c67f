import { createServer, type Server, type Socket } from 'node:net';
import { DnsConnection } from './dns-connection.ts';
import type { PodNames } from './pod-names.ts';

/** Takes the queries of a pod that come by TCP. */
export class StreamServer implements AsyncDisposable {
  readonly #names: PodNames;
  readonly #server: Server;
  readonly #connections = new Map<Socket, DnsConnection>();

  /** Owns the descriptor. */
  constructor(names: PodNames, descriptor: number) {
    this.#names = names;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    // Of a connection that was gone before it was accepted.
    this.#server.on('error', () => {});
    this.#server.listen({ fd: descriptor });
  }

  #accept(socket: Socket): void {
    const { pod, client, limits, observer } = this.#names;
    const server = socket.remoteAddress === undefined ? undefined : pod.originalDestination({ ip: socket.remoteAddress, port: socket.remotePort ?? 0 });
    // Nobody was redirected here: it is not for the agent.
    if (server === undefined) return void socket.destroy();
    const taken = limits.connections.take(client.uid);
    if (taken === undefined) {
      observer.refused('tcp');
      return void socket.destroy();
    }
    this.#connections.set(socket, new DnsConnection(this.#names, socket, server));
    socket.on('close', () => {
      this.#connections.delete(socket);
      taken[Symbol.dispose]();
    });
  }

  /** Takes no further connection, and no further query of those that there are. */
  finish(): void {
    this.#server.close();
    for (const connection of this.#connections.values()) connection.finish();
  }

  get isWaiting(): boolean {
    return [...this.#connections.values()].some(({ isWaiting }) => isWaiting);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#connections.keys()) socket.destroy();
    await closed;
  }
}
