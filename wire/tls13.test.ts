import { createHmac } from 'node:crypto';
import test from 'ava';
import { ALERT, alertName, encodeAlert, encodeKeyUpdate, HandshakeReassembly, hkdfLabel, MAX_CIPHERTEXT_BYTES, MAX_HANDSHAKE_BYTES, MAX_PLAINTEXT_BYTES, parseAlert, parseKeyUpdate, parseNewSessionTicket, RECORD_HEADER_BYTES, type PostHandshakeMessage, type TlsFault } from './tls13.ts';

const hex = (text: string): Uint8Array => Buffer.from(text, 'hex');
const ticket = (ticketBytes: number): Uint8Array => {
  const body = Buffer.concat([Buffer.alloc(8, 1), Buffer.from([2, 9, 9, ticketBytes >> 8, ticketBytes & 0xff]), Buffer.alloc(ticketBytes, 7), Buffer.from('0008002a000400004000', 'hex')]);
  return Buffer.concat([Buffer.from([4, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff]), body]);
};
const TICKET: PostHandshakeMessage = { kind: 'new-session-ticket' };
const UPDATE: PostHandshakeMessage = { kind: 'key-update', requestsUpdate: false };
const alertOf = (result: { readonly ok: true } | { readonly ok: false; readonly error: TlsFault }): string => (result.ok ? 'ok' : alertName(result.error.alert));

test('numbers of RFC 8446', (t) => {
  t.deepEqual([MAX_PLAINTEXT_BYTES, MAX_CIPHERTEXT_BYTES, RECORD_HEADER_BYTES], [2 ** 14, 2 ** 14 + 256, 5]);
  t.is(alertName(0), 'close_notify');
  t.is(alertName(48), 'unknown_ca');
  t.is(alertName(116), 'certificate_required');
  t.is(alertName(200), 'alert 200');
  for (const code of Object.values(ALERT)) t.notRegex(alertName(code), / /);
});

test('alerts have two bytes, and only those that end nothing are warnings', (t) => {
  t.deepEqual(encodeAlert(ALERT.CLOSE_NOTIFY), Uint8Array.of(1, 0));
  t.deepEqual(encodeAlert(ALERT.DECODE_ERROR), Uint8Array.of(2, 50));
  t.deepEqual(parseAlert(Uint8Array.of(1, 0)), { ok: true, value: { kind: 'close' } });
  t.deepEqual(parseAlert(Uint8Array.of(1, 90)), { ok: true, value: { kind: 'user-canceled' } });
  // The level is not to be believed.
  t.deepEqual(parseAlert(Uint8Array.of(1, 48)), { ok: true, value: { kind: 'fatal', code: 48 } });
  for (const content of ['', '02', '023000', '01000100']) t.is(alertOf(parseAlert(hex(content))), 'decode_error', content);
});

test('KeyUpdate has one byte, 0 or 1', (t) => {
  t.deepEqual(encodeKeyUpdate(false), Uint8Array.of(24, 0, 0, 1, 0));
  t.deepEqual(parseKeyUpdate(Uint8Array.of(0)), { ok: true, value: UPDATE });
  t.deepEqual(parseKeyUpdate(Uint8Array.of(1)), { ok: true, value: { kind: 'key-update', requestsUpdate: true } });
  t.is(alertOf(parseKeyUpdate(Uint8Array.of(2))), 'illegal_parameter');
  t.is(alertOf(parseKeyUpdate(Uint8Array.of())), 'decode_error');
  t.is(alertOf(parseKeyUpdate(Uint8Array.of(0, 0))), 'decode_error');
});

test('a ticket is filled by its parts', (t) => {
  t.deepEqual(parseNewSessionTicket(ticket(40).subarray(4)), { ok: true, value: TICKET });
  t.is(alertOf(parseNewSessionTicket(ticket(0).subarray(4))), 'decode_error');
  t.is(alertOf(parseNewSessionTicket(Uint8Array.of())), 'decode_error');
  for (let length = 0; length < 40; length++) t.is(alertOf(parseNewSessionTicket(ticket(20).subarray(4, 4 + length))), 'decode_error', `${length}`);
  t.is(alertOf(parseNewSessionTicket(Buffer.concat([ticket(20).subarray(4), Buffer.of(0)]))), 'decode_error');
});

test('messages share a record, and are split over records', (t) => {
  const handshake = new HandshakeReassembly('client');
  const [first, second] = [ticket(30), ticket(50)];
  t.deepEqual(handshake.push(Buffer.concat([first, second.subarray(0, 3)])), { ok: true, value: [TICKET] });
  t.is(handshake.pending.length, 3);
  t.deepEqual(handshake.push(second.subarray(3, 20)), { ok: true, value: [] });
  t.deepEqual(handshake.push(Buffer.concat([second.subarray(20), encodeKeyUpdate(false)])), { ok: true, value: [TICKET, UPDATE] });
  t.is(handshake.pending.length, 0);
});

test('a message that is not whole is carried to another place', (t) => {
  const before = new HandshakeReassembly('server');
  t.deepEqual(before.push(hex('180000')), { ok: true, value: [] });
  const after = new HandshakeReassembly('server', before.pending);
  t.deepEqual(after.push(hex('0101')), { ok: true, value: [{ kind: 'key-update', requestsUpdate: true }] });
});

test('what is pending is not part of the record it came in', (t) => {
  const handshake = new HandshakeReassembly('server');
  const record = Buffer.from('180000', 'hex');
  handshake.push(record);
  record.fill(0xff);
  t.deepEqual(handshake.push(hex('0100')), { ok: true, value: [UPDATE] });
});

for (const [what, role, content, alert] of [
  ['an empty record', 'client', '', 'unexpected_message'],
  ['a ticket from a client', 'server', '04', 'unexpected_message'],
  ['a CertificateRequest', 'client', '0d', 'unexpected_message'],
  ['a ClientHello', 'server', '01000001', 'unexpected_message'],
  ['bytes after KeyUpdate', 'client', '180000010018', 'unexpected_message'],
  ['two KeyUpdates in a record', 'server', '18000001001800000100', 'unexpected_message'],
  ['a long KeyUpdate', 'server', '18000002', 'decode_error'],
  ['an empty KeyUpdate', 'server', '18000000', 'decode_error'],
  ['KeyUpdate with another request', 'server', '1800000102', 'illegal_parameter'],
  ['a ticket over the limit', 'client', '0400fffd', 'decode_error'],
  ['a ticket of 16 MiB', 'client', '04ffffff', 'decode_error'],
  ['an empty ticket', 'client', '04000000', 'decode_error'],
] as const) {
  test(`refuses ${what}`, (t) => {
    t.is(alertOf(new HandshakeReassembly(role).push(hex(content))), alert);
  });
}

test('a message as long as the limit is put together from single bytes', (t) => {
  const handshake = new HandshakeReassembly('client');
  const message = ticket(MAX_HANDSHAKE_BYTES - 4 - 8 - 3 - 2 - 10);
  t.is(message.length, MAX_HANDSHAKE_BYTES);
  for (let at = 0; at < message.length - 1; at++) if (!handshake.push(message.subarray(at, at + 1)).ok) return t.fail(`${at}`);
  t.deepEqual(handshake.push(message.subarray(-1)), { ok: true, value: [TICKET] });
});

/** RFC 5869, section 2.3, for one block. */
const expand = (secret: Uint8Array, label: string, length: number): string => createHmac('sha256', secret).update(hkdfLabel(label, length)).update(Uint8Array.of(1)).digest().subarray(0, length).toString('hex');

test('labels have the bytes of RFC 8448, section 3', (t) => {
  t.is(Buffer.from(hkdfLabel('key', 16)).toString('hex'), '001009746c733133206b657900');
  t.is(Buffer.from(hkdfLabel('traffic upd', 32)).toString('hex'), '002011746c733133207472616666696320757064' + '00');
  const secret = hex('b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38');
  t.is(expand(secret, 'key', 16), '3fce516009c21727d0f2e4e86ee403bc');
  t.is(expand(secret, 'iv', 12), '5d313eb2671276ee13000b30');
});
