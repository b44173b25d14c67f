import test from 'ava';
import { pino } from 'pino';
import { LineBatch } from './line-batch.ts';

function create() {
  const writes: string[] = [];
  return { writes, batch: new LineBatch({ write: (lines) => writes.push(lines) }) };
}

test('a line goes out at once', (t) => {
  const { writes, batch } = create();
  pino({ base: null, timestamp: false }, batch).info('hello');
  t.deepEqual(writes, ['{"level":30,"msg":"hello"}\n']);
});

test('lines of one moment go out together, in their order, and nothing is held back afterwards', (t) => {
  const { writes, batch } = create();
  batch.together(() => {
    batch.write('a\n');
    batch.together(() => batch.write('b\n'));
    batch.write('c\n');
    t.deepEqual(writes, []);
  });
  batch.write('d\n');
  t.deepEqual(writes, ['a\nb\nc\n', 'd\n']);
});

test('what is held back is bounded', (t) => {
  const { writes, batch } = create();
  const line = `${'x'.repeat(999)}\n`;
  batch.together(() => {
    for (let n = 0; n < 1000; n++) batch.write(line);
  });
  t.is(writes.join(''), line.repeat(1000));
  for (const each of writes) t.true(each.length <= 64 * 1024 + line.length);
});

test('a failure does not hold lines back', (t) => {
  const { writes, batch } = create();
  t.throws(() => batch.together(() => {
    batch.write('a\n');
    throw new Error('x');
  }));
  batch.write('b\n');
  t.deepEqual(writes, ['a\n', 'b\n']);
});

test('without lines nothing is written', (t) => {
  const { writes, batch } = create();
  batch.together(() => {});
  t.deepEqual(writes, []);
});
