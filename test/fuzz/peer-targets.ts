/** Parsers of what other clusters say all the time. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { isDnsLabel } from '@landbridge/core/names.ts';
import { openReminder } from '@landbridge/federation/peers/epoch-reminder.ts';
import { exampleKeys } from '@landbridge/federation/records/example-records.ts';
import { signRecord } from '@landbridge/federation/records/record-signature.ts';
import { decodeBeat, encodeBeat, INTERVAL_STEP_MS, MAX_ASKS, MAX_BEAT_BYTES, NO_DIGEST } from '@landbridge/wire/beat.ts';
import { decodeDialReport, encodeDialReport, MAX_REPORTED_CLUSTERS } from '@landbridge/wire/dial-report.ts';
import { DeltaDiscoveryRequestSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { DIAL_REPORT_TYPE } from '@landbridge/wire/protocol.ts';
import { expect, type FuzzTarget, hex, latin1 } from './fuzz-target.ts';

const signature = new Uint8Array(64).fill(7);

const beat: FuzzTarget = {
  name: 'beat',
  examples: [
    encodeBeat({ epoch: 1_790_000_000_000, sequence: 1_790_000_005_000, intervalMs: 5000, digest: '0123456789abcdef', asks: [], signature }),
    encodeBeat({ epoch: 1, sequence: 1, intervalMs: INTERVAL_STEP_MS, digest: NO_DIGEST, asks: ['east', 'a'.repeat(63)], signature }),
  ].map((bytes) => Uint8Array.from(bytes)),
  dictionary: [...['00', 'ff', '08', '01', '3f'].map(hex), ...['east', '-', '.'].map(latin1)],
  check: (input) => {
    const decoded = decodeBeat(input);
    if (!decoded.ok) return void expect(decoded.error.length <= 100, 'reason is too long');
    expect(input.length <= MAX_BEAT_BYTES && decoded.value.asks.length <= MAX_ASKS, 'more than fits');
    expect(Buffer.from(encodeBeat(decoded.value)).equals(input), 'beat does not survive');
  },
};

const keys = exampleKeys();
const sync = (cluster: string): Uint8Array => Uint8Array.from(signRecord(keys.privateKey, { cluster, key: 'sync', epoch: 1_790_000_000_000, gen: 7, body: { kind: 'sync', count: 3, digest: '0'.repeat(64) } }));

/** What others show a cluster as its own. */
const reminder: FuzzTarget = {
  name: 'reminder',
  examples: [sync('west'), sync('east')],
  dictionary: ['"sync"', '"west"', '"epoch":', '"sig":', 'null', '{', '}'].map(latin1),
  check: (input) => {
    const version = openReminder(input, 'west', keys.publicKey);
    if (version !== undefined) expect(version.epoch === 1_790_000_000_000 && version.gen === 7, 'a version that was never signed');
  },
};

const report = (entries: Readonly<Record<string, string>>): Uint8Array => Uint8Array.from(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { typeUrl: DIAL_REPORT_TYPE, initialResourceVersions: entries })));

/** What agents say of their dials, in the message that it comes in. */
const dialReport: FuzzTarget = {
  name: 'dial-report',
  examples: [report({ west: '5 0', north: '0 999999999' }), report({})],
  dictionary: ['west', ' ', '0', '1 1', '__proto__'].map(latin1),
  check: (input) => {
    let entries: Readonly<Record<string, string>>;
    try {
      entries = fromBinary(DeltaDiscoveryRequestSchema, input).initialResourceVersions;
    } catch {
      // The stream ends by it.
      return;
    }
    const decoded = decodeDialReport(entries);
    expect(decoded.size <= MAX_REPORTED_CLUSTERS, 'more than fits');
    for (const [cluster, { opened, failed }] of decoded) expect(isDnsLabel(cluster) && Number.isSafeInteger(opened) && Number.isSafeInteger(failed), 'what is no report');
    expect(decodeDialReport(encodeDialReport(decoded)).size === decoded.size, 'report does not survive');
  },
};

export const PEER_TARGETS: readonly FuzzTarget[] = [beat, reminder, dialReport];
