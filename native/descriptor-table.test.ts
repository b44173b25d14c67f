import { execFileSync } from 'node:child_process';
import path from 'node:path';
import test from 'ava';

const MODULE = path.join(import.meta.dirname, 'descriptor-table.ts');

/** In a process of its own, whose table is as short as that of any which has just begun. */
function roomOf(wanted: number, limit: number): { readonly returned: number; readonly before: number; readonly after: number } {
  const program = `
    import { readFileSync } from 'node:fs';
    import { makeRoomForDescriptors } from ${JSON.stringify(MODULE)};
    const size = () => Number(/^FDSize:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))[1]);
    const before = size();
    console.log(JSON.stringify({ before, returned: makeRoomForDescriptors(${wanted}), after: size() }));`;
  return JSON.parse(execFileSync('sh', ['-c', `ulimit -n ${limit}; exec "$0" --input-type=module -e "$1"`, process.execPath, program], { encoding: 'utf8' }));
}

test('a table has room for what is wanted', (t) => {
  const { returned, before, after } = roomOf(8192, 16_384);
  t.true(before < 8192);
  t.is(returned, 8192);
  t.true(after >= 8192);
});

test('where a process may not have as many, it is as many as fit', (t) => {
  const { returned, after } = roomOf(8192, 3000);
  t.is(returned, 2048);
  t.true(after >= 2048);
});
