import { formatPrefix } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import { exampleServiceEntry } from './example-entries.ts';
import { type ReadEntry, readServiceEntry, type ServiceEntry } from './service-entry.ts';

const read = (spec: object, metadata: object = {}, status: object = {}): ReadEntry<ServiceEntry> => readServiceEntry(exampleServiceEntry('db', { resolution: 'STATIC', ...spec }, metadata, status)) as ReadEntry<ServiceEntry>;

test('an entry is read with all that agents have a use for', (t) => {
  const { entry, faults } = read({
    hosts: ['DB.Example', '*.db.example', 'db.example'],
    addresses: ['203.0.113.7', '2001:DB8::7', '198.51.100.9/24', '203.0.113.9/32'],
    ports: [{ number: 80, name: 'http', protocol: 'http', targetPort: 8080 }, { number: 5432, name: 'sql' }],
    endpoints: [{ address: '192.0.2.1', ports: { http: 81 }, labels: { v: '1' }, network: 'n2', locality: 'r/z/s/x', weight: 5, serviceAccount: 'db' }, { network: 'n3' }],
    exportTo: ['.'],
    subjectAltNames: ['spiffe://x/ns/y/sa/z'],
  }, { annotations: { 'networking.istio.io/traffic-distribution': 'PreferClose' }, creationTimestamp: new Date(5) });
  t.deepEqual(faults, []);
  t.like(entry, { key: 'shop/db', createdAt: 5, hosts: ['db.example', '*.db.example'], addresses: ['203.0.113.7', '2001:db8::7', '203.0.113.9'] as never, resolution: 'static', isPublic: false, isAllocated: false, areHostsEndpoints: false });
  t.deepEqual(entry?.ranges.map(formatPrefix), ['198.51.100.0/24']);
  t.deepEqual(entry?.ports, [{ number: 80, name: 'http', protocol: 'HTTP', target: 8080 }, { number: 5432, name: 'sql', protocol: '', target: 5432 }]);
  t.deepEqual(entry?.endpoints[0], { address: '192.0.2.1' as never, hostname: '', ports: new Map([['http', 81]]), labels: { v: '1' }, network: 'n2', locality: { region: 'r', zone: 'z', subzone: 's' }, serviceAccount: 'db', weight: 5 });
  t.like(entry?.endpoints[1], { address: undefined, hostname: '', network: 'n3' });
  t.deepEqual(entry?.loadBalancing?.preferences, ['network', 'region', 'zone']);
});

test('without a resolution connections go where they are for', (t) => {
  t.like(read({ resolution: undefined }).entry, { resolution: 'none', isAllocated: false, loadBalancing: { mode: 'passthrough', preferences: [], health: 'allow-all' } });
});

test('names that nobody says endpoints for are looked up themselves, wildcards can not be', (t) => {
  const { entry, faults } = read({ resolution: 'DNS', hosts: ['a.example', '*.b.example'] });
  t.true(entry?.areHostsEndpoints);
  t.deepEqual(faults, ['spec.hosts: *.b.example stands for many names, and needs endpoints']);
  t.false(read({ resolution: 'DNS', endpoints: [{ address: 'c.example' }] }).entry?.areHostsEndpoints);
  t.false(read({ resolution: 'DNS', endpoints: [{ address: '127.0.0.1' }] }).entry?.areHostsEndpoints, 'not in place of endpoints that can not be read');
  t.false(read({ resolution: 'DNS_ROUND_ROBIN', workloadSelector: { labels: { a: 'b' } } }).entry?.areHostsEndpoints);
});

test('automatic addresses are those of the status, where nobody says any, opts out or has no use for one', (t) => {
  const status = { addresses: [{ value: '240.240.0.1', host: 'Db.example' }, { value: '2001:2::1', host: 'db.example' }, { value: '127.0.0.1', host: 'db.example' }, { host: 'db.example' }, 'x', null] };
  t.deepEqual(read({}, {}, status).entry?.allocated, new Map([['db.example', ['240.240.0.1', '2001:2::1']]]) as never);
  for (const [spec, metadata] of [[{ addresses: ['203.0.113.1'] }, {}], [{ addresses: ['nonsense'] }, {}], [{ resolution: 'NONE' }, {}], [{}, { labels: { 'networking.istio.io/enable-autoallocate-ip': 'False' } }]] as const) {
    t.false(read(spec, metadata, status).entry?.isAllocated);
  }
});

test('visible in its own namespace alone, if it says nothing else', (t) => {
  for (const [exportTo, isPublic] of [[undefined, true], [[], true], [['*'], true], [['.'], false], [['shop'], false], [['~'], false], [['.', 'bank'], true], ['.', true]] as const) t.is(read({ exportTo }).entry?.isPublic, isPublic, JSON.stringify(exportTo));
});

test('what can not be read is left out and told, the rest stays', (t) => {
  const cases: [object, string | RegExp, (entry: ServiceEntry | undefined) => unknown, unknown][] = [
    [{ hosts: ['*', 'db.example', 'a_b', '0177.0.0.1', '10.0.0.1', 'x.shop.svc.clusterset.local', '*.clusterset.local', 7] }, 'spec.hosts[0]', (entry) => entry?.hosts, ['db.example']],
    [{ addresses: ['0177.0.0.1', '::ffff:127.0.0.1', '127.0.0.0/8', '1.2.3.4/33', '169.254.169.254', '203.0.113.1', null, '::ffff:203.0.113.2'] }, 'spec.addresses[0]', (entry) => entry?.addresses, ['203.0.113.1', '203.0.113.2']],
    [{ resolution: 'DNS', addresses: ['198.51.100.0/24'] }, 'spec.addresses[0] is a range', (entry) => entry?.ranges, []],
    [{ ports: [{ number: 0, name: 'a' }, { number: 80, name: 'b' }, { number: 80, name: 'c' }, { number: 81, targetPort: 65536 }, { number: '82' }, null] }, 'spec.ports[0]', (entry) => entry?.ports.map(({ name }) => name), ['b']],
    [{ endpoints: [{ address: '0177.0.0.1' }, { address: '::ffff:127.0.0.1' }, { address: 'unix:///run/x' }, { address: 'a.example' }, {}, 'x', { address: '192.0.2.1', ports: { http: 0 } }, { address: '192.0.2.1', weight: -1 }, { address: '192.0.2.1', serviceAccount: 'A/b' }, { address: '192.0.2.1', labels: { a: 1 } }, { address: '192.0.2.2' }] }, 'spec.endpoints[0]', (entry) => entry?.endpoints.map(({ address }) => address), ['192.0.2.2']],
    [{ resolution: 'NONE', endpoints: [{ address: '192.0.2.2' }] }, 'spec.endpoints[0] is not used', (entry) => entry?.endpoints, []],
    [{ workloadSelector: { labels: { a: 1 } } }, 'spec.workloadSelector', (entry) => entry?.selector, undefined],
    [{ ports: {} }, 'spec.ports is no list', (entry) => entry?.ports, []],
    [{ hosts: Array.from({ length: 300 }, (_, i) => `h${i}.example`) }, 'spec.hosts has more than 256', (entry) => entry?.hosts.length, 256],
    [{ resolution: 'SOMEHOW' }, 'spec.resolution is none', (entry) => entry, undefined],
    [{ resolution: 'constructor' }, 'spec.resolution is none', (entry) => entry, undefined],
    [{ hosts: [] }, 'spec.hosts is empty', (entry) => entry, undefined],
  ];
  for (const [spec, fault, look, expected] of cases) {
    const { entry, faults } = read(spec);
    t.true(faults.some((each) => each.startsWith(fault as string)), `${JSON.stringify(faults)} has no ${fault}`);
    t.deepEqual(look(entry), expected, JSON.stringify(spec));
  }
});

test('what waypoints alone can do is not in doubt, and not for agents', (t) => {
  t.like(read({ resolution: 'DYNAMIC_DNS', hosts: ['*.example'] }), { entry: undefined, faults: [], unsupported: 'Agents do not know the resolution DYNAMIC_DNS, which is for waypoints.' });
});

test('without the names that every object has there is nothing', (t) => {
  for (const object of [undefined, null, 7, {}, { metadata: {} }, { metadata: { name: 'a/b', namespace: 'shop' } }, { metadata: { name: 'a', namespace: '' } }]) t.is(readServiceEntry(object), undefined);
});
