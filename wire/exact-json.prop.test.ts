import test from 'ava';
import fc from 'fast-check';
import { MAX_JSON_DEPTH, parseExactJson } from './exact-json.ts';

test('what is read and written again says the same, to the last digit', (t) => {
  const number = fc.constantFrom('0', '-0', '1.0', '1e400', '12345678901234567890', '0.1000', '-1E-7');
  const text = fc.letrec<{ readonly value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      number,
      fc.string().map((value) => JSON.stringify(value)),
      fc.constantFrom('true', 'false', 'null'),
      fc.array(tie('value'), { maxLength: 4 }).map((values) => `[${values.join(',')}]`),
      fc.uniqueArray(fc.tuple(fc.oneof(fc.constantFrom('__proto__', 'constructor', 'a'), fc.string({ maxLength: 3 })), tie('value')), { maxLength: 4, selector: ([key]) => key }).map((entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`),
    ),
  })).value;
  fc.assert(
    fc.property(text, (json) => {
      const parsed = parseExactJson(json);
      if (!parsed.ok) return void t.fail(parsed.error);
      // Keys that are numbers come first in any object.
      const isOrdered = !/"\d+":/.test(json);
      const again = JSON.stringify(parsed.value);
      if (isOrdered) t.is(again, json);
      t.is(parseExactJson(again).ok, true);
    }),
  );
});

test('whatever the text is, there is an answer', (t) => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), fc.json().map((json) => json.slice(0, -1))), (text) => void parseExactJson(text)));
  t.false(parseExactJson('').ok);
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  t.true(parseExactJson(nested(MAX_JSON_DEPTH)).ok);
  t.false(parseExactJson(nested(MAX_JSON_DEPTH + 1)).ok);
  t.false(parseExactJson('['.repeat(1_000_000)).ok);
  t.true(parseExactJson(JSON.stringify({ text: '\\"[[[['.repeat(100) })).ok);
});
