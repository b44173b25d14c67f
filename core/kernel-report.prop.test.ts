import test from 'ava';
import fc from 'fast-check';
import { missingOf, parseKernelReport } from './kernel-report.ts';

const feature = fc.record({ name: fc.string(), since: fc.string(), purpose: fc.string(), isThere: fc.boolean() });
const report = fc.record({ release: fc.string(), features: fc.array(feature) });

test('a report is read as it was written, with what newer agents add', (t) => {
  fc.assert(fc.property(report, (written) => {
    const read = parseKernelReport(JSON.stringify({ ...written, more: 1 }));
    t.true(read.ok);
    if (read.ok) t.is(JSON.stringify(read.value), JSON.stringify({ ...written, more: 1 }));
  }));
});

test('anything else is refused', (t) => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    t.false(parseKernelReport(text).ok);
  }));
  for (const text of ['{"release":1,"features":[]}', '{"release":"6.1"}', '{"release":"6.1","features":[{"name":"a"}]}', `{"release":"${'x'.repeat(2000)}","features":[]}`]) t.false(parseKernelReport(text).ok, text.slice(0, 40));
});

test('what is missing is what is not there', (t) => {
  const features = [true, false].map((isThere, at) => ({ name: `f${at}`, since: '1.0', purpose: '', isThere }));
  t.deepEqual(missingOf({ release: '6.1', features }).map(({ name }) => name), ['f1']);
});
