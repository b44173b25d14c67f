import { Buffer } from 'node:buffer';
import { DNS_TYPE, parseDnsQuery } from '@landbridge/wire/dns-message.ts';
import { maxAnswerBytes } from '@landbridge/wire/dns-response.ts';
import { exampleQueryBytes } from '@landbridge/wire/example-dns.ts';
import test from 'ava';
import { decode } from 'dns-packet';
import fc from 'fast-check';
import { registryOf, serviceOf, workloadOf } from '../discovery/test-resources.ts';
import { hostKey, type Service, type Workload } from '../discovery/wds-address.ts';
import type { NamedPort } from '../discovery/wds-names.ts';
import { askBytes, type Asking } from './test-names.ts';

/** Few words, so that questions meet what is there. */
const word = fc.constantFrom('cart', 'web', 'shop', 'bank', 'east', '_http', '_tcp', 'svc', 'pod', '*', 'example', 'a'.repeat(63));
const zone = fc.constantFrom('svc.cluster.local', 'svc.clusterset.local', 'clusterset.local', 'cluster.local', 'example.com', 'arpa', '');
const name = fc.tuple(fc.array(word, { maxLength: 6 }), zone).map(([words, end]) => [...words, end].filter((part) => part !== '').join('.')).filter((text) => text.length <= 253);
const namespace = fc.constantFrom('shop', 'bank');
const port: fc.Arbitrary<NamedPort> = fc.record({ name: fc.constantFrom('http', 'dns'), protocol: fc.constantFrom('tcp' as const, 'udp' as const), port: fc.nat(65_535) });
const address = fc.tuple(fc.constantFrom('', 'n1'), fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1', '127.0.0.1')).map((parts) => parts.join('/'));
const addresses = fc.uniqueArray(address, { maxLength: 4 });
const service: fc.Arbitrary<Service> = fc.record({
  // Whatever a control plane says, names that can not be written as well.
  hostname: fc.oneof({ weight: 6, arbitrary: fc.tuple(word, namespace, fc.constantFrom('svc.cluster.local', 'svc.clusterset.local')).map((parts) => parts.join('.')) }, name.filter((text) => text !== ''), fc.string({ minLength: 1, maxLength: 300 })),
  namespace,
  addresses,
  names: fc.option(fc.record({ headless: fc.boolean(), ports: fc.array(port, { maxLength: 2 }) }), { nil: undefined }),
  ipFamilies: fc.constantFrom('automatic' as const, 'ipv4' as const, 'ipv6' as const, 'dual' as const),
  visibility: fc.constantFrom('public' as const, 'namespace' as const),
}).map((over) => serviceOf('s', over));
const workloads = (services: readonly Service[]): fc.Arbitrary<Workload[]> => fc.array(fc.record({
  uid: fc.constantFrom('a', 'b', 'c', 'd'), cluster: fc.constantFrom('east', 'west', 'x'.repeat(300), 'a.b'), addresses, healthy: fc.boolean(),
  of: fc.array(fc.tuple(fc.constantFrom(...services.map(({ key }) => key), hostKey('shop', 'gone')), fc.record({ hostname: fc.constantFrom('', 'web', 'cart', 'a'.repeat(63)), ipv4: fc.boolean(), ipv6: fc.boolean(), ports: fc.array(port, { maxLength: 2 }) })), { maxLength: 3 }),
}).map(({ of, ...over }) => workloadOf(1, { ...over, names: new Map(of), services: new Map(of.map(([key]) => [key, new Map()])) })), { maxLength: 6 });
const mesh = fc.array(service, { maxLength: 6 }).chain((services) => workloads(services).map((all) => [...services, ...all]));
const asking: fc.Arbitrary<Asking> = fc.record({
  transport: fc.constantFrom('udp' as const, 'tcp' as const), namespace, isReady: fc.boolean(), network: fc.constantFrom('', 'n1'), clusterDomain: fc.constantFrom('cluster.local', 'example.com'),
  dns: fc.record({ isClusterFirst: fc.boolean(), searches: fc.array(fc.oneof(zone.filter((text) => text !== ''), fc.string({ minLength: 1, maxLength: 20 })), { maxLength: 3 }) }),
});
const edns = fc.option(fc.record({ udpBytes: fc.nat(65_535), version: fc.constantFrom(0, 1), wantsSignatures: fc.boolean() }), { nil: undefined });
const type = fc.oneof(fc.constantFrom(...Object.values(DNS_TYPE)), fc.nat(65_535));

test('whatever the mesh is, an answer parses, fits, has number and question of its query, and the clusterset asks nobody', (t) => {
  fc.assert(
    fc.property(mesh, name, type, edns, asking, (resources, asked, kind, option, how) => {
      const query = exampleQueryBytes(asked, kind, option);
      const answer = askBytes(registryOf(...resources), query, how);
      const isClusterset = asked === 'clusterset.local' || asked.endsWith('.clusterset.local');
      if (typeof answer === 'string') return void t.deepEqual([answer, isClusterset], ['forward', false]);
      const parsed = parseDnsQuery(query);
      if (parsed.kind !== 'query') return t.fail();
      t.true(answer.length <= maxAnswerBytes(parsed.query, how.transport ?? 'udp'));
      const message = decode(Buffer.from(answer)) as ReturnType<typeof decode> & { readonly rcode: string };
      t.is(decode.bytes, answer.length);
      t.deepEqual([message.id, message.flag_qr, message.questions?.[0]?.name], [0x1234, true, asked === '' ? '.' : asked]);
      t.is(message.additionals?.filter(({ type: each }) => each === 'OPT').length, option === undefined ? 0 : 1);
      if (how.isReady === false) t.true(isClusterset && ['SERVFAIL', 'REFUSED', 'NOERROR'].includes(message.rcode) && message.answers?.length === 0);
      // Every record is the question's, or of where it leads.
      const owners = new Set([asked.toLowerCase(), ...(message.answers ?? []).flatMap((record) => (record.type === 'CNAME' ? [record.data.toLowerCase()] : []))]);
      for (const record of message.answers ?? []) t.true(owners.has(record.name.toLowerCase()));
      if (message.rcode === 'NXDOMAIN') t.is(message.answers?.length, 0);
    }),
    { numRuns: 3000 },
  );
});

test('the same is said of a name in any case of its letters', (t) => {
  fc.assert(
    fc.property(mesh, name, fc.constantFrom(DNS_TYPE.A, DNS_TYPE.AAAA, DNS_TYPE.SRV), asking, (resources, asked, kind, how) => {
      const registry = registryOf(...resources);
      const said = (text: string): unknown => {
        const answer = askBytes(registry, exampleQueryBytes(text, kind), how);
        // Behind the question.
        return typeof answer === 'string' ? answer : [answer[3], Buffer.from(answer.subarray(16 + text.length)).toString('hex')];
      };
      t.deepEqual(said(asked.toUpperCase()), said(asked));
    }),
    { numRuns: 500 },
  );
});
