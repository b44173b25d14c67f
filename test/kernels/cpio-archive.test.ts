import { execFileSync } from 'node:child_process';
import test from 'ava';
import { cpioArchive } from './cpio-archive.ts';

const busybox = (args: readonly string[], archive: Buffer): string => execFileSync('/usr/bin/busybox', ['cpio', ...args], { input: archive, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });

test('another program reads what is in an archive', (t) => {
  // Of every length that rounds differently, in the name and in what is there.
  const files = ['a', 'ab', 'abc', 'abcd', 'abcde'].map((name) => ({ path: `d/${name}`, content: Buffer.from(name) }));
  const archive = cpioArchive([{ path: 'd' }, ...files]);
  t.deepEqual(busybox(['-t'], archive).trim().split('\n'), ['d', ...files.map(({ path }) => path)]);
  for (const { path, content } of files) t.is(busybox(['-i', '--to-stdout', path], archive), content.toString());
  const [directory, file] = busybox(['-tv'], archive).split('\n');
  t.regex(directory ?? '', /^drwxr-xr-x /);
  t.regex(file ?? '', /^-rwxr-xr-x /);
});
