/** The record layer of a TLS connection that goes on in another process, at moments that are hard. */
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { openAll, recordPair, sealAll, SUITES, TYPE } from '../hbone/test-records.ts';
import { TlsRecords } from '../hbone/tls-records.ts';
import { carried, tunnelState } from './test-tunnel-state.ts';

function moved(records: TlsRecords): TlsRecords {
  const { records: state } = carried(tunnelState(records.state)).channel;
  records[Symbol.dispose]();
  return new TlsRecords(state.role, state);
}

const text = (value: string): Buffer => Buffer.from(value);

for (const suite of SUITES) {
  test(`${suite}: numbers of records go on, both ways`, (t) => {
    const { records, peer } = recordPair(suite, 'server');
    t.is(openAll(records, Buffer.concat([peer.seal(text('a')), peer.seal(text('b'))])).toString(), 'ab');
    peer.open(sealAll(records, randomBytes(40_000)));
    const next = moved(records);
    t.is(openAll(next, peer.seal(text('c'))).toString(), 'c');
    t.deepEqual(peer.open(sealAll(next, text('d'))).map(({ content }) => content.toString()), ['d']);
    t.is(next.fault, undefined);
  });

  test(`${suite}: a record of which a part has arrived, at every place`, (t) => {
    const said = randomBytes(50);
    for (let cut = 1; cut < 70; cut++) {
      const { records, peer } = recordPair(suite, 'client');
      const sealed = peer.seal(said);
      t.is(openAll(records, sealed.subarray(0, cut)).length, 0);
      t.deepEqual(openAll(moved(records), sealed.subarray(cut)), said);
    }
  });

  test(`${suite}: keys that were changed, that are to be changed, and a KeyUpdate of which a part has arrived`, (t) => {
    const { records, peer } = recordPair(suite, 'client');
    openAll(records, Buffer.concat([peer.keyUpdate(false), peer.seal(text('x')), peer.keyUpdate(true)]));
    peer.open(sealAll(records, text('before the move')));
    openAll(records, Buffer.concat([peer.keyUpdate(true), peer.seal(Buffer.from([24, 0, 0]), TYPE.handshake)]));
    const next = moved(records);
    t.true(next.owesKeyUpdate);
    t.deepEqual(peer.open(sealAll(next, text('y'))).map(({ type }) => type), [TYPE.handshake, TYPE.data]);
    openAll(next, peer.seal(Buffer.from([1, 0]), TYPE.handshake));
    t.is(next.fault, undefined);
  });
}

test('a secret is not to be found in what has moved', (t) => {
  const { records } = recordPair('TLS_AES_128_GCM_SHA256', 'server');
  const { secret } = records.state.tx;
  const before = Buffer.from(secret);
  const next = moved(records);
  t.deepEqual(secret, Buffer.alloc(secret.length));
  t.deepEqual(next.state.tx.secret, before);
});
