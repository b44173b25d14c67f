import { Buffer } from 'node:buffer';
import { type IpAddress, ipFromBytes } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import { decode } from 'dns-packet';
import fc from 'fast-check';
import { parseDnsQuery } from './dns-message.ts';
import { type DnsRcode, type DnsRecord, encodeDnsAnswer, encodeDnsRefusal, maxAnswerBytes } from './dns-response.ts';
import { exampleQueryBytes } from './example-dns.ts';

const label = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_'), minLength: 1, maxLength: 63 });
const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.')).filter((text) => text.length <= 253);
const edns = fc.option(fc.record({ udpBytes: fc.integer({ min: 0, max: 65_535 }), wantsSignatures: fc.boolean() }), { nil: undefined });
const ip = (bytes: Uint8Array): IpAddress => {
  const parsed = ipFromBytes(bytes);
  if (!parsed.ok) throw new RangeError(parsed.error);
  return parsed.value;
};
const anyName = fc.oneof(name, fc.string({ maxLength: 300 }));
const head = { owner: anyName, ttlSeconds: fc.nat(0x7fff_ffff) };
const record: fc.Arbitrary<DnsRecord> = fc.oneof(
  fc.record({ ...head, type: fc.constantFrom('A' as const, 'AAAA' as const), address: fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })).map(ip) }),
  fc.record({ ...head, type: fc.constant('CNAME' as const), target: anyName }),
  fc.record({ ...head, type: fc.constant('SRV' as const), priority: fc.nat(65_535), weight: fc.nat(65_535), port: fc.nat(65_535), target: anyName }),
);

test('whatever is to be answered, it parses, is no longer than allowed, and has the question and the number of the query', (t) => {
  fc.assert(
    fc.property(name, edns, fc.constantFrom('udp' as const, 'tcp' as const), fc.array(record, { maxLength: 60 }), fc.array(record, { maxLength: 10 }), fc.constantFrom<DnsRcode>('NOERROR', 'NXDOMAIN', 'SERVFAIL'), (asked, option, transport, answers, additionals, rcode) => {
      const bytes = exampleQueryBytes(asked, 'A', option);
      const parsed = parseDnsQuery(bytes);
      if (parsed.kind !== 'query') return t.fail();
      const max = maxAnswerBytes(parsed.query, transport);
      // The first owner is the question's, as in every answer there is.
      const own = answers.map((each): DnsRecord => ({ ...each, owner: asked.toLowerCase() }));
      const encoded = encodeDnsAnswer(parsed.query, { rcode, authoritative: true, answers: [...own, ...answers], authorities: [], additionals }, max);
      t.true(encoded.length <= max);
      const message = decode(Buffer.from(encoded));
      t.is(decode.bytes, encoded.length);
      t.deepEqual([message.id, message.flag_qr, message.questions?.[0]?.name], [0x1234, true, asked]);
      for (const each of message.answers?.slice(0, own.length) ?? []) if (each.name !== asked) t.true(answers.some(({ owner }) => owner === each.name));
    }),
    { numRuns: 500 },
  );
});

test('any bytes give an answer', (t) => {
  const good = exampleQueryBytes('cart.shop.svc.clusterset.local', 'A', { udpBytes: 1400 });
  const inputs = fc.oneof(fc.uint8Array({ maxLength: 120 }), fc.uint8Array({ minLength: 12, maxLength: 120 }).map((bytes) => Uint8Array.from(bytes.with(2, bytes[2] as number & 0x07).with(4, 0).with(5, 1))), fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => good.with(at, byte)));
  fc.assert(
    fc.property(inputs, (bytes) => {
      const parsed = parseDnsQuery(bytes);
      if (parsed.kind === 'no-query') return;
      const encoded = parsed.kind === 'malformed' ? encodeDnsRefusal(bytes, 'FORMERR') : encodeDnsAnswer(parsed.query, { rcode: 'REFUSED', authoritative: false, answers: [], authorities: [], additionals: [] }, 512);
      t.deepEqual([...encoded.subarray(0, 2)], [...bytes.subarray(0, 2)]);
      t.true(((encoded[2] ?? 0) & 0x80) !== 0 && encoded.length <= 512);
    }),
    { numRuns: 3000 },
  );
});
