import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { registry } from './metrics.ts';

/** Serves /healthz/ready on one port and /metrics on another. */
export async function startHealthServers(options: { readonly readyPort: number; readonly metricsPort: number; readonly isReady: () => string | undefined }): Promise<AsyncDisposable> {
  const ready = createServer((request, response) => {
    const reason = request.url === '/healthz/ready' ? options.isReady() : request.url === '/healthz/live' ? undefined : 'not found';
    response.writeHead(reason === undefined ? 200 : reason === 'not found' ? 404 : 503, { 'content-type': 'text/plain' }).end(`${reason ?? 'ok'}\n`);
  });
  const metrics = createServer((request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end();
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await Promise.all([listen(ready, options.readyPort), listen(metrics, options.metricsPort)]);
  return {
    [Symbol.asyncDispose]: async () => {
      for (const server of [ready, metrics]) server.close().closeAllConnections();
    },
  };
}

async function listen(server: Server, port: number): Promise<void> {
  const listening = once(server, 'listening');
  server.listen(port);
  await listening;
}
