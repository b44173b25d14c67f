import type { EventLoop } from './event-loop.ts';
import { PlainSocket, type PlainSocketState } from './plain-socket.ts';
import { type RelayEnd, RelayPair, type RelayState } from './relay-pair.ts';

export interface SocketPairState {
  readonly client: PlainSocketState;
  readonly server: PlainSocketState;
  readonly relay: RelayState;
}

/** Two sockets and the relay between them, which move to another process together. */
export class SocketPair {
  readonly client: PlainSocket;
  readonly server: PlainSocket;
  readonly relay: RelayPair;

  constructor(client: PlainSocket, server: PlainSocket, relay: RelayPair) {
    this.client = client;
    this.server = server;
    this.relay = relay;
    client.owner = server.owner = relay;
  }

  /** As another process had them; nothing moves before {@link thaw}. */
  static arrive(loop: EventLoop, { client, server, relay }: SocketPairState, onClosed: (end: RelayEnd) => void): SocketPair {
    const [from, to] = [new PlainSocket(loop, client.fd, client), new PlainSocket(loop, server.fd, server)];
    const pair = new SocketPair(from, to, new RelayPair(loop, from, to, onClosed));
    pair.relay.freeze(relay);
    return pair;
  }

  /** Whether it is about to be cut. */
  get hasFailed(): boolean {
    return this.client.hasFailed || this.server.hasFailed;
  }

  freeze(): void {
    this.relay.freeze();
    this.client.freeze();
    this.server.freeze();
  }

  get state(): SocketPairState {
    return { client: this.client.state, server: this.server.state, relay: this.relay.state };
  }

  thaw(): void {
    this.client.thaw();
    this.server.thaw();
    this.relay.goOn();
  }

  /** Another process has them. */
  leave(): void {
    this.client.leave();
    this.server.leave();
  }
}
