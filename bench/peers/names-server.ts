/** Answers names by UDP as an agent does, on one thread: `node bench/peers/names-server.ts PORT SERVICES`. Writes `ready`. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { NameMetrics } from '@landbridge/agent/dns/name-metrics.ts';
import { answeringResolver } from '@landbridge/agent/dns/answering-resolver.ts';
import { headlessService, namedEndpoint, namedService } from '@landbridge/agent/dns/test-names.ts';
import { registryOf } from '@landbridge/agent/discovery/test-resources.ts';
import { serviceName } from '../name-queries.ts';

const [, , port = '', services = ''] = process.argv;
const names = Array.from({ length: Number(services) }, (_, n) => n);
const web = headlessService('web', 'clusterset.local');
const registry = registryOf(
  ...names.flatMap((n) => (['cluster.local', 'clusterset.local'] as const).map((zone) => namedService(serviceName(n), zone, { addresses: [`/10.${zone === 'cluster.local' ? 96 : 97}.${n >> 8}.${n & 0xff}`] }))),
  web,
  ...Array.from({ length: 10 }, (_, n) => namedEndpoint('east', `web-${n}`, [`10.1.0.${n}`], [web], { hostname: `web-${n}` })),
);
const metrics = new NameMetrics(registry, '');
const resolve = answeringResolver({ registry, isReady: true }, { clusterDomain: 'cluster.local', network: '', random: Math.random }, metrics.requested.bind(metrics));
const client = { uid: 'u', namespace: 'shop', name: 'web', serviceAccount: 'web', addresses: ['127.0.0.1'] };

const socket = createSocket('udp4');
socket.on('message', (query, { address, port: from }) => {
  const outcome = resolve(query, client, 'udp');
  if (outcome.kind === 'answer') socket.send(outcome.message, from, address);
});
socket.bind(Number(port), '127.0.0.1');
await once(socket, 'listening');
process.stdout.write('ready\n');
