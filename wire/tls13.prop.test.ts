import test from 'ava';
import fc from 'fast-check';
import { alertName, encodeKeyUpdate, HandshakeReassembly, MAX_HANDSHAKE_BYTES, MAX_PLAINTEXT_BYTES, parseAlert, type PostHandshakeMessage } from './tls13.ts';

const ticket = fc.tuple(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.uint8Array({ maxLength: 12 }), fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.uint8Array({ maxLength: 30 })).map(([times, nonce, value, extensions]) => {
  const body = Buffer.concat([times, Buffer.of(nonce.length), nonce, Buffer.of(value.length >> 8, value.length & 0xff), value, Buffer.of(0, extensions.length), extensions]);
  return { bytes: Buffer.concat([Buffer.of(4, 0, body.length >> 8, body.length & 0xff), body]), message: { kind: 'new-session-ticket' } as PostHandshakeMessage };
});
const update = fc.boolean().map((requestsUpdate) => ({ bytes: Buffer.from(encodeKeyUpdate(requestsUpdate)), message: { kind: 'key-update', requestsUpdate } as PostHandshakeMessage }));

test('messages are the same however they are split over records, but that a record ends with KeyUpdate', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(ticket, update), { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (list, sizes) => {
      let handshake = new HandshakeReassembly('client');
      const found: PostHandshakeMessage[] = [];
      let records: Buffer[] = [Buffer.alloc(0)];
      for (const { bytes, message } of list) {
        records[records.length - 1] = Buffer.concat([records.at(-1)!, bytes]);
        if (message.kind === 'key-update') records.push(Buffer.alloc(0));
      }
      records = records.filter((record) => record.length > 0);
      let turn = 0;
      for (const record of records) {
        for (let at = 0; at < record.length; ) {
          const size = sizes[turn++ % sizes.length]!;
          const pushed = handshake.push(record.subarray(at, at + size));
          if (!pushed.ok) return t.fail(pushed.error.reason);
          found.push(...pushed.value);
          at += size;
          // As a hand-over to another process does.
          handshake = new HandshakeReassembly('client', handshake.pending);
        }
      }
      t.deepEqual(found, list.map(({ message }) => message));
      t.is(handshake.pending.length, 0);
    }),
  );
});

test('any records give an answer, and little is kept', (t) => {
  const records = fc.array(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.tuple(fc.constantFrom(4, 24, 13), fc.constantFrom(0, 1), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 })).map((header) => Uint8Array.from(header)), ticket.map(({ bytes }) => bytes)), { maxLength: 8 });
  fc.assert(
    fc.property(fc.constantFrom('client', 'server'), records, (role, list) => {
      const handshake = new HandshakeReassembly(role);
      for (const record of list) {
        const pushed = handshake.push(record);
        t.true(handshake.pending.length <= MAX_HANDSHAKE_BYTES + MAX_PLAINTEXT_BYTES);
        if (!pushed.ok) return t.notRegex(alertName(pushed.error.alert), / /);
        if (role === 'server') t.true(pushed.value.every(({ kind }) => kind === 'key-update'));
      }
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('any content gives an answer as an alert', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4 }), (content) => t.is(parseAlert(content).ok, content.length === 2)));
});
