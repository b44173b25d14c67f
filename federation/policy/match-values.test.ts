import { formatPrefix } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import { parseIpBlock, parsePort, parsePrincipal, parseServiceAccount, parseText } from './match-values.ts';

test('a star matches any text, an end or a beginning, and is refused anywhere else', (t) => {
  const cases: [string, unknown][] = [
    ['*', { kind: 'presence' }],
    ['*x', { kind: 'suffix', value: 'x' }],
    ['x*', { kind: 'prefix', value: 'x' }],
    ['x', { kind: 'exact', value: 'x' }],
    // Nothing but texts are compared: this is no expression.
    ['ca.+t$', { kind: 'exact', value: 'ca.+t$' }],
  ];
  for (const [value, expected] of cases) t.deepEqual(parseText(value), { ok: true, value: expected } as never, value);
  for (const value of ['', '**', '*x*', 'x*y', '*x*y', 'x**']) t.false(parseText(value).ok, value);
});

test('a principal is written without the scheme of its SPIFFE ID', (t) => {
  t.true(parsePrincipal('west.landbridge/ns/shop/sa/cart').ok);
  t.true(parsePrincipal('west.landbridge/*').ok);
  for (const value of ['spiffe://west.landbridge/ns/shop/sa/cart', '*spiffe://x']) t.false(parsePrincipal(value).ok, value);
});

test('an address is a range of one; forms that others read differently are refused', (t) => {
  const cases: [string, string][] = [['10.1.2.3', '10.1.2.3/32'], ['10.1.2.3/8', '10.0.0.0/8'], ['::ffff:127.0.0.1', '127.0.0.1/32'], ['::ffff:10.0.0.0/104', '10.0.0.0/8'], ['fd00::1', 'fd00::1/128'], ['FD00:0:0::/16', 'fd00::/16'], ['0.0.0.0/0', '0.0.0.0/0'], ['::/0', '::/0']];
  for (const [value, expected] of cases) {
    const parsed = parseIpBlock(value);
    t.is(parsed.ok ? formatPrefix(parsed.value) : parsed.error, expected);
  }
  for (const value of ['0177.0.0.1', '1', '0x7f.0.0.1', 'fe80::1%eth0', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/', '/8', ' 10.0.0.1', '10.0.0.1/8/8', 'localhost', '']) t.false(parseIpBlock(value).ok, value);
});

test('a port is a decimal from 1 to 65535', (t) => {
  for (const [value, expected] of [['1', 1], ['8080', 8080], ['65535', 65535]] as const) t.deepEqual(parsePort(value), { ok: true, value: expected });
  for (const value of ['0', '65536', '99999', '080', '+80', '-1', '8e1', '0x50', '80.0', ' 80', '80-90', 'http', '*', '']) t.false(parsePort(value).ok, value);
});

test('a service account is a name of the policy’s namespace, or of another one, and nothing that looks like a pattern', (t) => {
  t.deepEqual(parseServiceAccount('cart', 'shop'), { ok: true, value: { namespace: 'shop', serviceAccount: 'cart' } });
  t.deepEqual(parseServiceAccount('bank/till.v2', 'shop'), { ok: true, value: { namespace: 'bank', serviceAccount: 'till.v2' } });
  for (const value of ['*', 'bank/*', '*/cart', 'c[ab]rt', 'cart.*', '.*', 'a|b', '^cart$', 'a/b/c', '/cart', 'bank/', 'Cart', 'cart ', '']) t.false(parseServiceAccount(value, 'shop').ok, value);
});
