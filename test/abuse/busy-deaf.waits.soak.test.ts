import test from 'ava';
import { closesDeaf, LATE_MS, SILENT_MS } from './deaf-peers.ts';
import { data } from './frames.ts';

test.serial('peers that read nothing and send all the while are closed in time', async (t) => {
  await closesDeaf(t, 'read nothing and send', { count: 50, everyMs: 500, withinMs: 2 * SILENT_MS + LATE_MS, patienceMs: 4 * SILENT_MS, poke: (peer) => peer.write(data(1, 'x')) });
});

test.serial('peers that read a byte a second are closed in time', async (t) => {
  await closesDeaf(t, 'read a byte a second', { count: 100, everyMs: 1000, withinMs: 2 * SILENT_MS + LATE_MS, patienceMs: 4 * SILENT_MS, poke: (peer) => void peer.socket.read(1) });
});
