/** A TLS session inside a stream, against the server half of a handshake in memory. */
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { nativeMemory } from '@landbridge/native/memory.ts';
import { TlsContext } from '@landbridge/native/tls-context.ts';
import { type HandshakeResult, TlsHandshake } from '@landbridge/native/tls-handshake.ts';
import { TestAuthority } from '../identity/test-identities.ts';
import { type ChannelOwner, NOTHING, OVER } from './channel.ts';
import type { Failure } from './failure.ts';
import { ENDED, NOTHING_YET } from './near.ts';
import { type Suite, TestPeer, TYPE } from './test-records.ts';
import { TlsOverStream } from './tls-over-stream.ts';

const authority = new TestAuthority('east.example');
const [client, server] = (['client', 'server'] as const).map((name) => {
  const { keyPem, chainPem } = authority.certificate(name);
  return new TlsContext({ keyPem, chainPem, rootsPem: [authority.rootPem], protocol: 'h2' });
}) as [TlsContext, TlsContext];
test.after.always(() => authority[Symbol.dispose]());

const place = nativeMemory(64 * 1024);
const out = nativeMemory(1024 * 1024);

/** What the stream takes out of it. */
function pulled(channel: TlsOverStream): { readonly bytes: Buffer; readonly last: number } {
  const parts: Buffer[] = [];
  for (;;) {
    const size = channel.pull(out.bytes, out.address, 0, 1000);
    if (size <= 0) return { bytes: Buffer.concat(parts), last: size };
    parts.push(Buffer.from(out.bytes.subarray(0, size)));
  }
}

class Session implements ChannelOwner {
  readonly #channel: TlsOverStream;
  got = Buffer.alloc(0);
  isOver = false;
  rooms = 0;

  constructor(channel: TlsOverStream) {
    this.#channel = channel;
  }

  onChannel(): void {
    while (this.#channel.mayReceive && !this.isOver) {
      const size = this.#channel.receive();
      if (size === OVER) this.isOver = true;
      if (size === OVER || size === NOTHING) return;
      this.got = Buffer.concat([this.got, this.#channel.inbound.bytes.subarray(0, size)]);
    }
  }

  onRoom(): void {
    this.rooms++;
  }
}

/** Past its handshake: the channel, who uses it, and the workload at the other end. */
function secured(): { readonly channel: TlsOverStream; readonly session: Session; readonly peer: TestPeer; readonly say: (bytes: Uint8Array) => void } {
  let result: HandshakeResult | undefined;
  const failures: Failure[] = [];
  const channel = new TlsOverStream({ onNear: () => {} }, { context: client, listener: { onSecure: () => {}, onHandshakeFailed: (_, failure) => void failures.push(failure) } });
  const session = new Session(channel);
  channel.owner = session;
  const say = (bytes: Uint8Array): void => {
    const memory = nativeMemory(bytes.length);
    memory.bytes.set(bytes);
    channel.push(memory.bytes, memory.address, 0, bytes.length);
  };
  const other = new TlsHandshake(server, 'server');
  channel.begin();
  for (let round = 0; result === undefined && round < 5; round++) {
    let { bytes } = pulled(channel);
    while (bytes.length > 0 && result === undefined) {
      const size = 5 + bytes.readUInt16BE(3);
      place.bytes.set(bytes.subarray(0, size));
      if (other.feed(place.address, size).kind === 'done') result = other.result();
      bytes = bytes.subarray(size);
    }
    const flight = other.takeOutput();
    if (flight !== undefined) say(flight);
  }
  if (result === undefined || failures.length > 0) throw new Error(`no handshake: ${JSON.stringify(failures)}`);
  return { channel, session, peer: new TestPeer(result.suite as Suite, result.serverSecret, result.clientSecret), say };
}

const send = (channel: TlsOverStream, bytes: Uint8Array): void => {
  const memory = nativeMemory(bytes.length + 16);
  memory.bytes.set(bytes);
  channel.send(memory.bytes, memory.address, 0, bytes.length);
};

test('bytes pass both ways, wherever the stream cuts them', (t) => {
  const { channel, session, peer, say } = secured();
  const said = randomBytes(300_000);
  const sealed = Buffer.concat(Array.from({ length: 30 }, (_, i) => peer.seal(said.subarray(i * 10_000, (i + 1) * 10_000))));
  for (let at = 0; at < sealed.length; at += 77_777) say(sealed.subarray(at, at + 77_777));
  t.true(session.got.equals(said));
  send(channel, said.subarray(0, 100_000));
  t.true(Buffer.concat(peer.open(pulled(channel).bytes).map(({ content }) => content)).equals(said.subarray(0, 100_000)));
});

test('the end of the session is close_notify, and then the end of the stream', (t) => {
  const { channel, peer } = secured();
  send(channel, Buffer.from('last'));
  channel.end();
  channel.close();
  const { bytes, last } = pulled(channel);
  t.deepEqual(peer.open(bytes).map(({ type, content }) => [type, content.toString('hex')]), [[TYPE.data, Buffer.from('last').toString('hex')], [TYPE.alert, '0100']]);
  t.is(last, ENDED);
});

test('a peer that breaks a rule is told by an alert', (t) => {
  const { channel, session, peer, say } = secured();
  say(peer.seal(Buffer.from([24, 0, 0, 1, 2]), TYPE.handshake));
  t.true(session.isOver);
  t.is(channel.failure?.reason, 'tls-unexpected-message');
  channel.end();
  channel.close();
  t.deepEqual(peer.open(pulled(channel).bytes).map(({ type, content }) => [type, content.toString('hex')]), [[TYPE.alert, '022f']]);
});

test('a stream that ends without close_notify ends the session, and so does close_notify', (t) => {
  const cut = secured();
  cut.channel.endPush();
  t.true(cut.session.isOver);
  const ended = secured();
  ended.say(Buffer.concat([ended.peer.seal(Buffer.from('last')), ended.peer.seal(Buffer.from([1, 0]), TYPE.alert)]));
  t.is(ended.session.got.toString(), 'last');
  t.true(ended.session.isOver);
  t.is(ended.channel.failure, undefined);
});

test('a session that is held back is told of room later, not while the stream takes bytes', (t) => {
  const { channel, session } = secured();
  while (!channel.isBlocked) send(channel, Buffer.alloc(50_000));
  t.is(session.rooms, 0);
  const { last } = pulled(channel);
  t.is(last, NOTHING_YET);
  t.is(session.rooms, 1);
});

test('KeyUpdate inside is answered with the next bytes', (t) => {
  const { channel, peer, say } = secured();
  say(peer.keyUpdate(true));
  send(channel, Buffer.from('x'));
  t.deepEqual(peer.open(pulled(channel).bytes).map(({ type }) => type), [TYPE.handshake, TYPE.data]);
});
