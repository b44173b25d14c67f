import type { Gateway } from '@landbridge/core/records.ts';
import test from 'ava';
import { exampleView } from '../clusterset/example-cluster.ts';
import { exampleKeys, exampleMember } from '../records/example-records.ts';
import { exampleGateway } from './example-gateways.ts';
import { remoteGateways, usableGateways } from './remote-gateways.ts';

const usable = (...gateways: readonly Gateway[]): readonly string[] => usableGateways({ gateways: [...gateways] }, 'west.landbridge').map(({ address }) => address);

test('addresses and names that others can reach are taken, in one spelling', (t) => {
  t.deepEqual(usable(exampleGateway('192.0.2.1'), exampleGateway('2001:DB8:0::1'), exampleGateway('gw-1.example')), ['192.0.2.1', '2001:db8::1', 'gw-1.example']);
});

test('what leads to the client itself, or to nobody, is left out and takes nothing with it', (t) => {
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '0.0.0.0', '169.254.169.254', 'fe80::1', 'fe80::1%eth0', '224.0.0.1', '0177.0.0.1', '127.1', '1', 'GW.example', 'a b', 'gw..example', '*.example']) t.deepEqual(usable(exampleGateway(address), exampleGateway('192.0.2.1')), ['192.0.2.1'], address);
});

test('a gateway whose account makes no identity could never be verified', (t) => {
  t.deepEqual(usable(exampleGateway('192.0.2.1', { serviceAccount: 'Gateway' }), exampleGateway('192.0.2.2', { serviceAccount: 'a/../b' })), []);
});

test('gateways are told of clusters in other networks, once what is known of these counts', (t) => {
  const view = (cluster: string, network: string, counts = true) => exampleView(cluster, { counts, member: exampleMember(cluster, exampleKeys(), { network }), meta: { kind: 'meta', trustDomain: `${cluster}.landbridge`, network: 'claimed', version: '0.1.0', gateways: [exampleGateway('192.0.2.1')] } });
  const { found, unusable } = remoteGateways([view('near', 'here'), view('west', 'there'), view('late', 'there', false), exampleView('bare', { member: exampleMember('bare', exampleKeys(), { network: 'there' }) })], 'here');
  t.deepEqual([...found], [['west', { cluster: 'west', trustDomain: 'west.landbridge', network: 'there', gateways: [exampleGateway('192.0.2.1')] }]]);
  t.deepEqual([...unusable], []);
});
