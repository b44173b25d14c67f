/** The MCS DNS specification 1.0.0, name by name. */
import test from 'ava';
import { serviceOf, workloadOf } from '../discovery/test-resources.ts';
import { ask, type Asking, headlessService, namedEndpoint, namedService } from './test-names.ts';

const cart = namedService('cart', 'clusterset.local', { addresses: ['/10.96.0.7', '/fd96::7', 'west/10.97.0.7'] });
const four = namedService('four', 'clusterset.local', { addresses: ['/10.96.0.4'] });
const soon = namedService('soon', 'clusterset.local');
const web = headlessService('web', 'clusterset.local');
const idle = headlessService('idle', 'clusterset.local');
const secret = namedService('secret', 'clusterset.local', { namespace: 'bank', addresses: ['/10.96.0.9'], visibility: 'namespace' });
const MESH = [
  cart, four, soon, web, idle, secret,
  namedEndpoint('east', 'web-0', ['10.1.0.1', 'fd01::1'], [web], { hostname: 'web-0' }),
  namedEndpoint('west', 'web-0', ['10.2.0.1'], [web], { hostname: 'web-0' }),
  namedEndpoint('west', 'web-x', ['10.2.0.2', 'fd02::2'], [web], { ipv6: false }),
  namedEndpoint('far', 'web-1', [], [web], { hostname: 'web-1' }, { addresses: ['n2/10.2.0.1'], network: 'n2' }),
];

const SVC = 'shop.svc.clusterset.local';
const NONE = 'NXDOMAIN: zone clusterset.local';
const EMPTY = 'NOERROR: zone clusterset.local';

const TABLE: readonly (readonly [section: string, name: string, type: Asking['type'], answer: string])[] = [
  ['2.2', 'dns-version.clusterset.local', 'TXT', 'NOERROR: TXT 1.0.0'],
  ['2.2', 'dns-version.clusterset.local', 'A', EMPTY],
  ['2.3.1', `cart.${SVC}`, 'A', 'NOERROR: A 10.96.0.7'],
  ['2.3.1', `cart.${SVC}`, 'AAAA', 'NOERROR: AAAA fd96::7'],
  ['2.3.1', `four.${SVC}`, 'AAAA', EMPTY],
  ['2.3.1, no address yet', `soon.${SVC}`, 'A', EMPTY],
  ['2.3.1', `CART.Shop.SVC.ClusterSet.Local`, 'A', 'NOERROR: A 10.96.0.7'],
  ['2.3.2', `_http._tcp.cart.${SVC}`, 'SRV', `NOERROR: SRV 80 cart.${SVC}, +cart.${SVC} A 10.96.0.7, +cart.${SVC} AAAA fd96::7`],
  ['2.3.2', `_dns._udp.cart.${SVC}`, 'SRV', `NOERROR: SRV 53 cart.${SVC}, +cart.${SVC} A 10.96.0.7, +cart.${SVC} AAAA fd96::7`],
  ['2.3.2, another protocol', `_dns._tcp.cart.${SVC}`, 'SRV', NONE],
  ['2.3.2, another port', `_ssh._tcp.cart.${SVC}`, 'SRV', NONE],
  ['2.3.2, another type', `_http._tcp.cart.${SVC}`, 'A', EMPTY],
  ['2.3.2, the end of others', `_tcp.cart.${SVC}`, 'SRV', EMPTY],
  ['2.3.2, the end of none', `_sctp.cart.${SVC}`, 'SRV', NONE],
  ['2.3.4', `east.cart.${SVC}`, 'A', NONE],
  ['2.3.4', `web-0.east.cart.${SVC}`, 'A', NONE],
  ['2.4.1', `web.${SVC}`, 'A', 'NOERROR: A 10.1.0.1, A 10.2.0.1, A 10.2.0.2'],
  ['2.4.1', `web.${SVC}`, 'AAAA', 'NOERROR: AAAA fd01::1'],
  ['2.4.1, no ready endpoint', `idle.${SVC}`, 'A', NONE],
  ['2.4.1, no ready endpoint', `idle.${SVC}`, 'AAAA', NONE],
  ['2.4.1', `web-0.east.web.${SVC}`, 'A', 'NOERROR: A 10.1.0.1'],
  ['2.4.1', `web-0.east.web.${SVC}`, 'AAAA', 'NOERROR: AAAA fd01::1'],
  ['2.4.1', `web-0.west.web.${SVC}`, 'A', 'NOERROR: A 10.2.0.1'],
  ['2.4.1', `web-0.west.web.${SVC}`, 'AAAA', EMPTY],
  ['2.4.1, named by its address', `10-2-0-2.west.web.${SVC}`, 'A', 'NOERROR: A 10.2.0.2'],
  ['2.4.1, named by an address that the service has not', `fd02--2.west.web.${SVC}`, 'AAAA', NONE],
  ['2.4.1, in another network', `web-1.far.web.${SVC}`, 'A', EMPTY],
  ['2.4.1, nobody', `web-7.east.web.${SVC}`, 'A', NONE],
  ['2.4.1, of no cluster', `web-0.north.web.${SVC}`, 'A', NONE],
  ['2.4.2', `_http._tcp.web.${SVC}`, 'SRV', `NOERROR: SRV 8080 10-2-0-2.west.web.${SVC}, SRV 8080 web-0.east.web.${SVC}, SRV 8080 web-0.west.web.${SVC}, +10-2-0-2.west.web.${SVC} A 10.2.0.2, +web-0.east.web.${SVC} A 10.1.0.1, +web-0.east.web.${SVC} AAAA fd01::1, +web-0.west.web.${SVC} A 10.2.0.1`],
  ['2.4.2, no ready endpoint', `_http._tcp.idle.${SVC}`, 'SRV', NONE],
  ['2.4.4', `east.web.${SVC}`, 'A', NONE],
  ['no service', `nobody.${SVC}`, 'A', NONE],
  ['the end of others', SVC, 'A', EMPTY],
  ['the end of others', 'svc.clusterset.local', 'A', EMPTY],
  ['no namespace', 'void.svc.clusterset.local', 'A', NONE],
  ['the zone', 'clusterset.local', 'SOA', 'NOERROR: SOA [object Object]'],
  ['the zone', 'clusterset.local', 'A', EMPTY],
  ['not of services', 'x.clusterset.local', 'A', NONE],
  ['not of services', `cart.shop.pod.clusterset.local`, 'A', NONE],
  ['too long', `a.b.c.cart.${SVC}`, 'A', NONE],
  ['everything', `cart.${SVC}`, 'ANY', 'NOERROR: HINFO RFC8482'],
  ['everything', `nobody.${SVC}`, 'ANY', NONE],
  ['a type of later days', `cart.${SVC}`, 'HTTPS', EMPTY],
  ['a transfer', 'clusterset.local', 'AXFR', 'REFUSED'],
  ['hidden from this namespace', 'secret.bank.svc.clusterset.local', 'A', NONE],
];

for (const [section, name, type = 'A', answer] of TABLE) {
  test(`${section}: ${name} ${type}`, (t) => {
    t.is(ask(MESH, name, { type }), answer);
  });
}

test('a namespace sees what others do not', (t) => {
  t.is(ask(MESH, 'secret.bank.svc.clusterset.local', { namespace: 'bank' }), 'NOERROR: A 10.96.0.9');
});

test('addresses are those of the client’s own network', (t) => {
  t.is(ask(MESH, `cart.${SVC}`, { network: 'west' }), 'NOERROR: A 10.97.0.7');
  t.is(ask(MESH, `web.${SVC}`, { network: 'n2' }), 'NOERROR: A 10.2.0.1');
});

test('names that Istio’s control plane tells without names of endpoints and ports are as good as it tells them, and never anyone else’s to answer', (t) => {
  const bare = serviceOf('bare', { namespace: 'shop', hostname: `bare.${SVC}` });
  const mesh = [bare, serviceOf('vip', { namespace: 'shop', hostname: `vip.${SVC}`, addresses: ['/10.96.0.3'] }), workloadOf(1, { services: new Map([[bare.key, new Map()]]) }), workloadOf(2, { healthy: false, services: new Map([[bare.key, new Map()]]) })];
  t.is(ask(mesh, `bare.${SVC}`), 'NOERROR: A 10.1.0.1');
  t.is(ask(mesh, `vip.${SVC}`), 'NOERROR: A 10.96.0.3');
  for (const name of [`web-0.east.bare.${SVC}`, `_http._tcp.vip.${SVC}`, `_tcp.vip.${SVC}`]) t.is(ask(mesh, name), 'SERVFAIL');
});

test('before discovery has told everything, nothing is said not to be there', (t) => {
  for (const name of [`cart.${SVC}`, `nobody.${SVC}`, 'clusterset.local']) t.is(ask(MESH, name, { isReady: false }), 'SERVFAIL');
});

test('no endpoint’s address leads to the pod itself, or to what is special on each host', (t) => {
  const addresses = ['0.0.0.0', '127.0.0.1', '169.254.169.254', '224.0.0.1', '239.1.1.1', '255.255.255.255', '::', '::1', 'fe80::1', 'febf::1', 'ff02::1'];
  const mesh = [web, ...addresses.map((ip, n) => namedEndpoint('west', `odd-${n}`, [ip], [web], { hostname: `odd-${n}` }))];
  for (const type of ['A', 'AAAA'] as const) t.is(ask(mesh, `web.${SVC}`, { type }), EMPTY);
  const near = [web, ...['1.127.0.1', '223.255.255.255', '169.253.0.1', '100.64.0.1', '::2', 'fe00::1', 'fd80::1', 'fec0::1'].map((ip, n) => namedEndpoint('west', `even-${n}`, [ip], [web]))];
  t.is(ask(near, `web.${SVC}`), 'NOERROR: A 1.127.0.1, A 100.64.0.1, A 169.253.0.1, A 223.255.255.255');
  t.is(ask(near, `web.${SVC}`, { type: 'AAAA' }), 'NOERROR: AAAA ::2, AAAA fd80::1, AAAA fe00::1, AAAA fec0::1');
});

test('a member’s hostnames are its own: they hide no other cluster’s', (t) => {
  const mesh = [...MESH, namedEndpoint('evil', 'web-0', ['10.6.6.6'], [web], { hostname: 'web-0' })];
  t.is(ask(mesh, `web-0.east.web.${SVC}`), 'NOERROR: A 10.1.0.1');
});
