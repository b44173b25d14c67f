import test from 'ava';
import fc from 'fast-check';
import { descriptorSpace, encodeDescriptors, parseDescriptors } from './passed-descriptors.ts';

test('descriptors survive their message, and several messages, whatever other messages stand between', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(fc.integer({ min: 0, max: 1 << 20 }), { minLength: 1, maxLength: 5 }), fc.boolean()), { maxLength: 5 }), (messages) => {
      const control = Buffer.concat(messages.map(([descriptors, isOther]) => {
        const message = encodeDescriptors(descriptors);
        // SCM_CREDENTIALS
        if (isOther) message.writeInt32LE(2, 12);
        return message;
      }));
      t.deepEqual(parseDescriptors(control), messages.filter(([, isOther]) => !isOther).flatMap(([descriptors]) => descriptors));
    }),
  );
});

test('any bytes give descriptors, no more than there is room for', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 90 }), (bytes, length) => {
      const control = Buffer.from(bytes);
      if (control.length >= 8) control.writeBigUInt64LE(BigInt(length), 0);
      t.true(parseDescriptors(control).length * 4 <= control.length);
    }),
    { numRuns: 2000 },
  );
});

test('the space for descriptors is that of the C library', (t) => {
  t.deepEqual([1, 2, 3, 4].map(descriptorSpace), [24, 24, 32, 32]);
});
