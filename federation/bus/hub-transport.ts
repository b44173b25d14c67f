import { NatsConnectionImpl, setTransportFactory, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';

/**
 * The client's own transport, whose sockets may fail after it has closed them: it takes the listeners off first, and an
 * error that was on its way by then (a write after the hub's end, for one) would have nobody and end the process.
 */
export class HubTransport extends NodeTransport {
  override close(error?: Error): Promise<void> {
    const { socket } = this;
    const closed = super.close(error);
    hearErrors(socket);
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
