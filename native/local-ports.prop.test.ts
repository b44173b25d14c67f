import test from 'ava';
import fc from 'fast-check';
import { parseLocalPorts, pickLocalPort } from './local-ports.ts';

const port = fc.integer({ min: 1, max: 65_535 });
const range = fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const textOf = ({ first, last }: { first: number; last: number }): string => (first === last ? `${first}` : `${first}-${last}`);

test('what the kernel tells is read as it is', (t) => {
  t.deepEqual(parseLocalPorts('32768\t60999\n', '\n'), { first: 32_768, last: 60_999, reserved: [] });
  t.deepEqual(parseLocalPorts('1024\t65535\n', '8080,30000-32767\n'), { first: 1024, last: 65_535, reserved: [{ first: 8080, last: 8080 }, { first: 30_000, last: 32_767 }] });
  fc.assert(fc.property(range, fc.array(range), (ports, reserved) => {
    t.deepEqual(parseLocalPorts(`${ports.first}\t${ports.last}\n`, `${reserved.map(textOf).join(',')}\n`), { ...ports, reserved });
  }));
});

test('anything else is read as nothing', (t) => {
  for (const bad of ['', '1', '0\t5', '5\t4', '1\t65536', '1 2 3', 'a\tb']) t.is(parseLocalPorts(bad, ''), undefined, bad);
  for (const bad of ['0', '9-8', '70000', 'x', '1-x', '1-', '1-2-3', '-1', '1 2']) t.is(parseLocalPorts('1\t9', bad), undefined, bad);
  fc.assert(fc.property(fc.string(), fc.string(), (ports, reserved) => {
    const parsed = parseLocalPorts(ports, reserved);
    t.true(parsed === undefined || (parsed.first > 0 && parsed.first <= parsed.last && parsed.last < 65_536));
  }));
});

test('a port that is picked is one of its half, in range and not reserved; all of them are', (t) => {
  fc.assert(fc.property(range, fc.array(range, { maxLength: 3 }), fc.constantFrom('bind', 'connect'), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (ports, reserved, half, random) => {
    const picked = pickLocalPort({ ...ports, reserved }, half, random);
    if (picked === undefined) return t.true(reserved.length > 0 || (half === 'bind' && ports.first === ports.last));
    return t.true(picked >= ports.first && picked <= ports.last && (picked - ports.first) % 2 === (half === 'bind' ? 1 : 0) && reserved.every(({ first, last }) => picked < first || picked > last));
  }));
  const all = (half: 'bind' | 'connect', last: number): readonly (number | undefined)[] => [...new Set(Array.from({ length: 100 }, (_, i) => pickLocalPort({ first: 10, last, reserved: [{ first: 13, last: 14 }] }, half, i / 100)))].sort();
  t.deepEqual([all('bind', 20), all('connect', 20)], [[11, 15, 17, 19, undefined], [10, 12, 16, 18, 20, undefined]]);
  t.deepEqual([all('bind', 21), all('connect', 21)], [[11, 15, 17, 19, 21, undefined], [10, 12, 16, 18, 20, undefined]]);
});
