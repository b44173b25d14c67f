import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { SystemCallError } from './errno.ts';
import { MAX_PASSED_DESCRIPTORS } from './passed-descriptors.ts';
import { type Received, SeqpacketSocket } from './seqpacket.ts';
import { SeqpacketListener } from './seqpacket-listener.ts';

function connect(t: ExecutionContext, maxPacketBytes = 100, maxDescriptors?: number): { readonly client: SeqpacketSocket; readonly peer: SeqpacketSocket } {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-seqpacket-'));
  const file = path.join(directory, 's');
  using listener = new SeqpacketListener(file);
  const client = SeqpacketSocket.connect(file, maxPacketBytes, maxDescriptors);
  const peer = listener.accept(64 * 1024);
  if (peer === undefined) throw new Error('nobody connected');
  t.teardown(() => {
    client[Symbol.dispose]();
    peer[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
  return { client, peer };
}

const O_CLOEXEC = 0o2000000;
const soon = (): AbortSignal => AbortSignal.timeout(20_000);
const packet = (received: Received) => {
  if (received.kind !== 'packet') throw new Error(received.kind);
  return received;
};

test('packets stay apart, both ways', async (t) => {
  const { client, peer } = connect(t);
  t.deepEqual(client.receive(), { kind: 'nothing' });
  peer.send(Buffer.from('one'));
  peer.send(Buffer.from('two'));
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
  peer.send(Buffer.from('x'), [file]);
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
  peer.send(Buffer.alloc(11));
  t.false(packet(client.receive()).isWhole);
  peer.send(Buffer.alloc(10), Array.from({ length: 6 }, () => 0));
  const { isWhole, descriptors } = packet(client.receive());
  t.false(isWhole);
  for (const descriptor of descriptors) descriptor[Symbol.dispose]();
  t.is(open(), before);
});

test('the end is told after what was sent before it', async (t) => {
  const { client, peer } = connect(t);
  peer.send(Buffer.from('last'));
  peer[Symbol.dispose]();
  await client.readable(soon());
  t.is(packet(client.receive()).bytes.toString(), 'last');
  await client.readable(soon());
  t.deepEqual(client.receive(), { kind: 'ended' });
  t.throws(() => client.send(Buffer.from('x')), { instanceOf: SystemCallError, message: 'sendmsg: EPIPE' });
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
  otherPeer.send(Buffer.from('x'));
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

test('as many descriptors as one message takes come in order, and one more is refused', async (t) => {
  const { client, peer } = connect(t, 100, MAX_PASSED_DESCRIPTORS);
  const files = [openSync(import.meta.filename, 'r'), openSync(import.meta.dirname, 'r')] as const;
  t.teardown(() => files.forEach(closeSync));
  const inodes = files.map((fd) => fstatSync(fd).ino);
  const sent = Array.from({ length: MAX_PASSED_DESCRIPTORS }, (_, i) => files[i % 2] as number);
  peer.send(Buffer.from('many'), sent);
  await client.readable(soon());
  const { descriptors, isWhole, bytes } = packet(client.receive());
  t.true(isWhole);
  t.is(bytes.toString(), 'many');
  t.deepEqual(descriptors.map(({ number }) => fstatSync(number).ino), sent.map((_, i) => inodes[i % 2] as number));
  for (const { number } of descriptors) t.true((Number.parseInt(/^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${number}`, 'latin1'))?.[1] ?? '', 8) & O_CLOEXEC) !== 0);
  for (const descriptor of descriptors) descriptor[Symbol.dispose]();
  t.is(t.throws(() => peer.send(Buffer.from('x'), [...sent, files[0]]), { instanceOf: SystemCallError }).errno, 'EINVAL');
});

test('who refuses further packets still gets those that came before', (t) => {
  const { client, peer } = connect(t);
  peer.send(Buffer.from('before'));
  client.refuseFurther();
  t.throws(() => peer.send(Buffer.from('after')), { message: 'sendmsg: EPIPE' });
  t.is(packet(client.receive()).bytes.toString(), 'before');
  t.deepEqual(client.receive(), { kind: 'ended' });
  client.send(Buffer.from('back'));
  t.is(packet(peer.receive()).bytes.toString(), 'back');
});

test('both ends see whose process the other one is', (t) => {
  const { client, peer } = connect(t);
  const self = { pid: process.pid, uid: process.geteuid?.(), gid: process.getegid?.() };
  t.deepEqual([client.peer, peer.peer], [self, self] as typeof client.peer[]);
});

test('a newer listener takes the place of an older one, whose file only its owner may use', (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-seqpacket-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 's');
  using older = new SeqpacketListener(file);
  t.is(statSync(file).mode & 0o777, 0o600);
  using newer = new SeqpacketListener(file);
  using _client = SeqpacketSocket.connect(file, 100);
  t.is(older.accept(100), undefined);
  using peer = newer.accept(100);
  t.not(peer, undefined);
  t.deepEqual(readdirSync(directory), ['s']);
  newer[Symbol.dispose]();
  t.throws(() => SeqpacketSocket.connect(file, 100), { message: /ECONNREFUSED/ });
});

test('what a peer sent last comes although it closed without reading what it was sent', (t) => {
  const { client, peer } = connect(t);
  client.send(Buffer.from('unread'));
  peer.send(Buffer.from('last'));
  peer[Symbol.dispose]();
  t.is(packet(client.receive()).bytes.toString(), 'last');
  t.deepEqual(client.receive(), { kind: 'ended' });
});
