import test from 'ava';
import { formatAuthority, formatSocketAddress, parseAuthority, parseHostname } from './authority.ts';

const read = (text: string): string => {
  const parsed = parseAuthority(text);
  return parsed.ok ? `${parsed.value.kind} ${formatAuthority(parsed.value)}` : 'refused';
};
const LONGEST = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;

test('the three forms', (t) => {
  t.deepEqual(parseAuthority('10.0.0.1:80'), { ok: true, value: { kind: 'ip', ip: '10.0.0.1' as never, port: 80 } });
  t.deepEqual(parseAuthority('[fd00::1]:65535'), { ok: true, value: { kind: 'ip', ip: 'fd00::1' as never, port: 65535 } });
  t.deepEqual(parseAuthority('cart.shop.svc.clusterset.local:8080'), { ok: true, value: { kind: 'hostname', hostname: 'cart.shop.svc.clusterset.local' as never, port: 8080 } });
});

test('a host has one text', (t) => {
  t.is(read('[FD00:0::0001]:1'), 'ip [fd00::1]:1');
  t.is(read('[::ffff:10.0.0.1]:1'), 'ip 10.0.0.1:1');
  t.is(read('Cart.SHOP:1'), 'hostname cart.shop:1');
  t.is(read('echo:80'), 'hostname echo:80');
  t.is(read('4.echo-2.x0:80'), 'hostname 4.echo-2.x0:80');
  t.is(read(`${LONGEST}:65535`), `hostname ${LONGEST}:65535`);
});

for (const text of [
  '',
  ':',
  ':80',
  '10.0.0.1',
  'echo',
  '10.0.0.1:',
  '10.0.0.1:0',
  '10.0.0.1:65536',
  '10.0.0.1:080',
  '10.0.0.1:+80',
  '10.0.0.1:8e1',
  '10.0.0.1: 80',
  '10.0.0.1:80 ',
  '10.0.0.1:80\n',
  '10.0.0.1:80:80',
  '[10.0.0.1]:80',
  '[echo]:80',
  '::1:80',
  '[::1]',
  '[::1]80',
  '[::1:80',
  '::1]:80',
  '[[::1]]:80',
  '[]:80',
  '[::1%eth0]:80',
  '10.0.0.256:1',
  '0177.0.0.1:80',
  '0x7f000001:80',
  'a.0x7f:80',
  '2130706433:80',
  '10.1:80',
  'user@10.0.0.1:80',
  'http://echo:80',
  'echo:80/',
  '*.shop.svc:80',
  '*:80',
  'cart.*.svc:80',
  'echo.:80',
  '.echo:80',
  'a..b:80',
  '-a:80',
  'a-:80',
  'a_b:80',
  'a b:80',
  '\u00e9cho:80',
  // Its lower case is an ASCII k.
  '\u212aart:80',
  `${'1'.repeat(80)}:80`,
  `${'a'.repeat(64)}:80`,
  `${LONGEST}d:80`,
  `${'a.'.repeat(200)}a:80`,
]) {
  test(`refuses ${JSON.stringify(text.length < 40 ? text : `${text.slice(0, 8)}… of ${text.length}`)}`, (t) => {
    t.is(read(text), 'refused');
  });
}

test('a hostname is one without a port', (t) => {
  t.deepEqual(parseHostname('Echo.Shop'), { ok: true, value: 'echo.shop' as never });
  for (const text of ['', 'echo:80', '10.0.0.1', '::1', `${LONGEST}d`]) t.false(parseHostname(text).ok);
});

test('socket addresses of any kind are formatted', (t) => {
  t.is(formatSocketAddress({ ip: '10.0.0.1', port: 0 }), '10.0.0.1:0');
  t.is(formatSocketAddress({ ip: '::', port: 1 }), '[::]:1');
});
