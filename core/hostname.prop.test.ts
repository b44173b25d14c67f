import { isIP } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { isHostname } from './hostname.ts';

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?$/);

test('nothing that a resolver takes for an address is a name', (t) => {
  for (const text of ['127.0.0.1', '0177.0.0.1', '127.1', '2130706433', '0x7f000001', '0x7f.1', 'a.0x', '1.2.3.4.5', '::1', '::ffff:127.0.0.1']) t.false(isHostname(text), text);
  for (const text of ['', '.', 'a.', '.a', 'a..b', 'A.b', 'a_b.c', '*.a', '-a.b', 'ä.b', 'a b', `${'a'.repeat(64)}.b`, Array.from({ length: 64 }, () => 'abc').join('.')]) t.false(isHostname(text), text);
  for (const text of ['a', 'localhost', 'api.example.com', '1.example', 'x.0y', '0x7f.example', '3com.4a']) t.true(isHostname(text), text);
});

test('labels with a letter at the end are a name, and no name is an address', (t) => {
  fc.assert(fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), (labels) => {
    const name = [...labels, 'example'].join('.');
    t.true(isHostname(name));
  }));
  fc.assert(fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.array(fc.stringMatching(/^(0x)?[0-9a-f]{1,4}$/), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'))), (text) => {
    if (isHostname(text)) t.is(isIP(text), 0);
  }));
});
