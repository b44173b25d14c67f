/** Parsers of what pods ask about names. */
import { Buffer } from 'node:buffer';
import { askBytes, headlessService, namedEndpoint, namedService } from '@landbridge/agent/dns/test-names.ts';
import { registryOf } from '@landbridge/agent/discovery/test-resources.ts';
import { answersDnsQuery, dnsFailure } from '@landbridge/wire/dns-exchange.ts';
import { DnsFrameReader, encodeDnsFrame } from '@landbridge/wire/dns-frames.ts';
import { parseDnsQuery } from '@landbridge/wire/dns-message.ts';
import { bareAnswer, encodeDnsAnswer, encodeDnsRefusal, maxAnswerBytes } from '@landbridge/wire/dns-response.ts';
import { exampleQueryBytes } from '@landbridge/wire/example-dns.ts';
import { decode } from 'dns-packet';
import { expect, type FuzzTarget, hex } from './fuzz-target.ts';

const EXAMPLES = [
  exampleQueryBytes('cart.shop.svc.clusterset.local', 'A', { udpBytes: 1232, wantsSignatures: true }),
  exampleQueryBytes('_http._tcp.Cart.shop.svc.cluster.local', 'SRV'),
  exampleQueryBytes('', 'NS', {}),
  // A cookie, an update of a zone, a transfer with the version that is known.
  hex('1234 0100 0001 0000 0000 0001 01 61 00 0001 0001 00 0029 04d0 00000000 000c 000a 0008 0102030405060708'),
  hex('1234 2800 0001 0000 0001 0000 04 7a6f6e65 00 0006 0001 01 61 c00c 00ff 00ff 00000000 0000'),
  hex('1234 0000 0001 0000 0001 0000 04 7a6f6e65 00 00fb 0001 c00c 0006 0001 00000000 0016 00 00 00000001 00000001 00000001 00000001 00000001'),
];
const DICTIONARY = ['c00c', 'c000', 'ffff', '0001', '0029', '00fa', '002e', '000a', '3f', '40', '80', '0000290fa0000080000000', '0a636c7573746572736574056c6f63616c00'].map(hex);

const dnsQuery: FuzzTarget = {
  name: 'dns-query',
  examples: EXAMPLES,
  dictionary: DICTIONARY,
  check: (input) => {
    const parsed = parseDnsQuery(input);
    if (parsed.kind === 'no-query') return;
    if (parsed.kind === 'malformed') return void expect(encodeDnsRefusal(input, 'FORMERR').length === 12, 'a refusal is a header');
    const { query } = parsed;
    const { name, labels, bytes } = query.question;
    expect(name === undefined || name === labels.join('.'), 'a name is its labels');
    expect(name === undefined || /^[a-z0-9_*.-]*$/.test(name), 'a name has other characters');
    expect(Buffer.compare(bytes, input.subarray(12, 12 + bytes.length)) === 0, 'the question is not as it came');
    const max = maxAnswerBytes(query, 'udp');
    const encoded = encodeDnsAnswer(query, { ...bareAnswer('NOERROR'), answers: Array.from({ length: 100 }, () => ({ type: 'TXT', owner: name ?? 'x', ttlSeconds: 1, text: '1.0.0' })) }, max);
    expect(encoded.length <= max && max <= 1232, 'an answer is too long');
    expect(parseDnsQuery(encoded).kind === 'no-query', 'an answer is a query');
  },
};

const shared = headlessService('web', 'clusterset.local');
const MESH = registryOf(shared, namedService('cart', 'clusterset.local', { addresses: ['/10.96.0.7'] }), namedService('cart', 'cluster.local', { addresses: ['/10.96.0.1'] }), namedService('entry', 'cluster.local', { hostname: '*.example.com', addresses: ['/240.240.0.1'] }), ...Array.from({ length: 80 }, (_, n) => namedEndpoint('east', `web-${n}`, [`10.1.0.${n}`], [shared], { hostname: `web-${n}` })));

const dnsAnswer: FuzzTarget = {
  name: 'dns-answer',
  examples: [...EXAMPLES, exampleQueryBytes('web.shop.svc.clusterset.local.shop.svc.cluster.local', 'A'), exampleQueryBytes('_http._tcp.web.shop.svc.clusterset.local', 'SRV', { udpBytes: 4096 }), exampleQueryBytes('web-7.east.web.shop.svc.clusterset.local', 'ANY'), exampleQueryBytes('a.b.example.com', 'AAAA')],
  dictionary: [...DICTIONARY, ...['web', 'cart', 'east', 'shop', 'svc', 'cluster', 'example', '_http', '_tcp', 'web-7'].map((label) => Uint8Array.from([label.length, ...Buffer.from(label)]))],
  check: (input) => {
    const answer = askBytes(MESH, input);
    if (typeof answer === 'string') return;
    const message = decode(Buffer.from(answer));
    expect(answer.length <= 1232 && decode.bytes === answer.length, 'an answer is no whole message');
    expect(Buffer.compare(answer.subarray(0, 2), input.subarray(0, 2)) === 0 && message.flag_qr, 'an answer is not of this query');
  },
};

const dnsExchange: FuzzTarget = {
  name: 'dns-exchange',
  examples: EXAMPLES,
  dictionary: DICTIONARY,
  check: (input) => {
    const failure = dnsFailure(input, 'udp');
    expect((failure === undefined) === (parseDnsQuery(input).kind === 'no-query'), 'what is no query is answered, or a query is not');
    if (failure !== undefined) expect(answersDnsQuery(failure, input), 'a failure is none of its query');
    answersDnsQuery(input, EXAMPLES[0] ?? input);
  },
};

const MAX_CUT_BYTES = 8192;

const dnsFrames: FuzzTarget = {
  name: 'dns-frames',
  examples: [Buffer.concat(EXAMPLES.map(encodeDnsFrame)), hex('0000'), hex('ffff 00')],
  dictionary: ['0000', '0001', 'ffff'].map(hex),
  check: (bytes) => {
    // Each byte is pushed by itself, which takes a while of its own.
    const input = bytes.subarray(0, MAX_CUT_BYTES);
    const whole = new DnsFrameReader().push(input);
    const reader = new DnsFrameReader();
    const messages: Buffer[] = [];
    for (const byte of input) {
      const pushed = reader.push(Uint8Array.of(byte));
      if (!pushed.ok) return void expect(!whole.ok, 'an error depends on where the stream is cut');
      messages.push(...pushed.value);
    }
    expect(whole.ok && Buffer.compare(Buffer.concat(messages), Buffer.concat(whole.value)) === 0, 'messages depend on where the stream is cut');
  },
};

export const NAME_TARGETS: readonly FuzzTarget[] = [dnsQuery, dnsAnswer, dnsExchange, dnsFrames];
