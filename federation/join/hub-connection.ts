import { connect, jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { hubTls } from '../bus/hub-access.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';

export interface HubConnectionOptions {
  readonly urls: readonly string[];
  readonly caPem: string;
  readonly jwt: string;
  readonly seed: string;
  readonly inboxPrefix: string;
  /** Shown in the hub's log and monitoring. */
  readonly name: string;
  readonly timeoutMs: number;
}

/** One connection that ends when it breaks. Rejects with the client's error, or with the signal's reason. */
export async function connectHub(options: HubConnectionOptions, signal: AbortSignal): Promise<NatsConnection> {
  signal.throwIfAborted();
  const connecting = connect({
    servers: [...options.urls],
    tls: hubTls(options.urls, options.caPem),
    authenticator: jwtAuthenticator(options.jwt, new TextEncoder().encode(options.seed)),
    inboxPrefix: options.inboxPrefix,
    name: options.name,
    timeout: options.timeoutMs,
    reconnect: false,
  });
  try {
    return await orAborted(connecting, signal);
  } catch (thrown) {
    // The client can not be told to stop connecting; what it still opens is closed again.
    connecting.then((connection) => connection.close()).catch(() => undefined);
    throw thrown;
  }
}
