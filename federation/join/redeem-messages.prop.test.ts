import { LandbridgeError } from '@landbridge/core/errors.ts';
import test from 'ava';
import fc from 'fast-check';
import { encodeRedeemAnswer, encodeRedeemRefusal, MAX_ANSWER_BYTES, parseRedeemAnswer, parseRedeemRequest } from './redeem-messages.ts';

const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.json().map((text) => Buffer.from(text)));

test('any bytes have an answer', (t) => {
  fc.assert(fc.property(bytes, (input) => !parseRedeemRequest(input).ok && typeof parseRedeemAnswer(input).ok === 'boolean'));
  t.pass();
});

test('answers and refusals are read back', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 5 }), (members) => {
      const answer = parseRedeemAnswer(encodeRedeemAnswer({ userJwt: 'a.b.c', members }));
      t.deepEqual(answer.ok && answer.value.ok && answer.value.value.members.map((member) => [...member]), members.map((member) => [...member]));
    }),
  );
  const refusal = parseRedeemAnswer(encodeRedeemRefusal(new LandbridgeError('token-used', 'used', { hint: 'new one', retryable: true })));
  if (!refusal.ok || refusal.value.ok) return t.fail();
  t.like(refusal.value.error, { code: 'token-used', message: 'used', hint: 'new one', retryable: true });
});

test('an answer never grows over what the hub carries', (t) => {
  const members = Array.from({ length: 10 }, () => new Uint8Array(150 * 1024));
  const encoded = encodeRedeemAnswer({ userJwt: 'a.b.c', members });
  t.true(encoded.length <= MAX_ANSWER_BYTES);
  const answer = parseRedeemAnswer(encoded);
  t.is(answer.ok && answer.value.ok && answer.value.value.members.length, 4);
});
