/** What the engine says to a peer that breaks a rule of TLS 1.3, as what it counts it, and that it goes on serving others. */
import test from 'ava';
import type { FailureReason } from '@landbridge/agent/hbone/failure.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { alertName } from '@landbridge/wire/tls13.ts';
import { ask, echo } from './applications.ts';
import { candidate, HERE, TestEngine } from './engine.ts';
import { isAllowed } from './node-peers.ts';
import { StrangePeer } from './strange-peer.ts';

const authority = new TestAuthority('east.example');
const [client, server] = [authority.certificate('client'), authority.certificate('server')];
const engine = new TestEngine();
engine.trust(authority);
const peer = new StrangePeer(client);
test.serial.afterEach.always(() => engine.reset());
test.after.always(async () => {
  await Promise.all([engine[Symbol.asyncDispose](), peer[Symbol.asyncDispose]()]);
  authority[Symbol.dispose]();
});

type Row = readonly [what: string, alert: number | null, reason: FailureReason];

/** Its first flight, or a handshake that proves nothing. */
const BEFORE: readonly Row[] = [
  ['half a ClientHello', null, 'tls-truncated'],
  ['no TLS at all', null, 'tls-not-tls'],
  ['first record of 2^14 + 257 bytes', null, 'tls-record-overflow'],
  ['first record without content', null, 'tls-truncated'],
  ['first record of application data', 10, 'tls-protocol'],
  ['change_cipher_spec before all', 10, 'tls-protocol'],
  ['alert before all', 10, 'tls-protocol'],
  ['TLS 1.2 alone', 70, 'tls-version'],
  ['alert inside the ClientHello', 10, 'tls-protocol'],
  ['bytes after the ClientHello', 10, 'tls-protocol'],
  ['message of 16 MB', 47, 'tls-protocol'],
  ['ServerHello', 10, 'tls-protocol'],
  ['ClientHello with a length inside that is too long', 50, 'tls-protocol'],
  ['Finished that proves nothing', 51, 'tls-protocol'],
  ['CertificateVerify that proves nothing', 51, 'tls-protocol'],
];

/** Once its handshake is done, whichever its role. */
const AFTER: readonly Row[] = [
  ['record of 2^14 + 257 bytes', 22, 'tls-record-overflow'],
  ['content of 2^14 + 1 bytes', 22, 'tls-record-overflow'],
  ['record without content', 20, 'tls-bad-record'],
  ['inner plaintext of zeroes', 10, 'tls-unexpected-message'],
  ['unknown content type', 10, 'tls-unexpected-message'],
  ['sealed change_cipher_spec', 10, 'tls-unexpected-message'],
  ['plain change_cipher_spec', 10, 'tls-unexpected-message'],
  ['plain alert', 10, 'tls-unexpected-message'],
  ['alert in pieces', 50, 'tls-unexpected-message'],
  ['two alerts in one record', 50, 'tls-unexpected-message'],
  ['fatal alert', null, 'tls-peer-alert'],
  ['fatal alert that calls itself a warning', null, 'tls-peer-alert'],
  ['KeyUpdate with value 2', 47, 'tls-unexpected-message'],
  ['KeyUpdate of 0 bytes', 50, 'tls-unexpected-message'],
  ['bytes after KeyUpdate', 10, 'tls-unexpected-message'],
  ['two KeyUpdates in one record', 10, 'tls-unexpected-message'],
  ['data inside KeyUpdate', 10, 'tls-unexpected-message'],
  ['70 KeyUpdates', 10, 'tls-record-flood'],
  ['CertificateRequest', 10, 'tls-unexpected-message'],
  ['Certificate', 10, 'tls-unexpected-message'],
  ['ClientHello again', 10, 'tls-unexpected-message'],
  ['Finished again', 10, 'tls-unexpected-message'],
  ['empty handshake record', 10, 'tls-unexpected-message'],
  ['flipped bit', 20, 'tls-bad-record'],
  ['flipped bit in the tag', 20, 'tls-bad-record'],
  ['record that comes twice', 20, 'tls-bad-record'],
  ['80 empty records', 10, 'tls-record-flood'],
];

const said = (alert: number | null): string => (alert === null ? 'closes' : `says ${alertName(alert)}`);

for (const [what, alert, reason] of [...BEFORE, ...AFTER, ['NewSessionTicket', 10, 'tls-unexpected-message'] as const]) {
  test.serial(`to a client with a ${what} the engine ${said(alert)}: ${reason}`, async (t) => {
    await using application = await echo();
    const pod = engine.server(server);
    t.is((await peer.asClient(pod.port, what)).alert, alert);
    await engine.until((_, failures) => Object.keys(failures).length > 0);
    t.deepEqual(await engine.failures(), { [`inbound ${reason}`]: 1 });
    t.true(await isAllowed(pod.port, client, authority.rootPem, `${HERE}:${application.port}`), 'others are served');
  });
}

for (const [what, alert, reason] of AFTER) {
  test.serial(`to a server with a ${what} the engine ${said(alert)}: ${reason}`, async (t) => {
    const outcome = await peer.asServer(what, async (port) => {
      const pod = engine.client(client, [candidate(port, client.identity)]);
      t.true((await ask(pod.port, 'x')) instanceof Error);
    });
    t.is(outcome.alert, alert);
    t.deepEqual(await engine.failures(), { [`outbound ${reason}`]: 1 });
  });
}

test.serial('a ClientHello in records of one byte is one', async (t) => {
  const pod = engine.server(server);
  t.deepEqual(await peer.asClient(pod.port, 'ClientHello in records of one byte'), { alert: null, answered: true });
});

test.serial('what is odd and allowed is borne: empty records, KeyUpdate of both kinds and in pieces, padding, records of one byte', async (t) => {
  const pod = engine.server(server);
  t.deepEqual(await peer.asClient(pod.port, 'harmless oddities'), { alert: null, answered: true });
});
