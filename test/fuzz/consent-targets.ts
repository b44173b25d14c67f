/** What decides about imports: policies that somebody has written, and ranges that other clusters declare. */
import { formatPrefix } from '@landbridge/core/ip-address.ts';
import { judgeClaims } from '@landbridge/federation/consent/declared-ranges.ts';
import { dropReason } from '@landbridge/federation/consent/endpoint-confinement.ts';
import { decideImport } from '@landbridge/federation/consent/import-decision.ts';
import { parseImportPolicy } from '@landbridge/federation/consent/import-policy.ts';
import { expect, type FuzzTarget, utf8, utf8Text, jsonOf } from './fuzz-target.ts';

const policy = { metadata: { name: 'imports' }, spec: { governs: { namespaces: ['shop'], services: ['cart'] }, allow: [{ clusters: ['west'], namespaces: ['shop'], services: ['cart'], ranges: ['10.2.0.0/16', 'fd00::/48'], maxSharePercent: 50, unlessLocal: true }] } };
/** Longest text of a fault; the message of a condition has room for it. */
const MAX_FAULT = 400;

const importPolicy: FuzzTarget = {
  name: 'import-policy',
  examples: [policy, { spec: { allow: [{}] } }].map((each) => utf8(JSON.stringify(each))),
  dictionary: ['null', '{}', '[]', '""', '-1', '101', '1e999', '"__proto__":', '"0.0.0.0/0"', '"::/0"', '"fe80::1%eth0/64"', '"0177.0.0.1/8"', '"ranges":', '"allow":'].map(utf8),
  check: (input) => {
    const value = jsonOf(input);
    if (value === undefined) return;
    const parsed = parseImportPolicy(value);
    const decision = decideImport([parsed], { cluster: 'west', namespace: 'shop', name: 'cart', isLocal: false });
    const isGoverned = parsed.governs.namespaces?.has('shop') !== false && parsed.governs.services?.has('cart') !== false;
    if (parsed.fault === undefined) return;
    expect(parsed.fault.length <= MAX_FAULT, 'reason is too long');
    expect(parsed.allow.length === 0, 'a policy that can not be read allows something');
    expect((decision.kind === 'refused') === isGoverned, 'a policy that can not be read does not deny what it governs');
  },
};

const declaredRanges: FuzzTarget = {
  name: 'declared-ranges',
  examples: ['10.2.0.0/16\n10.3.0.0/17\n::ffff:10.4.0.0/112', 'fd00::/48\n10.2.4.1\nfe80::1'].map(utf8),
  dictionary: ['\n', '/', '/0', '/7', '/32', '/128', '::', '::ffff:', '10.', '%eth0', '0177'].map(utf8),
  check: (input) => {
    const ranges = utf8Text(input).split('\n').slice(0, 256);
    const claims = judgeClaims([{ cluster: 'west', network: '', joinedAt: 1, ranges: ['10.2.0.0/16'] }, { cluster: 'mallory', network: '', joinedAt: 2, ranges }]);
    const declared = claims.get('mallory')?.declared;
    expect(declared !== undefined, 'a declaration is none');
    const texts = declared.prefixes.map(formatPrefix);
    expect(new Set(texts).size === texts.length, 'a range stands twice');
    for (const { bytes, bits } of declared.prefixes) expect(bits >= (bytes.length === 4 ? 8 : 32), 'a range is too wide');
    for (const address of ranges) {
      const reason = dropReason(address, { own: undefined, others: claims.get('mallory')?.others ?? declared, declared }, []);
      if (address.startsWith('10.2.')) expect(reason !== undefined, 'it has what another one declared before');
    }
  },
};

export const CONSENT_TARGETS: readonly FuzzTarget[] = [importPolicy, declaredRanges];
