import { randomBytes } from 'node:crypto';
import test from 'ava';
import { openAll, recordPair, sealAll, SUITES, TYPE } from './test-records.ts';
import { TlsRecords } from './tls-records.ts';

const text = (value: string): Buffer => Buffer.from(value);
const [SUITE = 'TLS_AES_128_GCM_SHA256'] = SUITES;
const TICKET = Buffer.from([4, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 2, 7, 7, 0, 0]);

for (const suite of SUITES) {
  test(`${suite}: records of one side are those of another implementation, both ways`, (t) => {
    const { records, peer } = recordPair(suite, 'server');
    const long = randomBytes(40_000);
    t.deepEqual(openAll(records, Buffer.concat([peer.seal(text('hello ')), peer.seal(text('world'), TYPE.data, 100)])), text('hello world'));
    const answer = peer.open(Buffer.concat([sealAll(records, text('a')), sealAll(records, long)]));
    t.deepEqual(answer.map(({ type, content }) => [type, content.length]), [[23, 1], [23, 16_384], [23, 16_384], [23, 40_000 - 32_768]]);
    t.deepEqual(Buffer.concat(answer.slice(1).map(({ content }) => content)), long);
    t.is(records.fault, undefined);
  });

  test(`${suite}: KeyUpdate of the peer, with and without a request for ours`, (t) => {
    const { records, peer } = recordPair(suite, 'client');
    t.deepEqual(openAll(records, Buffer.concat([peer.seal(text('1')), peer.keyUpdate(false), peer.seal(text('2')), peer.keyUpdate(true), peer.keyUpdate(true), peer.seal(text('3'))])), text('123'));
    t.true(records.owesKeyUpdate);
    const answer = peer.open(Buffer.concat([sealAll(records, text('4')), sealAll(records, text('5'))]));
    t.deepEqual(answer.map(({ type }) => type), [TYPE.handshake, TYPE.data, TYPE.data], 'one answer for any number of requests, before other data');
    t.deepEqual([...(answer[0]?.content ?? [])], [24, 0, 0, 1, 0], 'which asks for nothing in turn');
    t.false(records.owesKeyUpdate);
  });

  test(`${suite}: keys are replaced after as many records as they may seal`, (t) => {
    const { records, peer } = recordPair(suite, 'server', 3);
    const answer = peer.open(Buffer.concat(Array.from({ length: 8 }, (_, i) => sealAll(records, text(String(i))))));
    t.deepEqual(answer.map(({ type }) => type), [23, 23, 23, 22, 23, 23, 23, 22, 23, 23]);
    t.is(Buffer.concat(answer.filter(({ type }) => type === TYPE.data).map(({ content }) => content)).toString(), '01234567');
  });
}

test('room that is reckoned for sealing does where every record has its own KeyUpdate', (t) => {
  for (const size of [0, 1, 16_383, 16_384, 16_385, 100_000]) {
    const { records } = recordPair(SUITE, 'server', 1);
    sealAll(records, text('first'));
    const sealed = sealAll(records, Buffer.alloc(size));
    t.true(sealed.length <= TlsRecords.sealedSize(size), `${size}`);
  }
});

test('the byte behind what is sealed is as before', (t) => {
  const { records, peer } = recordPair(SUITE, 'client');
  const bytes = randomBytes(50_000);
  t.deepEqual(Buffer.concat(peer.open(sealAll(records, bytes)).map(({ content }) => content)), bytes);
});

test('clients let tickets pass, wherever their records are cut; servers refuse them', (t) => {
  const client = recordPair(SUITE, 'client');
  const pieces = [TICKET.subarray(0, 3), TICKET.subarray(3, 9), Buffer.concat([TICKET.subarray(9), TICKET])];
  t.deepEqual(openAll(client.records, Buffer.concat([...pieces.map((piece) => client.peer.seal(piece, TYPE.handshake)), client.peer.seal(text('data'))])), text('data'));
  t.is(client.records.fault, undefined);
  const server = recordPair(SUITE, 'server');
  openAll(server.records, server.peer.seal(TICKET, TYPE.handshake));
  t.like(server.records.fault, { kind: 'unexpected-message', alert: 10 });
});

test('a KeyUpdate in two records is one', (t) => {
  const { records, peer } = recordPair(SUITE, 'server');
  const first = peer.seal(Buffer.from([24, 0]), TYPE.handshake);
  const second = peer.seal(Buffer.from([0, 1, 0]), TYPE.handshake);
  t.deepEqual(openAll(records, Buffer.concat([first, second])), Buffer.alloc(0));
  t.is(records.fault, undefined);
});

test('an alert ends the connection: in order, after a warning, or as a fault', (t) => {
  const closed = recordPair(SUITE, 'client');
  t.deepEqual(openAll(closed.records, Buffer.concat([closed.peer.seal(text('last')), closed.peer.seal(Buffer.from([1, 90]), TYPE.alert), closed.peer.seal(Buffer.from([1, 0]), TYPE.alert), closed.peer.seal(text('after'))])), text('last'));
  t.true(closed.records.hasEnded);
  t.is(closed.records.fault, undefined);
  for (const level of [1, 2]) {
    const failed = recordPair(SUITE, 'client');
    t.deepEqual(openAll(failed.records, Buffer.concat([failed.peer.seal(text('last')), failed.peer.seal(Buffer.from([level, 48]), TYPE.alert)])), text('last'));
    t.like(failed.records.fault, { kind: 'peer-alert', alert: undefined });
    t.regex(failed.records.fault?.text ?? '', /unknown_ca/);
  }
});

type Bad = (peer: ReturnType<typeof recordPair>['peer']) => Uint8Array;
const flipped = (record: Buffer, at: number): Buffer => {
  record[at < 0 ? record.length + at : at] = (record[at < 0 ? record.length + at : at] as number) ^ 1;
  return record;
};

const FAULTS: readonly (readonly [name: string, kind: string, alert: number, bad: Bad])[] = [
  ['a record with a flipped bit in its text', 'bad-record', 20, (peer) => flipped(peer.seal(text('x'.repeat(100))), 20)],
  ['a record with a flipped bit in its tag', 'bad-record', 20, (peer) => flipped(peer.seal(text('x')), -1)],
  ['a record with a flipped bit in its version, which is authenticated', 'bad-record', 20, (peer) => flipped(peer.seal(text('x')), 2)],
  ['a record that is shorter than it says', 'bad-record', 20, (peer) => Buffer.concat([peer.seal(text('abcd')).subarray(0, -1), peer.seal(text('efgh'))])],
  ['a record that is missing', 'bad-record', 20, (peer) => [peer.seal(text('lost')), peer.seal(text('next'))][1] as Buffer],
  ['a record that comes twice', 'bad-record', 20, (peer) => Buffer.concat(Array<Buffer>(2).fill(peer.seal(text('twice'))))],
  ['a record that is too short for its tag', 'bad-record', 20, () => Buffer.concat([Buffer.from([23, 3, 3, 0, 16]), Buffer.alloc(16)])],
  ['a record without anything', 'bad-record', 20, () => Buffer.from([23, 3, 3, 0, 0])],
  ['a record under the keys before KeyUpdate', 'bad-record', 20, (peer) => Buffer.concat([peer.seal(Buffer.from([24, 0, 0, 1, 0]), TYPE.handshake), peer.seal(text('x'))])],
  ['a record beyond 2^14 + 256', 'record-overflow', 22, () => Buffer.concat([Buffer.from([23, 3, 3, 0x41, 1]), Buffer.alloc(16_641)])],
  ['a content beyond 2^14', 'record-overflow', 22, (peer) => peer.seal(Buffer.alloc(16_385))],
  ['an inner plaintext of zeroes alone', 'unexpected-message', 10, (peer) => peer.sealInner(Buffer.alloc(32))],
  ['a plain alert', 'unexpected-message', 10, () => Buffer.from([21, 3, 3, 0, 2, 2, 40])],
  ['a plain handshake record', 'unexpected-message', 10, () => Buffer.from([22, 3, 3, 0, 5, 24, 0, 0, 1, 0])],
  ['change_cipher_spec after the handshake', 'unexpected-message', 10, () => Buffer.from([20, 3, 3, 0, 1, 1])],
  ['a sealed change_cipher_spec', 'unexpected-message', 10, (peer) => peer.seal(Buffer.from([1]), TYPE.changeCipherSpec)],
  ['a content type that nobody knows', 'unexpected-message', 10, (peer) => peer.seal(text('x'), 24)],
  ['an alert of one byte', 'unexpected-message', 50, (peer) => peer.seal(Buffer.from([1]), TYPE.alert)],
  ['two alerts in one record', 'unexpected-message', 50, (peer) => peer.seal(Buffer.from([1, 90, 1, 0]), TYPE.alert)],
  ['an empty alert', 'unexpected-message', 50, (peer) => peer.seal(Buffer.alloc(0), TYPE.alert)],
  ['an empty handshake record', 'unexpected-message', 10, (peer) => peer.seal(Buffer.alloc(0), TYPE.handshake)],
  ['KeyUpdate with another value', 'unexpected-message', 47, (peer) => peer.seal(Buffer.from([24, 0, 0, 1, 2]), TYPE.handshake)],
  ['KeyUpdate of two bytes', 'unexpected-message', 50, (peer) => peer.seal(Buffer.from([24, 0, 0, 2, 0, 0]), TYPE.handshake)],
  ['bytes behind KeyUpdate', 'unexpected-message', 10, (peer) => peer.seal(Buffer.from([24, 0, 0, 1, 0, 4]), TYPE.handshake)],
  ['data inside a handshake message', 'unexpected-message', 10, (peer) => Buffer.concat([peer.seal(Buffer.from([24, 0]), TYPE.handshake), peer.seal(text('x'))])],
  ['an alert inside a handshake message', 'unexpected-message', 10, (peer) => Buffer.concat([peer.seal(Buffer.from([24, 0]), TYPE.handshake), peer.seal(Buffer.from([1, 0]), TYPE.alert)])],
  ['a request for a certificate after the handshake', 'unexpected-message', 10, (peer) => peer.seal(Buffer.from([13, 0, 0, 3, 0, 0, 0]), TYPE.handshake)],
  ['a second ClientHello', 'unexpected-message', 10, (peer) => peer.seal(Buffer.from([1, 0, 0, 1, 0]), TYPE.handshake)],
  ['more empty records than anyone needs', 'record-flood', 10, (peer) => Buffer.concat(Array.from({ length: 65 }, () => peer.seal(Buffer.alloc(0))))],
  ['more KeyUpdates than anyone needs', 'record-flood', 10, (peer) => Buffer.concat(Array.from({ length: 65 }, () => peer.keyUpdate(true)))],
];

for (const [name, kind, alert, bad] of FAULTS) {
  test(`${name} is refused, and what came before it counts`, (t) => {
    const { records, peer } = recordPair(SUITE, 'server');
    const opened = openAll(records, Buffer.concat([peer.seal(text('before')), bad(peer), peer.seal(text('after'))])).toString();
    t.like(records.fault, { kind, alert });
    t.regex(opened, /^before(abcd|twice)?$/);
  });
}

test('records without data are not counted against those that have some', (t) => {
  const { records, peer } = recordPair(SUITE, 'server');
  const rounds = Array.from({ length: 5 }, () => Buffer.concat([...Array.from({ length: 60 }, () => peer.seal(Buffer.alloc(0))), peer.seal(text('.'))]));
  t.is(openAll(records, Buffer.concat(rounds)).toString(), '.....');
  t.is(records.fault, undefined);
});
