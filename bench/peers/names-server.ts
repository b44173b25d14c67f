/** Answers names by UDP as an agent does, on one thread: `node bench/peers/names-server.ts PORT SERVICES`. Writes `ready`. */
import { answeringResolver } from '@landbridge/agent/dns/answering-resolver.ts';
import { DatagramServer } from '@landbridge/agent/dns/datagram-server.ts';
import { CONNECTION_LIMITS, QUERY_LIMITS } from '@landbridge/agent/dns/dns-service.ts';
import { NameMetrics } from '@landbridge/agent/dns/name-metrics.ts';
import { QueryBudget } from '@landbridge/agent/dns/query-budget.ts';
import { headlessService, namedEndpoint, namedService } from '@landbridge/agent/dns/test-names.ts';
import { registryOf } from '@landbridge/agent/discovery/test-resources.ts';
import { openForReading } from '@landbridge/native/libc.ts';
import { datagramSocketsOnLoopback } from '@landbridge/native/datagram-socket.ts';
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
const resolver = answeringResolver({ registry, isReady: true }, { clusterDomain: 'cluster.local', network: '', random: Math.random }, metrics.requested.bind(metrics));
const client = { uid: 'u', namespace: 'shop', name: 'web', serviceAccount: 'web', addresses: ['127.0.0.1'] };
const nobody = (): never => {
  throw new RangeError('only names that are answered are asked');
};

using here = openForReading('/proc/self/ns/net');
const sockets = datagramSocketsOnLoopback(here.number, { firstPort: Number(port), count: 1, families: 'IPv4', mark: 0 });
const { signal } = new AbortController();
const limits = { queries: new QueryBudget(QUERY_LIMITS), connections: new QueryBudget(CONNECTION_LIMITS), idleMs: 10_000 };
const pod = { place: { uid: 'u', addresses: client.addresses, namespacePath: '' }, askedServer: nobody, originalDestination: nobody, datagramSocket: nobody, socket: nobody };
await using _server = new DatagramServer({ pod, client, resolver, limits, observer: metrics, signal }, sockets.map((socket) => socket.release()));
process.stdout.write('ready\n');
await new Promise(() => {});
