import test from 'ava';
import fc from 'fast-check';
import { parseAcknowledgement } from './netlink.ts';

/** struct nlmsghdr and the error of struct nlmsgerr. */
function acknowledgement(error: number, type = 2): Buffer {
  const message = Buffer.alloc(36);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeInt32LE(error, 16);
  return message;
}

test('an acknowledgement tells the errno', (t) => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 4095 }), (errno) => parseAcknowledgement(acknowledgement(-errno)) === errno));
  t.is(parseAcknowledgement(acknowledgement(0)), 0);
});

test('what is none has no errno, so that it can not pass for success', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    const errno = parseAcknowledgement(Buffer.from(bytes));
    return errno === undefined || (bytes.length >= 20 && errno >= 0);
  }));
  t.is(parseAcknowledgement(acknowledgement(0, 3)), undefined);
  t.is(parseAcknowledgement(acknowledgement(5)), undefined);
  t.is(parseAcknowledgement(acknowledgement(0).subarray(0, 20)), undefined, 'cut off');
});
