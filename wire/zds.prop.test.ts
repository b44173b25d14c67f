import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import test from 'ava';
import fc from 'fast-check';
import { WorkloadRequestSchema, WorkloadResponseSchema } from './gen/zds_pb.js';
import { encodeZdsAck, encodeZdsHello, MAX_ZDS_PACKET_BYTES, parseZdsRequest } from './zds.ts';

const text = fc.string({ minLength: 1, maxLength: 60 });
const packet = (payload: NonNullable<MessageInitShape<typeof WorkloadRequestSchema>['payload']>): Uint8Array => toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, { payload }));

test('what istio-cni says is understood', (t) => {
  fc.assert(
    fc.property(fc.uuid(), text, text, text, (uid, namespace, name, serviceAccount) => {
      t.deepEqual(parseZdsRequest(packet({ case: 'add', value: { uid, workloadInfo: { namespace, name, serviceAccount } } })), { ok: true, value: { kind: 'add', uid, namespace, name, serviceAccount } });
      t.deepEqual(parseZdsRequest(packet({ case: 'keep', value: { uid } })), { ok: true, value: { kind: 'keep', uid } });
      t.deepEqual(parseZdsRequest(packet({ case: 'del', value: { uid } })), { ok: true, value: { kind: 'delete', uid } });
    }),
  );
  t.deepEqual(parseZdsRequest(packet({ case: 'snapshotSent', value: {} })), { ok: true, value: { kind: 'snapshot-sent' } });
});

test('any packet gives an answer', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const parsed = parseZdsRequest(bytes);
      if (!parsed.ok) return t.true(parsed.error.length < 200);
      if (parsed.value.kind !== 'snapshot-sent') t.regex(parsed.value.uid, /^[0-9A-Za-z-]{1,64}$/);
    }),
    { numRuns: 2000 },
  );
});

for (const [what, bytes] of [
  ['without a request', new Uint8Array()],
  ['of a workload that is not described', packet({ case: 'add', value: { uid: 'u' } })],
  ['of a workload without a service account', packet({ case: 'add', value: { uid: 'u', workloadInfo: { name: 'a', namespace: 'b' } } })],
  ['with a uid that leads elsewhere', packet({ case: 'del', value: { uid: '../x' } })],
  ['without a uid', packet({ case: 'keep', value: {} })],
  ['over the limit', new Uint8Array(MAX_ZDS_PACKET_BYTES + 1)],
] as const) {
  test(`a packet ${what} is refused`, (t) => t.false(parseZdsRequest(bytes).ok));
}

test('packets are, byte for byte, those of the protocol', (t) => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  t.is(hex(encodeZdsHello()), '0801');
  t.is(hex(encodeZdsAck()), '0a00');
  t.is(hex(encodeZdsAck('no')), '0a040a026e6f');
  const parse = (text: string) => parseZdsRequest(Buffer.from(text.replaceAll(' ', ''), 'hex'));
  t.deepEqual(parse('0a0e 0a0161 1209 0a0162 120163 1a0164'), { ok: true, value: { kind: 'add', uid: 'a', name: 'b', namespace: 'c', serviceAccount: 'd' } });
  // The uid of a deletion is field 2.
  t.deepEqual(parse('1203 120161'), { ok: true, value: { kind: 'delete', uid: 'a' } });
  t.deepEqual(parse('2a03 0a0161'), { ok: true, value: { kind: 'keep', uid: 'a' } });
  t.deepEqual(parse('1a00'), { ok: true, value: { kind: 'snapshot-sent' } });
});

test('an answer is no longer than a packet, whatever went wrong', (t) => {
  const bytes = encodeZdsAck('\u{1f4a5}'.repeat(1000));
  t.true(bytes.length <= MAX_ZDS_PACKET_BYTES);
  t.is(fromBinary(WorkloadResponseSchema, bytes).payload.case, 'ack');
});
