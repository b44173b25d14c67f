import test from 'ava';
import { idleConnections, parseOpenFiles } from './open-files.ts';

test('the hard limit counts, and no more than enough', (t) => {
  t.is(parseOpenFiles('Max processes 1 2 processes\nMax open files            1024                 20000                files\n'), 20_000);
  t.is(parseOpenFiles('Max open files 1024 1073741816 files\n'), 131_072);
  t.is(parseOpenFiles('Max open files unlimited unlimited files\n'), 131_072);
});

test('two files for each idle connection fit into the limit', (t) => {
  t.is(idleConnections(131_072), 10_000);
  t.is(idleConnections(20_000), 9750);
  t.is(idleConnections(100), 1);
});
