/** What replicas of the federation service read of each other. */
import { MAX_DURATION_MS, parseLease } from '@landbridge/federation/leadership/lease.ts';
import { encodeReport, parseReport } from '@landbridge/federation/leadership/replica-report.ts';
import { expect, type FuzzTarget, latin1Text, utf8 } from './fuzz-target.ts';

const report = encodeReport({ v: 1, roots: 'a'.repeat(64), connected: 2, confirmed: 1, trusted: [{ cluster: 'west', digest: 'b'.repeat(64) }] });
const lease = { metadata: { name: 'landbridge-federation', resourceVersion: '7', annotations: { a: report } }, spec: { holderIdentity: 'pod_1', leaseDurationSeconds: 15, leaseTransitions: 3 } };

/** A Lease, and what stands in an annotation of one. */
const leases: FuzzTarget = {
  name: 'leases',
  examples: [JSON.stringify(lease), report].map((text) => Uint8Array.from(utf8(text))),
  dictionary: ['null', '{}', '[]', '-1', '1e999', '2147483647', '9007199254740993', '"__proto__":', '"v":1'].map(utf8),
  check: (input) => {
    const text = latin1Text(input);
    const said = parseReport(text);
    if (said.ok) expect(parseReport(encodeReport(said.value)).ok, 'a report that can not be written again');
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return;
    }
    const parsed = parseLease(value);
    if (!parsed.ok) return;
    const { durationMs, transitions } = parsed.value;
    expect(durationMs > 0 && durationMs <= MAX_DURATION_MS, 'a time that makes no sense');
    expect(transitions >= 0 && transitions < 2 ** 31, 'more transitions than a Lease can have');
  },
};

export const LEASE_TARGETS: readonly FuzzTarget[] = [leases];
