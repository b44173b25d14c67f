import test from 'ava';
import { echo, startApplication } from '../agents/applications.ts';
import { eventually } from '../agents/eventually.ts';
import { CODE, connectTo, data, fields, FLAG, frame, headers, literal, ping, reset, setting, settings, TYPE, uint32, windowUpdate } from './frames.ts';
import type { RawPeer } from './raw-peer.ts';
import { Victim } from './victim.ts';

const MIB = 2 ** 20;
/** What an attack may cost beyond what a quiet agent holds. */
const MOST_GROWTH = 64 * MIB;
const ZEROES = Buffer.alloc(16_384);

interface Flood {
  readonly title: string;
  readonly count: number;
  /** What goes before. */
  readonly first?: (peer: RawPeer, authority: string) => Promise<void>;
  readonly piece: (i: number, authority: string) => Uint8Array;
}

const many = (title: string, count: number, bytes: Uint8Array): Flood => ({ title, count, piece: () => bytes });
/** Opens stream 1 and waits for its answer. */
const withStream = async (peer: RawPeer, authority: string): Promise<void> => {
  peer.write(connectTo(1, authority));
  await peer.frame(TYPE.headers, 1);
};

const FLOODS: readonly Flood[] = [
  { title: 'streams that are reset at once', count: 50_000, piece: (i, to) => Buffer.concat([connectTo(2 * i + 1, to), reset(2 * i + 1)]) },
  { title: 'streams that the server is made to reset', count: 50_000, piece: (i, to) => Buffer.concat([connectTo(2 * i + 1, to), windowUpdate(2 * i + 1, 0)]) },
  { title: 'requests that are malformed', count: 200_000, piece: (i) => headers(2 * i + 1, fields({ ':method': 'CONNECT' })) },
  { title: 'requests that are for no tunnel', count: 200_000, piece: (i) => headers(2 * i + 1, fields({ ':method': 'GET', ':scheme': 'https', ':path': '/', ':authority': 'a' })) },
  { title: 'requests with too many fields', count: 50_000, piece: (i) => headers(2 * i + 1, Buffer.alloc(200, 0x82)) },
  { title: 'PING', count: 50_000, piece: () => ping() },
  many('PING that answer nothing', 50_000, ping('abcdefgh', FLAG.ack)),
  many('SETTINGS', 50_000, settings([4, 70_000])),
  many('SETTINGS of 16 KiB', 20_000, frame(TYPE.settings, 0, 0, Buffer.concat(Array.from({ length: 2730 }, () => setting(4, 70_000))))),
  many('SETTINGS that answer nothing', 50_000, frame(TYPE.settings, FLAG.ack, 0)),
  { title: 'GOAWAY that ends nothing', count: 50_000, first: withStream, piece: () => frame(TYPE.goaway, 0, 0, uint32(0, 0)) },
  many('PRIORITY', 50_000, frame(TYPE.priority, 0, 1, ZEROES.subarray(0, 5))),
  many('frames of an unknown type', 50_000, frame(0x77, 0, 0)),
  many('frames of an unknown type and 16 KiB', 50_000, frame(0x77, 0, 0, ZEROES)),
  many('WINDOW_UPDATE', 200_000, windowUpdate(0, 1)),
  { title: 'WINDOW_UPDATE of a stream', count: 200_000, first: withStream, piece: () => windowUpdate(1, 1) },
  { title: 'empty DATA', count: 100_000, first: withStream, piece: () => data(1, '') },
  { title: 'DATA of padding alone', count: 100_000, first: withStream, piece: () => data(1, Buffer.from([0]), FLAG.padded) },
  { title: 'DATA on a stream that is over', count: 500_000, first: async (peer, to) => {
    await withStream(peer, to);
    peer.write(reset(1));
  }, piece: () => data(1, '') },
  { title: 'DATA on a stream that the server has reset', count: 500_000, first: async (peer, to) => {
    await withStream(peer, to);
    peer.write(windowUpdate(1, 0));
    await peer.frame(TYPE.rstStream, 1);
  }, piece: () => data(1, '') },
  { title: 'CONTINUATION', count: 50_000, first: async (peer) => void peer.write(headers(1, literal('a', 'b'), 0)), piece: () => frame(TYPE.continuation, 0, 1) },
];

/** What was sent may wait in buffers: a busy machine has it read later. */
const READ_MS = 20_000;

test.serial('floods end the connection that they come on, and cost nobody else', async (t) => {
  await using app = await startApplication(echo);
  const authority = `127.0.0.1:${app.port}`;
  const victim = await Victim.start(t);
  for (const { title, count, first, piece } of FLOODS) {
    const before = (await victim.failures())['h2-flood'] ?? 0;
    const peer = await victim.connect();
    await first?.(peer, authority);
    await victim.under(t, title, async () => {
      const sent = await peer.flood((i) => piece(i, authority), count);
      t.true(sent < count || peer.isClosed || (await Promise.race([peer.closed.then(() => true), new Promise((resolve) => setTimeout(resolve, READ_MS, false))])) === true, `${title}: all ${count} were taken`);
      if (!peer.isClosed) return peer.destroy();
      const { goaway, afterMs } = await peer.closed;
      t.log(`  ended after ${sent} and ${afterMs.toFixed(0)} ms with ${goaway}`);
      // Bytes under way may reset the connection before GOAWAY is read.
      if (goaway !== undefined) t.is(goaway, CODE.calm, title);
    }, { growthBytes: MOST_GROWTH });
    const failures = await eventually(async () => await victim.failures(), (found) => (found['h2-flood'] ?? 0) > before, 2000).catch(async () => await victim.failures());
    t.is(failures['h2-flood'], before + 1, title);
  }
  await eventually(() => app.sockets.size, (size) => size === 0, 5000);
});
