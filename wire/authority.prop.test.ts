import { isIP } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { formatAuthority, formatSocketAddress, parseAuthority } from './authority.ts';

const ports = fc.integer({ min: 1, max: 65535 });
const hostnames = fc.domain().filter((name) => name.length <= 253);

test('an IP address and a port are parsed back', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), ports, (ip, port) => {
      const parsed = parseAuthority(formatSocketAddress({ ip, port }));
      if (!parsed.ok || parsed.value.kind !== 'ip') return t.fail(ip);
      t.is(parsed.value.port, port);
      if (isIP(ip) === 4) t.is<string, string>(parsed.value.ip, ip);
      t.deepEqual(parseAuthority(formatAuthority(parsed.value)), parsed);
    }),
  );
});

test('a hostname and a port are parsed back', (t) => {
  fc.assert(
    fc.property(hostnames, ports, (name, port) => {
      t.deepEqual(parseAuthority(`${name}:${port}`), { ok: true, value: { kind: 'hostname', hostname: name.toLowerCase() as never, port } });
    }),
  );
});

test('any text gives an answer, and a good one is its own text or another of the same meaning', (t) => {
  const texts = fc.oneof(fc.string({ maxLength: 300 }), fc.string({ unit: fc.constantFrom(...'019afxA.:[]-%*_ \n'), maxLength: 24 }), fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6(), hostnames), fc.constantFrom(':', ']:', ''), fc.nat().map(String)).map((parts) => parts.join('')));
  fc.assert(
    fc.property(texts, (text) => {
      const parsed = parseAuthority(text);
      if (!parsed.ok) return;
      t.true(parsed.value.port >= 1 && parsed.value.port <= 65535);
      const formatted = formatAuthority(parsed.value);
      t.regex(formatted, /^[0-9a-z.:[\]-]+$/);
      t.deepEqual(parseAuthority(formatted), parsed);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
