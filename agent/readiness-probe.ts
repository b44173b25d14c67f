/**
 * Ends with 0 if the agent of this container is ready: what the kubelet asks before it believes the port of the node,
 * which an agent of before may have still. Argument: the agent's socket.
 */
import { get } from 'node:http';

const TIMEOUT_MS = 2000;

const [socketPath = ''] = process.argv.slice(2);
get({ socketPath, path: '/healthz/ready', timeout: TIMEOUT_MS }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1));
