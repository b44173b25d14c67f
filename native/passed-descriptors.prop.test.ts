import test from 'ava';
import fc from 'fast-check';
import { descriptorSpace, encodeDescriptor, parseDescriptors } from './passed-descriptors.ts';

test('a descriptor survives its message, and so do several, whatever other messages stand between', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 1 << 20 }), fc.boolean()), { maxLength: 5 }), (messages) => {
      const control = Buffer.concat(messages.map(([descriptor, isOther]) => {
        const message = encodeDescriptor(descriptor);
        // SCM_CREDENTIALS
        if (isOther) message.writeInt32LE(2, 12);
        return message;
      }));
      t.deepEqual(parseDescriptors(control), messages.filter(([, isOther]) => !isOther).map(([descriptor]) => descriptor));
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
