import test from 'ava';
import { startIstioServer } from './istio-server.ts';
import { type ExampleResource, uidOf } from './example-mesh.ts';
import { Follower, onDemandContract, pod } from './on-demand.contract.ts';
import { startOwnServer } from './own-server.ts';

const HOST: ExampleResource = { kind: 'host', host: 'api.example.com', ip: '192.0.2.0', bits: 24 };
const OTHER: ExampleResource = { kind: 'host', host: '*.example.org', ip: '198.51.100.7', bits: 32 };
const BEHIND = pod('behind', '10.0.0.8', ['api.example.com']);

onDemandContract(test, 'the federation service', startOwnServer);
onDemandContract(test, 'istiod, as far as its source tells', startIstioServer);

test('the federation service tells hosts of ServiceEntries, for which nobody can ask, and what is behind them once an address of their range is called', async (t) => {
  await using server = await startOwnServer();
  server.set([{ kind: 'service', host: 'cart', ip: '10.96.0.1' }, HOST, BEHIND]);
  const follower = new Follower(t, server);
  const { registry } = follower.discovery;
  // Before, a query for the name would go on to others, and a connection past it.
  await follower.discovery.ready;
  t.deepEqual(follower.names, ['shop/api.example.com']);
  const service = registry.serviceAt('/192.0.2.9');
  t.is(registry.serviceByHostname('api.example.com')?.key, service?.key);
  t.true(await follower.ask('/192.0.2.9', service?.key ?? ''));
  t.deepEqual(service === undefined ? [] : registry.endpointsOf(service).map(({ uid }) => uid), [uidOf('behind')]);
  server.set([HOST, OTHER, BEHIND]);
  await follower.becomes('shop/api.example.com', 'shop/*.example.org', uidOf('behind'));
  follower.nowMs += 600_000;
  follower.discovery.onDemand?.sweep();
  await follower.becomes('shop/api.example.com', 'shop/*.example.org');
  server.cut();
  server.set([OTHER]);
  await follower.becomes('shop/*.example.org');
});
