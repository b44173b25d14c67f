import { closeSync, openSync, readdirSync, statSync } from 'node:fs';
import test from 'ava';
import { maxFiles, openFiles, parseMaxFiles } from './open-files.ts';

test.serial('an open descriptor counts', async (t) => {
  const before = await openFiles();
  const fds = Array.from({ length: 20 }, () => openSync('/dev/null', 'r'));
  const during = await openFiles();
  for (const fd of fds) closeSync(fd);
  t.is(during - before, 20);
});

test('a folder that tells no size is asked for its names', async (t) => {
  const folder = '/proc/self/ns';
  t.is(statSync(folder).size, 0);
  t.is(await openFiles(folder), readdirSync(folder).length);
});

test('the soft limit is read', async (t) => {
  const limits = 'Limit                     Soft Limit           Hard Limit           Units     \nMax processes             31                   32                   processes \nMax open files            1024                 524288               files     \n';
  t.is(parseMaxFiles(limits), 1024);
  t.is(parseMaxFiles(limits.replace('1024     ', 'unlimited')), Number.POSITIVE_INFINITY);
  t.is(parseMaxFiles('nothing'), undefined);
  t.true(((await maxFiles()) ?? 0) > 0);
});
