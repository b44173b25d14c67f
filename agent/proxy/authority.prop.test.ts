import test from 'ava';
import fc from 'fast-check';
import { formatAuthority, parseAuthority } from './authority.ts';

const port = fc.integer({ min: 1, max: 65535 });

test('what was formatted is parsed back', (t) => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), port, (ip, number) => {
    const parsed = parseAuthority(formatAuthority({ ip, port: number }));
    return parsed.ok && parsed.value.ip === ip && parsed.value.port === number;
  }));
  t.pass();
});

test('any text gives an answer, and only IP:PORT a good one', (t) => {
  fc.assert(fc.property(fc.string({ maxLength: 100 }), (text) => {
    const parsed = parseAuthority(text);
    return !parsed.ok || formatAuthority(parsed.value).length > 0;
  }));
  for (const text of ['', 'echo:80', '10.0.0.1', '10.0.0.1:0', '10.0.0.1:65536', '10.0.0.1:80:80', '[10.0.0.1]:80', '::1:80', '[::1%eth0]:80', '10.0.0.256:1', 'user@10.0.0.1:80', `${'1'.repeat(80)}:80`]) t.false(parseAuthority(text).ok, text);
});
