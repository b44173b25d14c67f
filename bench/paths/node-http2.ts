import path from 'node:path';
import { REPOSITORY } from '@landbridge/lab/paths.ts';
import { tunnelPair } from './tunnel-pair.ts';

export const nodeHttp2 = tunnelPair({
  name: 'node-http2',
  description: 'node:tls, node:http2 and streams, CONNECT streams on a pool of connections (bench/peers/node-http2.ts)',
  prepare: async () => ({ program: [process.execPath, path.join(REPOSITORY, 'bench/peers/node-http2.ts')], version: `Node.js ${process.versions.node}` }),
});
