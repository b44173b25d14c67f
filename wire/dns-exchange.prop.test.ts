import { Buffer } from 'node:buffer';
import test from 'ava';
import fc from 'fast-check';
import { answersDnsQuery, dnsFailure, withDnsId } from './dns-exchange.ts';
import { parseDnsQuery } from './dns-message.ts';
import { bareAnswer, encodeDnsAnswer } from './dns-response.ts';
import { exampleQuery, exampleQueryBytes } from './example-dns.ts';

const NAME = 'Cart.shop.svc.cluster.local';
const query = exampleQueryBytes(NAME, 'A', {});
const answer = encodeDnsAnswer(exampleQuery(NAME, {}), bareAnswer('NXDOMAIN'), 512);

test('an answer is one to its own query alone', (t) => {
  t.true(answersDnsQuery(answer, query));
  t.true(answersDnsQuery(encodeDnsAnswer(exampleQuery(NAME.toLowerCase(), {}), bareAnswer('NOERROR'), 512), query), 'in small letters');
  t.false(answersDnsQuery(query, query), 'the query itself');
  t.false(answersDnsQuery(withDnsId(answer, 0x4321), query), 'another id');
  t.false(answersDnsQuery(answer, exampleQueryBytes(NAME, 'AAAA', {})), 'another type');
  t.false(answersDnsQuery(answer, exampleQueryBytes(`x${NAME.slice(1)}`, 'A', {})), 'another name');
  const update = Uint8Array.from(query);
  update[2] = 0x28;
  t.false(answersDnsQuery(answer, update), 'another operation');
  const bare = (rcode: number): Uint8Array => Buffer.concat([query.subarray(0, 2), Buffer.from([0x80, rcode]), Buffer.alloc(8)]);
  t.true(answersDnsQuery(bare(1), query), 'an error without a question');
  t.false(answersDnsQuery(bare(0), query), 'no error without one');
});

test('of a type only its own bytes are meant', (t) => {
  // 65 and 97 are one letter in two cases.
  const [https, other] = [exampleQueryBytes('a', 65), exampleQueryBytes('a', 97)];
  const answering = Uint8Array.from(https);
  answering[2] = 0x80;
  t.true(answersDnsQuery(answering, https));
  t.false(answersDnsQuery(answering, other));
});

test('a failure answers its query, and nothing answers what is none', (t) => {
  for (const transport of ['udp', 'tcp'] as const) {
    const failure = dnsFailure(query, transport) ?? Buffer.alloc(0);
    t.true(answersDnsQuery(failure, query));
    t.is(Buffer.from(failure).readUInt16BE(2) & 0xf, 2);
  }
  t.is(dnsFailure(answer, 'udp'), undefined);
  t.is(dnsFailure(query.subarray(0, 11), 'udp'), undefined);
});

test('neither is ever in doubt, whatever the bytes are', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), fc.uint8Array({ maxLength: 600 }), fc.nat(0xffff), (bytes, other, id) => {
    t.is(typeof answersDnsQuery(bytes, other), 'boolean');
    const failure = dnsFailure(bytes, 'udp');
    t.is(failure === undefined, parseDnsQuery(bytes).kind === 'no-query');
    if (failure !== undefined) t.true(answersDnsQuery(withDnsId(failure, id), withDnsId(bytes, id)));
  }), { numRuns: 500 });
});
