import test from 'ava';
import fc from 'fast-check';
import { decodeDialReport, type DialReport, encodeDialReport, MAX_REPORTED_CLUSTERS } from './dial-report.ts';

const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const count = fc.nat(999_999_999);
const report = (maxLength: number): fc.Arbitrary<DialReport> => fc.array(fc.tuple(name, fc.record({ opened: count, failed: count }, { noNullPrototype: true })), { maxLength }).map((entries) => new Map(entries));

test('what was encoded is decoded to the same', (t) => {
  fc.assert(fc.property(report(20), (value) => t.deepEqual([...decodeDialReport(encodeDialReport(value))].sort(), [...value].sort())));
});

test('any entries are read, at most so many, and what can not be read says nothing', (t) => {
  fc.assert(fc.property(fc.dictionary(fc.oneof(name, fc.string()), fc.oneof(fc.string(), count.map((n) => `${n} ${n}`))), (entries) => {
    for (const [cluster, { opened, failed }] of decodeDialReport(entries)) t.is(entries[cluster], `${opened} ${failed}`);
  }));
  for (const bad of ['', '1', '1 ', ' 1 1', '01 1', '1 1 1', '-1 1', '1e3 1', '1 9999999999', '1\n1']) t.is(decodeDialReport({ west: bad }).size, 0, bad);
  t.is(decodeDialReport({ 'West': '1 1', '*': '1 1', '': '1 1' }).size, 0);
});

test('of too many clusters those with failures are told first', (t) => {
  const many: DialReport = new Map(Array.from({ length: 400 }, (_, n) => [`c${n}`, { opened: 1, failed: n >= 390 ? 1 : 0 }]));
  const told = decodeDialReport(encodeDialReport(many));
  t.is(told.size, MAX_REPORTED_CLUSTERS);
  for (let n = 390; n < 400; n++) t.true(told.has(`c${n}`));
  t.is(decodeDialReport(Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`c${n}`, '1 1']))).size, MAX_REPORTED_CLUSTERS);
});
