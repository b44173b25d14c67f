import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { parseDnsQuery } from '@landbridge/wire/dns-message.ts';
import { bareAnswer, type DnsAnswer, encodeDnsAnswer } from '@landbridge/wire/dns-response.ts';
import test from 'ava';
import { hostLookup } from './host-lookup.ts';
import type { HostAnswer, LookUp } from './host-resolver.ts';

const A = 1;
type Answer = (name: string, type: number) => DnsAnswer | undefined;

/** Of a name server on loopback. */
async function asking(answer: Answer): Promise<{ readonly lookUp: LookUp } & Disposable> {
  const server = createSocket('udp4');
  server.on('message', (message, { address, port }) => {
    const parsed = parseDnsQuery(message);
    if (parsed.kind !== 'query') return;
    const said = answer(parsed.query.question.name ?? '', parsed.query.question.type);
    if (said !== undefined) server.send(encodeDnsAnswer(parsed.query, said, 1232), port, address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  return { lookUp: hostLookup([`127.0.0.1:${(server.address() as AddressInfo).port}`]), [Symbol.dispose]: () => void server.close() };
}

const records = (type: 'A' | 'AAAA', owner: string, ...addresses: readonly (readonly [address: string, ttlSeconds: number])[]): DnsAnswer => ({ ...bareAnswer('NOERROR'), answers: addresses.map(([address, ttlSeconds]) => ({ type, owner, ttlSeconds, address: address as never })) });
const never = new AbortController().signal;

test('a name is its addresses of both families, for the shortest of their times', async (t) => {
  const asked: string[] = [];
  using server = await asking((name, type) => {
    asked.push(name);
    return type === A ? records('A', name, ['192.0.2.1', 60], ['192.0.2.2', 30]) : records('AAAA', name, ['2001:db8::1', 40]);
  });
  t.deepEqual(await server.lookUp('a.example', never), { kind: 'found', addresses: ['192.0.2.1', '192.0.2.2', '2001:db8::1'], ttlMs: 30_000 } as unknown as HostAnswer);
  t.deepEqual(asked, ['a.example', 'a.example'], 'without a search list');
});

test('no name leads to the client itself', async (t) => {
  using server = await asking((name, type) => (type === A ? records('A', name, ['127.0.0.1', 60], ['169.254.169.254', 60], ['192.0.2.1', 60]) : records('AAAA', name, ['::1', 60], ['::ffff:127.0.0.1', 60])));
  t.like(await server.lookUp('a.example', never), { kind: 'found', addresses: ['192.0.2.1'] as never });
  using bad = await asking((name, type) => (type === A ? records('A', name, ['127.0.0.1', 60]) : bareAnswer('NOERROR')));
  t.deepEqual(await bad.lookUp('a.example', never), { kind: 'none' });
});

test('that there is nothing is another answer than none', async (t) => {
  for (const [rcode, kind] of [['NXDOMAIN', 'none'], ['NOERROR', 'none'], ['SERVFAIL', 'failed']] as const) {
    using server = await asking(() => bareAnswer(rcode));
    t.is((await server.lookUp('a.example', never)).kind, kind, rcode);
  }
  using half = await asking((name, type) => (type === A ? records('A', name, ['192.0.2.1', 60]) : bareAnswer('SERVFAIL')));
  t.is((await half.lookUp('a.example', never)).kind, 'found', 'one family is enough');
});

test('nobody is waited for once it is over', async (t) => {
  const stop = new AbortController();
  using server = await asking(() => {
    stop.abort();
    return undefined;
  });
  t.deepEqual(await server.lookUp('a.example', stop.signal), { kind: 'failed' });
});
