import test from 'ava';
import fc from 'fast-check';
import { openAll, recordPair, sealAll, SUITES, TYPE } from './test-records.ts';

const suite = fc.constantFrom(...SUITES);
const role = fc.constantFrom('client' as const, 'server' as const);
const content = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 16_380, max: 33_000 }).map((size) => Buffer.alloc(size, size)));

test('what is sealed comes out whole and in order, wherever it is cut and whenever keys change', (t) => {
  fc.assert(
    fc.property(suite, role, fc.array(fc.record({ content, padding: fc.nat(300), update: fc.boolean() }), { maxLength: 12 }), fc.array(fc.nat(200_000), { maxLength: 20 }), (chosen, own, sent, cuts) => {
      const { records, peer } = recordPair(chosen, own);
      const wire: Buffer[] = [];
      for (const { content: bytes, padding, update } of sent) {
        if (update) wire.push(peer.keyUpdate(false));
        for (let at = 0; at === 0 || at < bytes.length; at += 16_384) {
          const part = bytes.subarray(at, at + 16_384);
          wire.push(peer.seal(part, TYPE.data, Math.min(padding, 16_384 + 239 - part.length)));
        }
      }
      const opened = openAll(records, Buffer.concat(wire), cuts.toSorted((a, b) => a - b));
      return records.fault === undefined && opened.equals(Buffer.concat(sent.map(({ content: bytes }) => bytes)));
    }),
    { numRuns: 60 },
  );
  t.pass();
});

test('what it seals, another implementation opens, with keys replaced at any number of records', (t) => {
  fc.assert(
    fc.property(suite, role, fc.array(content, { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), (chosen, own, sent, recordsPerKey) => {
      const { records, peer } = recordPair(chosen, own, recordsPerKey);
      const opened = sent.flatMap((bytes) => peer.open(sealAll(records, bytes)));
      return Buffer.concat(opened.filter(({ type }) => type === TYPE.data).map(({ content: bytes }) => bytes)).equals(Buffer.concat(sent));
    }),
    { numRuns: 60 },
  );
  t.pass();
});

test('no bytes at all make it throw, and none that nobody sealed come out', (t) => {
  fc.assert(
    fc.property(suite, role, fc.uint8Array({ maxLength: 100 }), fc.array(fc.nat(120), { maxLength: 5 }), (chosen, own, junk, cuts) => {
      const { records, peer } = recordPair(chosen, own);
      const opened = openAll(records, Buffer.concat([peer.seal(Buffer.from('true')), junk]), cuts.toSorted((a, b) => a - b));
      return opened.toString() === 'true';
    }),
  );
  t.pass();
});
