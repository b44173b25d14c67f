import { once } from 'node:events';
import { createConnection } from 'node:net';
import { NatsConnectionImpl, setTransportFactory, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';

/**
 * The client's own transport, whose sockets may fail after it has closed them: it takes the listeners off first, and an
 * error that was on its way by then (a write after the hub's end, for one) would have nobody and end the process.
 */
export class HubTransport extends NodeTransport {
  #dialled: Socket | undefined;

  override dial({ port, hostname }: Parameters<NodeTransport['dial']>[0]): Promise<Socket> {
    const socket = createConnection(port, hostname).setNoDelay(true);
    this.#dialled = socket;
    return once(socket, 'connect').then(() => socket);
  }

  override close(error?: Error): Promise<void> {
    const { socket } = this;
    const closed = super.close(error);
    hearErrors(socket);
    this.#endDial();
    return closed;
  }

  /** For a connection that carries nothing any more; the client's own waits until what it has still to send is gone. */
  override disconnect(): void {
    this.socket?.destroy();
  }

  override discard(): void {
    const { socket } = this;
    super.discard();
    hearErrors(socket);
    this.#endDial();
  }

  /** The client forgets a socket that does not connect in time; the kernel would go on trying for two minutes. */
  #endDial(): void {
    if (this.#dialled?.connecting === true) this.#dialled.destroy(new Error('not connected in time'));
  }
}

type Socket = NodeTransport['socket'];

/** What a closed socket reports changes nothing any more. There is none before the first dial, nor after the last close. */
function hearErrors(socket: Socket | undefined): void {
  socket?.on('error', () => {});
}

/** As the client's `connect`. @throws what that throws */
export function connectToHub(options: NodeConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new HubTransport(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}
