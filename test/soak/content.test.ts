import test from 'ava';
import { contentAt, firstFault } from './content.ts';

test('content is the same however it is cut', (t) => {
  const whole = contentAt(7, 'up', 0, 100_000);
  for (const cut of [1, 4095, 4096, 4097, 50_000]) {
    t.true(contentAt(7, 'up', cut, 100_000 - cut).equals(whole.subarray(cut)));
    t.is(firstFault(7, 'up', cut, whole.subarray(cut)), -1);
  }
});

test('another stream, direction or place is another content', (t) => {
  const bytes = contentAt(7, 'up', 8192, 5000);
  for (const [stream, way, place] of [[8, 'up', 8192], [7, 'down', 8192], [7, 'up', 8191], [7, 'up', 8193], [7, 'up', 4096]] as const) t.not(firstFault(stream, way, place, bytes), -1);
});

test('a byte that is missing, added or changed anywhere is found at its place or soon after', (t) => {
  const bytes = contentAt(1, 'down', 0, 20_000);
  for (const at of [0, 1, 4095, 4096, 12_345]) {
    const without = firstFault(1, 'down', 0, Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]));
    t.true(without >= at && without < at + 64, `${without}`);
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    t.is(firstFault(1, 'down', 0, changed), at);
  }
});
