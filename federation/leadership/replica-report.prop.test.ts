import test from 'ava';
import fc from 'fast-check';
import { agentsOfAll, encodeReport, MAX_REPORT_LENGTH, type OtherReplica, parseReport, type ReplicaReport, trustedByAll } from './replica-report.ts';

const digest = fc.constantFrom('a', 'b', 'c').map((letter) => letter.repeat(64));
const bundle = fc.record({ cluster: fc.constantFrom('east', 'west', 'north'), digest });
const reportArbitrary: fc.Arbitrary<ReplicaReport> = fc.record({ v: fc.constant(1 as const), roots: digest, connected: fc.nat(), confirmed: fc.nat(), trusted: fc.array(bundle, { maxLength: 5 }) });
const others: fc.Arbitrary<OtherReplica[]> = fc.array(fc.record({ pod: fc.string(), report: fc.option(reportArbitrary, { nil: undefined }) }), { maxLength: 3 });

test('a report is read as it was written, and nothing else is read as one', (t) => {
  fc.assert(fc.property(reportArbitrary, (report) => {
    const parsed = parseReport(encodeReport(report));
    return parsed.ok && encodeReport(parsed.value) === encodeReport(report);
  }));
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), reportArbitrary.map((report) => encodeReport(report).slice(1))), (text) => !parseReport(text).ok));
  t.false(parseReport(' '.repeat(MAX_REPORT_LENGTH + 1)).ok);
  t.false(parseReport('{"v":2,"roots":"","connected":0,"confirmed":0,"trusted":[]}').ok);
});

test('what all have is what each has, and one of whom nothing is known has nothing', (t) => {
  fc.assert(fc.property(fc.array(bundle, { maxLength: 5 }), others, (own, all) => {
    const trusted = trustedByAll(own, all);
    return own.every((each) => trusted.includes(each) === all.every(({ report }) => report?.trusted.some((other) => other.cluster === each.cluster && other.digest === each.digest) === true));
  }));
  t.deepEqual(trustedByAll([{ cluster: 'west', digest: 'a' }], []), [{ cluster: 'west', digest: 'a' }]);
  t.deepEqual(trustedByAll([{ cluster: 'west', digest: 'a' }], [{ pod: 'x', report: undefined }]), []);
});

test('agents of all replicas are counted; those of a replica with other roots have not confirmed these', (t) => {
  const [roots, others] = ['a'.repeat(64), 'b'.repeat(64)];
  const report = (changes: Partial<ReplicaReport>): ReplicaReport => ({ v: 1, roots, connected: 3, confirmed: 3, trusted: [], ...changes });
  t.deepEqual(agentsOfAll({ connected: 2, confirmed: 1 }, roots, [{ pod: 'x', report: report({}) }]), { connected: 5, confirmed: 4, replicasBehind: [] });
  t.deepEqual(agentsOfAll({ connected: 2, confirmed: 2 }, roots, [{ pod: 'y', report: report({ roots: others }) }, { pod: 'x', report: undefined }]), { connected: 5, confirmed: 2, replicasBehind: ['x', 'y'] });
});
