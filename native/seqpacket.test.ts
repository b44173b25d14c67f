import { fstatSync, mkdtempSync, openSync, closeSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { SystemCallError } from './errno.ts';
import { type Received, SeqpacketSocket } from './seqpacket.ts';
import { type TestSeqpacketPeer, TestSeqpacketServer } from './test-seqpacket-server.ts';

function connect(t: ExecutionContext, maxPacketBytes = 100): { readonly client: SeqpacketSocket; readonly peer: TestSeqpacketPeer } {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-seqpacket-'));
  const file = path.join(directory, 's');
  using server = new TestSeqpacketServer(file);
  const client = SeqpacketSocket.connect(file, maxPacketBytes);
  const peer = server.accept();
  if (peer === undefined) throw new Error('nobody connected');
  t.teardown(() => {
    client[Symbol.dispose]();
    peer[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
  return { client, peer };
}

const soon = (): AbortSignal => AbortSignal.timeout(20_000);
const packet = (received: Received) => {
  if (received.kind !== 'packet') throw new Error(received.kind);
  return received;
};

test('packets stay apart, both ways', async (t) => {
  const { client, peer } = connect(t);
  t.deepEqual(client.receive(), { kind: 'nothing' });
  peer.sendWith(Buffer.from('one'), []);
  peer.sendWith(Buffer.from('two'), []);
  await client.readable(soon());
  t.is(packet(client.receive()).bytes.toString(), 'one');
  t.is(packet(client.receive()).bytes.toString(), 'two');
  client.send(Buffer.from('three'));
  await peer.readable(soon());
  t.is(packet(peer.receive()).bytes.toString(), 'three');
});

test('a descriptor comes with its packet, closed on exec', async (t) => {
  const { client, peer } = connect(t);
  const file = openSync(import.meta.filename, 'r');
  peer.sendWith(Buffer.from('x'), [file]);
  closeSync(file);
  await client.readable(soon());
  const { descriptors, isWhole } = packet(client.receive());
  t.true(isWhole);
  t.is(descriptors.length, 1);
  using descriptor = descriptors[0]!;
  t.is(fstatSync(descriptor.number).ino, statSync(import.meta.filename).ino);
});

test('what is longer than there is room for is told, and no descriptor of it stays open', async (t) => {
  const { client, peer } = connect(t, 10);
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  peer.sendWith(Buffer.alloc(11), []);
  t.false(packet(client.receive()).isWhole);
  peer.sendWith(Buffer.alloc(10), Array.from({ length: 6 }, () => 0));
  const { isWhole, descriptors } = packet(client.receive());
  t.false(isWhole);
  for (const descriptor of descriptors) descriptor[Symbol.dispose]();
  t.is(open(), before);
});

test('the end is told after what was sent before it', async (t) => {
  const { client, peer } = connect(t);
  peer.sendWith(Buffer.from('last'), []);
  peer[Symbol.dispose]();
  await client.readable(soon());
  t.is(packet(client.receive()).bytes.toString(), 'last');
  await client.readable(soon());
  t.deepEqual(client.receive(), { kind: 'ended' });
  t.throws(() => client.send(Buffer.from('x')), { instanceOf: SystemCallError, message: 'send: EPIPE' });
});

test('waiting ends with its signal, and with what came later', async (t) => {
  const { client, peer } = connect(t);
  const stop = new AbortController();
  const waiting = client.readable(stop.signal);
  stop.abort();
  await waiting;
  t.deepEqual(client.receive(), { kind: 'nothing' });
  const { client: other, peer: otherPeer } = connect(t);
  const again = other.readable(soon());
  otherPeer.sendWith(Buffer.from('x'), []);
  await again;
  t.is(other.receive().kind, 'packet');
  peer[Symbol.dispose]();
});

test('a peer that does not read is an error in place of a wait', (t) => {
  const { client } = connect(t);
  const error = t.throws(() => {
    for (;;) client.send(Buffer.alloc(1000));
  }, { instanceOf: SystemCallError });
  // EAGAIN, by its other name.
  t.is(error.errno, 'EWOULDBLOCK');
});

test('who does not listen can not be connected to, and a path may be too long', (t) => {
  t.throws(() => SeqpacketSocket.connect('/nonexistent/socket', 10), { message: 'connect to /nonexistent/socket: ENOENT' });
  t.throws(() => SeqpacketSocket.connect(`/${'x'.repeat(107)}`, 10), { message: /108 bytes/ });
});
