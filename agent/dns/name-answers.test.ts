import { Buffer } from 'node:buffer';
import { exampleQueryBytes } from '@landbridge/wire/example-dns.ts';
import test from 'ava';
import { registryOf, serviceOf, workloadOf } from '../discovery/test-resources.ts';
import type { Service } from '../discovery/wds-address.ts';
import { ask, askBytes, type Asking, headlessService, namedEndpoint, namedService } from './test-names.ts';

const entry = (hostname: string, ...addresses: readonly string[]): Service => serviceOf('entry', { namespace: 'istio', hostname, addresses: addresses.map((ip) => `/${ip}`) });

const cart = namedService('cart', 'cluster.local', { addresses: ['/10.96.0.1'] });
const web = headlessService('web', 'cluster.local');
const idle = headlessService('idle', 'cluster.local');
const example = namedService('example', 'cluster.local', { namespace: 'com', addresses: ['/10.96.0.5'] });
const shared = namedService('cart', 'clusterset.local', { addresses: ['/10.96.0.7'] });
const MESH = [
  cart, web, idle, example, shared,
  namedEndpoint('east', 'web-0', ['10.1.0.1'], [web], { hostname: 'web-0' }),
  entry('api.example.com', '240.240.0.1', '2001:2::1'),
  entry('four.example.com', '240.240.0.2'),
  entry('*.example.com', '240.240.0.3'),
  entry('*.deep.example.com', '240.240.0.4'),
  entry('none.example.com'),
  entry('*.local', '240.240.0.9'),
  entry('*.arpa', '240.240.0.9'),
];
const EMPTY = 'NOERROR: zone cluster.local';
const S = 'svc.cluster.local';

const TABLE: readonly (readonly [what: string, name: string, type: Asking['type'], answer: string])[] = [
  ['a Service', `cart.shop.${S}`, 'A', 'NOERROR: A 10.96.0.1'],
  ['a Service, another family', `cart.shop.${S}`, 'AAAA', EMPTY],
  ['a Service, another type', `cart.shop.${S}`, 'TXT', EMPTY],
  ['a Service, everything', `cart.shop.${S}`, 'ANY', 'NOERROR: HINFO RFC8482'],
  ['a port', `_http._tcp.cart.shop.${S}`, 'SRV', `NOERROR: SRV 80 cart.shop.${S}, +cart.shop.${S} A 10.96.0.1`],
  ['a port that is not told', `_ssh._tcp.cart.shop.${S}`, 'SRV', 'forward'],
  ['a headless Service', `web.shop.${S}`, 'A', 'NOERROR: A 10.1.0.1'],
  ['a pod of a StatefulSet', `web-0.web.shop.${S}`, 'A', 'NOERROR: A 10.1.0.1'],
  ['a pod of a StatefulSet, another family', `web-0.web.shop.${S}`, 'AAAA', EMPTY],
  ['ports of a headless Service', `_http._tcp.web.shop.${S}`, 'SRV', `NOERROR: SRV 8080 web-0.web.shop.${S}, +web-0.web.shop.${S} A 10.1.0.1`],
  ['a pod that is not there', `web-7.web.shop.${S}`, 'A', 'forward'],
  ['a headless Service without a ready endpoint', `idle.shop.${S}`, 'A', 'forward'],
  ['a Service that is not told, such as an ExternalName', `other.shop.${S}`, 'A', 'forward'],
  ['a pod by its address', '10-1-0-1.shop.pod.cluster.local', 'A', 'forward'],
  ['the version of the cluster’s own names', 'dns-version.cluster.local', 'TXT', 'forward'],
  ['an address', '1.0.1.10.in-addr.arpa', 'PTR', 'forward'],
  ['an address, as if it were a host', '1.0.1.10.in-addr.arpa', 'A', 'forward'],
  ['the root', '', 'NS', 'forward'],
  ['a host of a ServiceEntry', 'api.example.com', 'A', 'NOERROR: A 240.240.0.1'],
  ['a host of a ServiceEntry', 'api.example.com', 'AAAA', 'NOERROR: AAAA 2001:2::1'],
  ['a host of a ServiceEntry without an address of the family', 'four.example.com', 'AAAA', 'NOERROR'],
  ['another type of a host of a ServiceEntry', 'api.example.com', 'MX', 'forward'],
  ['everything of a host of a ServiceEntry', 'api.example.com', 'ANY', 'forward'],
  ['a host without an address', 'none.example.com', 'MX', 'forward'],
  ['a wildcard', 'x.example.com', 'A', 'NOERROR: A 240.240.0.3'],
  ['a wildcard of several labels', 'y.x.example.com', 'A', 'NOERROR: A 240.240.0.3'],
  ['the most specific wildcard', 'x.deep.example.com', 'A', 'NOERROR: A 240.240.0.4'],
  ['the domain of a wildcard', 'deep.example.com', 'A', 'NOERROR: A 240.240.0.3'],
  ['no wildcard hides names of the cluster', `other.shop.${S}`, 'A', 'forward'],
  ['no wildcard hides names of the clusterset', 'nobody.shop.svc.clusterset.local', 'A', 'NXDOMAIN: zone clusterset.local'],
  ['somebody else’s', 'www.example.org', 'A', 'forward'],
  ['what only looks like the clusterset', 'cart.shop.svc.notclusterset.org', 'A', 'forward'],

  ['a short name', 'cart', 'A', 'NOERROR: A 10.96.0.1'],
  ['a short name, another family', 'cart', 'AAAA', 'NOERROR'],
  ['a short name with its namespace', 'cart.shop', 'A', 'NOERROR: A 10.96.0.1'],
  ['a short name with svc', 'cart.shop.svc', 'A', 'NOERROR: A 10.96.0.1'],
  ['a pod of a StatefulSet by a short name', 'web-0.web', 'A', 'NOERROR: A 10.1.0.1'],
  ['a short name that nobody has', 'nobody', 'A', 'forward'],

  ['a host behind which the search list stands', `api.example.com.shop.${S}`, 'A', `NOERROR: CNAME api.example.com, api.example.com A 240.240.0.1`],
  ['a host behind which the search list stands, another family', `four.example.com.shop.${S}`, 'AAAA', 'NOERROR: CNAME four.example.com'],
  ['the second of the search list', `four.example.com.${S}`, 'A', 'forward'],
  ['the second of the search list', `api.deep.example.com.${S}`, 'A', 'NOERROR: A 240.240.0.4'],
  ['the last of the search list', 'api.example.com.cluster.local', 'A', 'NOERROR: CNAME api.example.com, api.example.com A 240.240.0.1'],
  ['a wildcard, which has no name of its own', `z.example.com.shop.${S}`, 'A', 'NOERROR: A 240.240.0.3'],
  ['the clusterset behind which the search list stands', `cart.shop.svc.clusterset.local.shop.${S}`, 'A', 'NOERROR: CNAME cart.shop.svc.clusterset.local, cart.shop.svc.clusterset.local A 10.96.0.7'],
  ['the clusterset behind which the search list stands, another family', `cart.shop.svc.clusterset.local.shop.${S}`, 'AAAA', 'NOERROR: CNAME cart.shop.svc.clusterset.local, zone clusterset.local'],
  ['nobody of the clusterset behind whom the search list stands', `nobody.shop.svc.clusterset.local.shop.${S}`, 'A', 'forward'],
  ['a port behind which the search list stands', `_http._tcp.cart.shop.svc.clusterset.local.shop.${S}`, 'SRV', 'NOERROR: CNAME _http._tcp.cart.shop.svc.clusterset.local, _http._tcp.cart.shop.svc.clusterset.local SRV 80 cart.shop.svc.clusterset.local, +cart.shop.svc.clusterset.local A 10.96.0.7'],
  ['a name with its namespace behind which the search list stands', `cart.shop.shop.${S}`, 'A', `NOERROR: CNAME cart.shop.${S}, cart.shop.${S} A 10.96.0.1`],
  ['somebody else’s search list', `api.example.com.bank.${S}`, 'A', 'forward'],
  ['everybody’s name behind which the search list stands', `www.example.org.shop.${S}`, 'A', 'forward'],
];

for (const [what, name, type = 'A', answer] of TABLE) {
  test(`${what}: ${name || '.'} ${type}`, (t) => {
    t.is(ask(MESH, name, { type }), answer);
  });
}

test('what lies below a Service that is there is its own, whatever a search list makes of it', (t) => {
  // `four.example.com` + `svc.cluster.local` may be an endpoint of Service `example` in namespace `com`.
  t.is(ask(MESH, `four.example.com.${S}`), 'forward');
  t.is(ask(MESH.filter((each) => each !== example), `four.example.com.${S}`), 'NOERROR: CNAME four.example.com, four.example.com A 240.240.0.2');
});

test('the search list is the pod’s own', (t) => {
  const own = { isClusterFirst: true, searches: ['lab.internal', 'svc.clusterset.local'] };
  t.is(ask(MESH, 'api.example.com.lab.internal', { dns: own }), 'NOERROR: CNAME api.example.com, api.example.com A 240.240.0.1');
  t.is(ask(MESH, 'api.example.com.lab.internal'), 'forward');
  t.is(ask([shared], 'cart.shop', { dns: own }), 'NOERROR: A 10.96.0.7');
  t.is(ask(MESH, 'cart.shop', { dns: own }), 'NOERROR: A 10.96.0.1', 'the cluster’s own comes first');
  for (const dns of [{ isClusterFirst: false, searches: [] }, { isClusterFirst: false, searches: ['lab.internal'] }]) {
    for (const name of ['cart', 'cart.shop', `api.example.com.shop.${S}`]) t.is(ask(MESH, name, { dns }), 'forward', name);
    t.is(ask(MESH, `cart.shop.${S}`, { dns }), 'NOERROR: A 10.96.0.1');
  }
});

test('a Service of the search list that is there comes before a later one, also where the cluster’s own DNS has to say what it is', (t) => {
  const later = namedService('idle', 'clusterset.local', { addresses: ['/10.96.0.8'] });
  const dns = { isClusterFirst: true, searches: ['svc.clusterset.local'] };
  t.is(ask([later], 'idle.shop', { dns }), 'NOERROR: A 10.96.0.8');
  t.is(ask([...MESH, later], 'idle.shop', { dns }), 'forward');
});

test('a short name is that of the asker’s own namespace', (t) => {
  t.is(ask(MESH, 'cart', { namespace: 'bank' }), 'forward');
  t.is(ask(MESH, 'cart.shop', { namespace: 'bank' }), 'NOERROR: A 10.96.0.1');
  t.is(ask(MESH, `cart.shop.bank.${S}`, { namespace: 'bank' }), `NOERROR: CNAME cart.shop.${S}, cart.shop.${S} A 10.96.0.1`);
});

test('a cluster may have another domain', (t) => {
  const there = namedService('cart', 'cluster.local', { hostname: 'cart.shop.svc.west.internal', addresses: ['/10.96.0.1'] });
  t.is(ask([there], 'cart.shop.svc.west.internal', { clusterDomain: 'west.internal' }), 'NOERROR: A 10.96.0.1');
  t.is(ask([there], 'cart.shop.svc.west.internal', { clusterDomain: 'west.internal', type: 'AAAA' }), 'NOERROR: zone west.internal');
  t.is(ask([there], 'cart', { clusterDomain: 'west.internal' }), 'NOERROR: A 10.96.0.1');
  t.is(ask([cart], `cart.shop.${S}`, { clusterDomain: 'west.internal' }), 'NOERROR: A 10.96.0.1', 'a host like any other');
});

test('of Istio’s control plane, a headless Service is known by its healthy endpoints, their names are not', (t) => {
  const bare = serviceOf('bare', { namespace: 'shop', hostname: `bare.shop.${S}` });
  const mesh = [bare, workloadOf(1, { services: new Map([[bare.key, new Map()]]) }), workloadOf(2, { healthy: false, services: new Map([[bare.key, new Map()]]) })];
  t.is(ask(mesh, `bare.shop.${S}`), 'NOERROR: A 10.1.0.1');
  t.is(ask(mesh, `echo-1.bare.shop.${S}`), 'forward');
  t.is(ask(mesh, `_http._tcp.bare.shop.${S}`, { type: 'SRV' }), 'forward');
});

test('before discovery has told everything, others are asked', (t) => {
  for (const name of [`cart.shop.${S}`, 'cart', 'api.example.com', 'www.example.org']) t.is(ask(MESH, name, { isReady: false }), 'forward');
});

test('what is no question for records goes on, or is refused for the clusterset', (t) => {
  const bytes = (name: string, change: (message: Buffer) => void): Uint8Array => {
    const message = Buffer.from(exampleQueryBytes(name));
    change(message);
    return message;
  };
  const code = (answer: Uint8Array | string): unknown => (typeof answer === 'string' ? answer : (answer[3] ?? 0) & 0xf);
  const registry = registryOf(...MESH);
  for (const change of [(message: Buffer): unknown => (message[2] = 0x28), (message: Buffer): unknown => message.writeUInt16BE(3, message.length - 2), (message: Buffer): unknown => message.writeUInt16BE(252, message.length - 4)]) {
    t.is(code(askBytes(registry, bytes(`cart.shop.${S}`, change))), 'forward');
    t.is(code(askBytes(registry, bytes('cart.shop.svc.clusterset.local', change))), 5);
  }
});

test('a name that can not be written is nobody’s, and never leaves the clusterset', (t) => {
  const odd = (zone: string): Uint8Array => Uint8Array.from(exampleQueryBytes(`a-b.${zone}`)).with(14, 0x2e);
  const registry = registryOf(...MESH);
  t.is(askBytes(registry, odd('example.com')), 'forward');
  const answer = askBytes(registry, odd('svc.clusterset.local'));
  t.is(typeof answer === 'string' ? answer : (answer[3] ?? 0) & 0xf, 3);
});

test('of a later version of EDNS, our own names have an answer that says so', (t) => {
  const asked = (name: string): unknown => askBytes(registryOf(...MESH), exampleQueryBytes(name, 'A', { version: 1 }));
  t.is(asked('www.example.org'), 'forward');
  const answer = asked(`cart.shop.${S}`) as Uint8Array;
  t.deepEqual([(answer[3] ?? 0) & 0xf, answer.at(-6)], [0, 1], 'BADVERS is 16');
});

test('garbage is answered as such, answers and nothing at all not', (t) => {
  const registry = registryOf();
  t.is(askBytes(registry, new Uint8Array(11)), 'drop');
  t.is(askBytes(registry, exampleQueryBytes('a').with(2, 0x80)), 'drop');
  t.deepEqual([...(askBytes(registry, exampleQueryBytes('a').subarray(0, 14)) as Uint8Array)], [0x12, 0x34, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test('many endpoints are as many as there is room for, in any order, and by TCP all', (t) => {
  const many = [web, ...Array.from({ length: 300 }, (_, n) => namedEndpoint('east', `web-${n}`, [`10.1.${n >> 8}.${n & 0xff}`], [web], { hostname: `web-${n}` }))];
  const count = (asking: Asking): number => ask(many, `web.shop.${S}`, asking).split(', ').length;
  t.deepEqual([count({}), count({ edns: { udpBytes: 4096 } }), count({ transport: 'tcp' })], [29, 73, 300]);
  t.regex(ask(many, `web.shop.${S}`), /truncated/);
  t.notRegex(ask(many, `web.shop.${S}`, { transport: 'tcp' }), /truncated/);
});
