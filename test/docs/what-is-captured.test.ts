import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { markdownTable, ROWS } from '../capture-matrix/rows.ts';

test('docs/what-is-captured.md has the rows that are tested', (t) => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/what-is-captured.md'), 'utf8');
  t.is(page.split('\n\n').find((part) => part.startsWith('|')), markdownTable().trimEnd());
});

test('no two rows begin the same traffic, or say the same of it', (t) => {
  const begun = ROWS.map(({ outcome: _, traffic: __, ...how }) => JSON.stringify(how));
  t.is(new Set(begun).size, ROWS.length);
  t.is(new Set(ROWS.map(({ origin, traffic }) => `${origin} ${traffic}`)).size, ROWS.length);
});
