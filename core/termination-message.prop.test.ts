import test from 'ava';
import fc from 'fast-check';
import { LandbridgeError } from './errors.ts';
import { parseTerminationMessage, terminationMessage } from './termination-message.ts';

const MAX_BYTES = 4096;

test('what was said is read again, cut where the kubelet would', (t) => {
  fc.assert(fc.property(fc.stringMatching(/^[a-z-]{1,40}$/), fc.oneof(fc.string({ unit: 'grapheme' }), fc.nat(3000).map((length) => '\u{1f578}"'.repeat(length))), (code, message) => {
    const text = terminationMessage(new LandbridgeError(code, message));
    t.true(Buffer.byteLength(text) <= MAX_BYTES);
    const read = parseTerminationMessage(text);
    t.is(read?.code, code);
    t.true(message.startsWith(read?.message.replace(/[\ud800-\udbff]$/, '') ?? '-'));
    if (Buffer.byteLength(message) < 1000) t.is(read?.message, message);
  }));
});

test('anything else is nothing', (t) => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    const read = parseTerminationMessage(text);
    t.true(read === undefined || (typeof read.code === 'string' && typeof read.message === 'string'));
  }));
  for (const text of ['', 'null', '[]', '{}', '{"code":1,"message":""}', '{"code":"a"}', `{"code":"a","message":"${'x'.repeat(5000)}"}`]) t.is(parseTerminationMessage(text), undefined, text.slice(0, 40));
});
