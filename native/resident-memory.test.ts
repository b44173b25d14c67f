import { readFileSync } from 'node:fs';
import test from 'ava';
import { collectGarbage, releaseFreedMemory, releaseProgramPages, untouchedMappings } from './resident-memory.ts';

const NODE = '/usr/local/bin/node';
const mapping = (range: string, rights: string, inode: number, file: string, anonymousKiB: number): string => `${range} ${rights} 00001000 fe:00 ${inode}${file === '' ? '' : `                     ${file}`}\nSize:                132 kB\nRss:                  64 kB\nAnonymous:        ${String(anonymousKiB).padStart(8)} kB\nVmFlags: rd mr mw me sd \n`;
const residentKiB = (kind: 'RssAnon' | 'RssFile'): number => Number(new RegExp(`^${kind}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);

test('only what is private, of the program, not writable and as in its file may be given back', (t) => {
  const smaps = [
    mapping('00400000-00500000', 'r-xp', 7, NODE, 0),
    mapping('00500000-00510000', 'r--p', 7, NODE, 0),
    // Relocated: read-only by now, and nowhere but here.
    mapping('00510000-00520000', 'r--p', 7, NODE, 64),
    mapping('00520000-00530000', 'rw-p', 7, NODE, 0),
    mapping('00530000-00540000', 'r-xs', 7, NODE, 0),
    mapping('00540000-00550000', 'r-xp', 0, '', 0),
    mapping('00550000-00560000', 'r-xp', 9, '/lib/x86_64-linux-gnu/libc.so.6', 0),
    mapping('00560000-00570000', 'r-xp', 7, `${NODE} (deleted)`, 0),
    mapping('00570000-00580000', 'r-xp', 0, '[vdso]', 0),
  ].join('');
  t.deepEqual(untouchedMappings(smaps, NODE), [{ address: 0x400000, bytes: 0x100000 }, { address: 0x500000, bytes: 0x10000 }]);
});

test('what is cut off or no smaps at all gives nothing', (t) => {
  for (const text of ['', 'Anonymous: 0 kB\n', `00400000-00500000 r-xp 0 fe:00 7 ${NODE}\nSize: 1 kB\n`, 'x'.repeat(1000)]) t.deepEqual(untouchedMappings(text, NODE), []);
});

test('a process that gave its program’s pages back has fewer of them, and goes on', (t) => {
  const before = residentKiB('RssFile');
  t.true(releaseProgramPages() > 20 * 1024 * 1024);
  t.true(residentKiB('RssFile') < before / 2, `${before} kB, then ${residentKiB('RssFile')} kB`);
  t.is(Array.from({ length: 1000 }, (_, i) => i).reduce((sum, i) => sum + i), 499_500);
});

test('what nobody holds any more is collected at once, and the rest of the program can not do so', (t) => {
  const reference = new WeakRef({ large: Array.from({ length: 1000 }, () => ({})) });
  t.truthy(reference.deref());
  return new Promise<void>((resolve) => setImmediate(() => {
    collectGarbage();
    t.is(reference.deref(), undefined);
    t.is((globalThis as { gc?: unknown }).gc, undefined);
    resolve();
  }));
});

test('what malloc has kept of freed memory goes back', (t) => {
  // Smaller than what malloc maps by itself, and an end that is in use: without help the rest stays.
  const blocks = Array.from({ length: 4000 }, () => Buffer.allocUnsafeSlow(16 * 1024).fill(1));
  const last = blocks.at(-1);
  blocks.length = 0;
  collectGarbage();
  const before = residentKiB('RssAnon');
  releaseFreedMemory();
  t.true(before - residentKiB('RssAnon') > 30 * 1024, `${before} kB, then ${residentKiB('RssAnon')} kB`);
  t.is(last?.[0], 1);
});
