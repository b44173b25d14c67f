import { createPublicKey } from 'node:crypto';
import test from 'ava';
import { endpoint, endpoints, exampleKeys, service, wish } from './example-records.ts';
import { OwnRecords } from './own-records.ts';

const { privateKey } = exampleKeys();
const make = (): OwnRecords => new OwnRecords({ cluster: 'west', privateKey, publicKey: createPublicKey(privateKey), clock: () => 1000 });
/** Of more bytes than a record may have. */
const tooLarge = endpoints('cart', 0, ...Array.from({ length: 500 }, (_, n) => ({ ...endpoint(`p${n}`), ports: Array.from({ length: 256 }, () => ({ name: 'x'.repeat(63), protocol: 'TCP' as const, port: 1 })) })));

test('a record waits until the bus has it, and is told once', (t) => {
  const own = make();
  t.is(own.stateOf('svc.shop.cart'), 'waiting');
  const stored = [...own.toWrite(wish(service('cart')))].map((record) => own.attempt(record));
  t.deepEqual([own.stateOf('svc.shop.cart'), [...own.takeDecided()]], ['waiting', []]);
  for (const each of stored) each();
  t.deepEqual([own.stateOf('svc.shop.cart'), [...own.takeDecided()], [...own.takeDecided()]], ['stored', ['svc.shop.cart'], []]);
});

test('a record that is to go is stored no more', (t) => {
  const own = make();
  for (const record of own.toWrite(wish(service('cart')))) own.attempt(record)();
  for (const record of own.toWrite(wish())) own.attempt(record)();
  t.is(own.stateOf('svc.shop.cart'), 'waiting');
});

test('what the bus had and lost waits again', (t) => {
  const own = make();
  for (const record of own.toWrite(wish(service('cart')))) own.attempt(record)();
  own.lost();
  t.is(own.stateOf('svc.shop.cart'), 'waiting');
});

test('a record that can not be signed says why, and is told', (t) => {
  const own = make();
  t.deepEqual([...own.toWrite(wish(tooLarge))], []);
  t.deepEqual([...own.takeDecided()], ['eps.shop.cart.0']);
  const state = own.stateOf('eps.shop.cart.0');
  t.regex(typeof state === 'string' ? state : state.refused, /larger|too large|bytes/);
});
