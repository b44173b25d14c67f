import type { Logger } from 'pino';
import { plain, type Routes, startHttpServer } from './http-routes.ts';
import { metricsText } from './metrics-text.ts';
import type { Readiness } from './readiness.ts';

export interface HealthServerOptions {
  readonly readyPort: number;
  /** Default 127.0.0.1: the kubelet shares the node's loopback, and others could only use up the connections that it needs. */
  readonly readyHost?: string;
  readonly metricsPort: number;
  readonly readiness: Readiness;
  readonly log: Logger;
}

export interface HealthServers extends AsyncDisposable {
  readonly readyPort: number;
  readonly metricsPort: number;
}

/** /healthz/ready and /healthz/live, with ztunnel's status and text. */
const healthRoutes = (readiness: Readiness): Routes => ({
  '/healthz/ready': {
    GET: () => {
      const pending = readiness.pending();
      return pending.length === 0 ? plain(200, 'ready') : plain(500, `not ready, pending: ${pending.join(', ')}`);
    },
  },
  '/healthz/live': { GET: () => plain(200, 'ok') },
});

/** Serves the health of this very agent, whoever has the port of the node. */
export async function startHealthSocket(socket: string, readiness: Readiness, log: Logger): Promise<AsyncDisposable> {
  return await startHttpServer({ socket, log, routes: healthRoutes(readiness) });
}

const METRICS: Routes[string] = { GET: () => ({ status: 200, type: 'text/plain; version=0.0.4', body: metricsText() }) };

/** Serves health on one port, /metrics on another. */
export async function startHealthServers({ readyPort, readyHost = '127.0.0.1', metricsPort, readiness, log }: HealthServerOptions): Promise<HealthServers> {
  await using stack = new AsyncDisposableStack();
  const ready = stack.use(await startHttpServer({ port: readyPort, host: readyHost, log, routes: healthRoutes(readiness) }));
  const metrics = stack.use(await startHttpServer({ port: metricsPort, log, routes: { '/metrics': METRICS, '/stats/prometheus': METRICS } }));
  const running = stack.move();
  return { readyPort: ready.port, metricsPort: metrics.port, [Symbol.asyncDispose]: async () => await running.disposeAsync() };
}
