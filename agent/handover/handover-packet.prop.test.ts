import test from 'ava';
import fc from 'fast-check';
import { MAX_PACKET_SOCKETS } from './handed-batch.ts';
import { encodeHandoverPacket, type HandoverPacket, MAX_HANDOVER_PACKET_BYTES, parseHandoverPacket } from './handover-packet.ts';

const number = fc.integer({ min: 0, max: 0xffffffff });
const packets: fc.Arbitrary<HandoverPacket> = fc.oneof(
  fc.record({ kind: fc.constant('hello' as const), formats: fc.array(number, { minLength: 1, maxLength: 16 }), sockets: number, rehearses: fc.boolean(), resets: fc.boolean() }),
  fc.record({ kind: fc.constant('sockets' as const), count: number }),
  fc.record({ kind: fc.constant('batch' as const), number, connections: number, bytes: number, sockets: number, frozenAtMs: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }) }),
  fc.record({ kind: fc.constant('rehearsal' as const), connections: number, bytes: number, sockets: number }),
  fc.record({ kind: fc.constantFrom('take' as const, 'abort' as const), number }),
  fc.record({ kind: fc.constant('refuse' as const), number, reason: fc.string({ maxLength: 200 }) }),
  fc.record({ kind: fc.constantFrom('done' as const, 'bye' as const, 'rehearsed' as const) }),
);

test('a packet is read as it was written, whatever a later version says after it', (t) => {
  fc.assert(
    fc.property(packets, fc.uint8Array({ maxLength: 100 }), (packet, more) => {
      const bytes = encodeHandoverPacket(packet);
      t.true(bytes.length <= MAX_HANDOVER_PACKET_BYTES);
      t.deepEqual(parseHandoverPacket(Buffer.concat([bytes, more])), { ok: true, value: packet });
    }),
  );
});

test('a packet that is cut short is not read as another one', (t) => {
  fc.assert(
    fc.property(packets, fc.nat(), (packet, cut) => {
      const bytes = encodeHandoverPacket(packet);
      const kept = bytes.subarray(0, cut % bytes.length);
      const parsed = parseHandoverPacket(kept);
      const missing = bytes.length - kept.length;
      // That is what earlier versions say.
      if (packet.kind === 'hello' && missing <= 12) t.deepEqual(parsed, { ok: true, value: { ...packet, resets: false, ...(missing > 4 ? { rehearses: false } : {}), ...(missing > 8 ? { sockets: MAX_PACKET_SOCKETS } : {}) } });
      else if (packet.kind === 'batch' && missing <= 8) t.deepEqual(parsed, { ok: true, value: { ...packet, frozenAtMs: undefined } });
      else t.false(parsed.ok);
    }),
  );
});

test('any bytes are a packet or a reason', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(9), (bytes, kind) => {
      for (const input of [Buffer.from(bytes), Buffer.concat([encodeHandoverPacket({ kind: 'done' }).subarray(0, 4), Buffer.from([kind]), bytes])]) {
        const parsed = parseHandoverPacket(input);
        if (!parsed.ok) t.true(parsed.error.length > 0 && parsed.error.length < 100);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a reason is cut, and a packet that is too long is refused', (t) => {
  const parsed = parseHandoverPacket(encodeHandoverPacket({ kind: 'refuse', number: 1, reason: 'x'.repeat(500) }));
  t.deepEqual(parsed, { ok: true, value: { kind: 'refuse', number: 1, reason: 'x'.repeat(200) } });
  t.false(parseHandoverPacket(Buffer.concat([encodeHandoverPacket({ kind: 'bye' }), Buffer.alloc(MAX_HANDOVER_PACKET_BYTES)])).ok);
});
