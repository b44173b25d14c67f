/** A way to a server that a test can break: held, cut, slow, in each direction by itself. TCP on loopback. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** `there` is from the client to the server. */
export type Direction = 'there' | 'back';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class BrokenLink implements AsyncDisposable {
  readonly port: number;
  /** Bytes that passed, in both directions. */
  bytes = 0;
  readonly #server: Server;
  readonly #target: () => number;
  readonly #pairs = new Set<Pair>();
  readonly #held = new Set<Direction>();
  #refuses = false;
  #delayMs: () => number = () => 0;

  private constructor(server: Server, port: number, target: () => number) {
    this.#server = server;
    this.port = port;
    this.#target = target;
    server.on('connection', (client) => this.#take(client));
  }

  /** @param target the port of the server, asked for each connection */
  static async open(target: () => number): Promise<BrokenLink> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new BrokenLink(server, address.port, target);
  }

  /** What is sent in these directions waits from now on, and nobody is told; what waited before goes on where they are not named. */
  hold(...directions: readonly Direction[]): void {
    this.#held.clear();
    for (const direction of directions) this.#held.add(direction);
    for (const pair of this.#pairs) this.#apply(pair);
  }

  /** Ends all connections, and refuses further ones until `mend`. */
  cut(): void {
    this.#refuses = true;
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  mend(): void {
    this.#refuses = false;
    this.hold();
  }

  /** Each piece arrives as much later, none before the one that was sent before it. */
  delay(delayMs: () => number): void {
    this.#delayMs = delayMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #take(client: Socket): void {
    if (this.#refuses) {
      client.resetAndDestroy();
      return;
    }
    const pair: Pair = { client, server: connect(this.#target(), '127.0.0.1') };
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      pair.client.destroy();
      pair.server.destroy();
    };
    for (const socket of [pair.client, pair.server]) socket.on('error', end).on('close', end).setNoDelay(true);
    this.#carry(pair.client, pair.server);
    this.#carry(pair.server, pair.client);
    this.#apply(pair);
  }

  #carry(from: Socket, to: Socket): void {
    let lastMs = 0;
    from.on('data', (bytes: Buffer) => {
      this.bytes += bytes.length;
      const delayMs = this.#delayMs();
      if (delayMs === 0 && lastMs <= performance.now()) {
        to.write(bytes);
        return;
      }
      lastMs = Math.max(lastMs, performance.now() + delayMs);
      setTimeout(() => to.write(bytes), lastMs - performance.now()).unref();
    });
  }

  /** A socket that is not read holds up its sender, once the buffers between are full; small messages wait in them. */
  #apply({ client, server }: Pair): void {
    if (this.#held.has('there')) client.pause();
    else client.resume();
    if (this.#held.has('back')) server.pause();
    else server.resume();
  }
}
