import { Buffer } from 'node:buffer';
import test from 'ava';
import { decode } from 'dns-packet';
import { exampleQuery, ipAddress } from './example-dns.ts';
import { DNS_RCODE, type DnsAnswer, type DnsRcode, type DnsRecord, encodeDnsAnswer, encodeDnsRefusal, MAX_TCP_BYTES, MAX_UDP_BYTES, maxAnswerBytes, MIN_UDP_BYTES } from './dns-response.ts';

const NAME = 'cart.shop.svc.clusterset.local';
const answerOf = (more: Partial<DnsAnswer>): DnsAnswer => ({ rcode: 'NOERROR', authoritative: true, answers: [], authorities: [], additionals: [], ...more });
const address = (n: number, owner = NAME): DnsRecord => ({ type: 'A', owner, ttlSeconds: 30, address: ipAddress(`10.0.${n >> 8}.${n & 0xff}`) });
const soa: DnsRecord = { type: 'SOA', owner: 'clusterset.local', ttlSeconds: 5, primary: 'ns.dns.clusterset.local', mailbox: 'hostmaster.clusterset.local', serial: 1, refreshSeconds: 7200, retrySeconds: 1800, expireSeconds: 86_400, negativeTtlSeconds: 5 };
const read = (bytes: Uint8Array): ReturnType<typeof decode> => decode(Buffer.from(bytes));

test('an answer has the number and the question of its query, letter by letter', (t) => {
  const query = exampleQuery('CART.shop.svc.Clusterset.local');
  const bytes = encodeDnsAnswer(query, answerOf({ answers: [address(1)] }), 512);
  t.deepEqual(Buffer.from(bytes).subarray(12, 12 + query.question.bytes.length), Buffer.from(query.question.bytes));
  t.like(read(bytes), { id: query.id, type: 'response', flag_aa: true, flag_tc: false, flag_rd: true, flag_ra: true, flag_ad: false, additionals: [] });
  t.like(read(bytes).answers?.[0], { name: 'CART.shop.svc.Clusterset.local', type: 'A', class: 'IN', ttl: 30, data: '10.0.0.1' });
});

test('every kind of record is read back as it was meant', (t) => {
  const target = `web-0.east.${NAME}`;
  const records: DnsRecord[] = [
    { type: 'CNAME', owner: NAME, ttlSeconds: 30, target: 'other.example' },
    { type: 'AAAA', owner: 'other.example', ttlSeconds: 30, address: ipAddress('fd00::1') },
    { type: 'SRV', owner: NAME, ttlSeconds: 30, priority: 0, weight: 50, port: 8080, target },
    { type: 'TXT', owner: NAME, ttlSeconds: 5, text: '1.0.0' },
    { type: 'HINFO', owner: NAME, ttlSeconds: 5, cpu: 'RFC8482', os: '' },
  ];
  const message = read(encodeDnsAnswer(exampleQuery(NAME), answerOf({ answers: records, authorities: [soa], additionals: [{ type: 'A', owner: target, ttlSeconds: 30, address: ipAddress('10.1.0.1') }] }), 512));
  t.deepEqual(message.answers?.map((record) => ('data' in record ? record.data : undefined)), ['other.example', 'fd00::1', { priority: 0, weight: 50, port: 8080, target }, [Buffer.from('1.0.0')], { cpu: 'RFC8482', os: '' }]);
  t.deepEqual(message.answers?.map(({ name }) => name), [NAME, 'other.example', NAME, NAME, NAME]);
  t.like(message.authorities?.[0], { name: 'clusterset.local', type: 'SOA', ttl: 5, data: { mname: 'ns.dns.clusterset.local', rname: 'hostmaster.clusterset.local', minimum: 5 } });
  t.like(message.additionals?.[0], { name: target, data: '10.1.0.1' });
});

test('names that stand in the message already are pointers', (t) => {
  const one = encodeDnsAnswer(exampleQuery(NAME), answerOf({ answers: [address(1)] }), 512).length;
  const two = encodeDnsAnswer(exampleQuery(NAME), answerOf({ answers: [address(1), address(2)] }), 512).length;
  t.is(two - one, 16);
  const negative = encodeDnsAnswer(exampleQuery(NAME), answerOf({ authorities: [soa] }), 512);
  t.is(negative.indexOf(0xc0, 12 + NAME.length), 12 + NAME.length + 6, 'the zone is the end of the name');
});

test('what has no room is left out, and the message says so', (t) => {
  for (const [bytes, count] of [[MIN_UDP_BYTES, 28], [MAX_UDP_BYTES, 73], [MAX_TCP_BYTES, 200]] as const) {
    const encoded = encodeDnsAnswer(exampleQuery(NAME, { udpBytes: 1232 }), answerOf({ answers: Array.from({ length: 200 }, (_, n) => address(n)), additionals: [address(1, 'elsewhere.example')] }), bytes);
    t.true(encoded.length <= bytes && encoded.length > Math.min(bytes, 3000) - 20);
    t.is(read(encoded).answers?.length, count);
    t.is(read(encoded).flag_tc, count < 200);
    t.is(read(encoded).additionals?.at(-1)?.type, 'OPT');
  }
});

test('a name too far on for a pointer is written again', (t) => {
  const target = (n: number): string => `web-${n}.east.${NAME}`;
  const answers = Array.from({ length: 600 }, (_, n): DnsRecord => ({ type: 'SRV', owner: NAME, ttlSeconds: 30, priority: 0, weight: 1, port: 80, target: target(n) }));
  const message = read(encodeDnsAnswer(exampleQuery(NAME), answerOf({ answers, additionals: answers.map((_, n) => address(n, target(n))) }), MAX_TCP_BYTES));
  t.false(message.flag_tc);
  t.deepEqual(message.additionals?.map(({ name }) => name), answers.map((_, n) => target(n)));
});

test('additional records that have no room are nobody’s loss', (t) => {
  const message = read(encodeDnsAnswer(exampleQuery(NAME), answerOf({ answers: [address(0)], additionals: Array.from({ length: 100 }, (_, n) => address(n)) }), 512));
  t.false(message.flag_tc);
  t.true((message.additionals?.length ?? 0) > 20);
});

test('a resolver that has EDNS is answered with EDNS', (t) => {
  t.like(read(encodeDnsAnswer(exampleQuery(NAME, { wantsSignatures: true }), answerOf({}), 512)).additionals?.[0], { type: 'OPT', name: '.', udpPayloadSize: MAX_UDP_BYTES, ednsVersion: 0, flag_do: true, options: [] });
  t.like(read(encodeDnsAnswer(exampleQuery(NAME, {}), answerOf({ rcode: 'BADVERS' }), 512)), { rcode: 'NOERROR', additionals: [{ extendedRcode: 1 }] } as never);
});

test('how long an answer may be is what the client says, within bounds', (t) => {
  const max = (udpBytes: number | undefined, transport: 'udp' | 'tcp' = 'udp'): number => maxAnswerBytes(exampleQuery(NAME, udpBytes === undefined ? undefined : { udpBytes }), transport);
  t.deepEqual([max(undefined), max(1), max(511), max(800), max(1232), max(4096), max(65_535)], [512, 512, 512, 800, 1232, 1232, 1232]);
  t.deepEqual([max(undefined, 'tcp'), max(600, 'tcp')], [65_535, 65_535]);
});

test('a record with a name that is none, or an address of the other family, is left out', (t) => {
  const answers: DnsRecord[] = [
    address(1, 'a..b'),
    address(1, `${'a'.repeat(64)}.b`),
    address(1, Array.from({ length: 50 }, () => 'label').join('.')),
    { type: 'CNAME', owner: NAME, ttlSeconds: 1, target: '' },
    { type: 'SRV', owner: NAME, ttlSeconds: 1, priority: 0, weight: 0, port: 1, target: `${'a'.repeat(200)}.b` },
    { type: 'A', owner: NAME, ttlSeconds: 1, address: ipAddress('fd00::1') },
    { type: 'AAAA', owner: NAME, ttlSeconds: 1, address: ipAddress('10.0.0.1') },
  ];
  t.like(read(encodeDnsAnswer(exampleQuery(NAME), answerOf({ answers }), 512)), { answers: [], flag_tc: false });
});

test('of what could not be read, the number is told back', (t) => {
  const refusal = encodeDnsRefusal(Uint8Array.of(0xab, 0xcd, 0x29, 0xff, 9, 9, 9, 9, 9, 9, 9, 9, 1), 'FORMERR');
  t.deepEqual([...refusal], [0xab, 0xcd, 0xa9, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test('codes are those of the registry', (t) => {
  const codes = Object.fromEntries((Object.keys(DNS_RCODE) as DnsRcode[]).map((rcode) => [rcode, DNS_RCODE[rcode]]));
  t.deepEqual(codes, { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 });
});
