import { once } from 'node:events';
import { createServer } from 'node:http';
import { registry } from './metrics.ts';

/** Serves /healthz/live, /healthz/ready and /metrics. `isReady` returns why it is not. */
export async function startHealthServer(port: number, isReady: () => string | undefined): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    const text = (status: number, body: string): void => void response.writeHead(status, { 'content-type': 'text/plain' }).end(`${body}\n`);
    switch (request.url) {
      case '/healthz/live':
        return text(200, 'ok');
      case '/healthz/ready': {
        const reason = isReady();
        return reason === undefined ? text(200, 'ok') : text(503, reason);
      }
      case '/metrics':
        registry.metrics().then((body) => response.writeHead(200, { 'content-type': registry.contentType }).end(body), () => text(500, 'metrics can not be gathered'));
        return undefined;
      default:
        return text(404, 'not found');
    }
  });
  const listening = once(server, 'listening');
  server.listen(port);
  await listening;
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
