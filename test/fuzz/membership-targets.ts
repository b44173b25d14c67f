/** What a founder and its members read of each other, of the hub, and of what they kept. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { parseNatsConfig } from '@landbridge/cli/hub-lint/nats-config-file.ts';
import { lintHub } from '@landbridge/cli/hub-lint/hub-rules.ts';
import { parseJoinPreview } from '@landbridge/federation/join/join-preview.ts';
import { makeJoinKeys } from '@landbridge/federation/join/join-keys.ts';
import { encodeMemberAnswer, encodeMemberRequest, parseMemberAnswer, parseMemberRequest } from '@landbridge/federation/join/member-messages.ts';
import { parseLookUp, parseUpdateAnswer } from '@landbridge/federation/removal/hub-account.ts';
import { encodeRemoved, parseRemoved, withSeen } from '@landbridge/federation/removal/removed-list.ts';
import { openMember, signMember } from '@landbridge/federation/records/members.ts';
import { expect, type FuzzTarget, latin1Text, utf8 } from './fuzz-target.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const publicKey = createPublicKey(privateKey).export({ format: 'jwk' }).x as string;
const member = { cluster: 'west', recordPublicKey: publicKey, userPublicKey: `U${'A'.repeat(55)}`, trustDomain: 'west.landbridge', roots: [], network: '', joinedAt: 1, revoked: true, removedAt: 2 };
const bytes = signMember(privateKey, member, { epoch: 3, gen: 0 });
const list = JSON.stringify({ v: 1, members: [Buffer.from(bytes).toString('base64')] });

const removals: FuzzTarget = {
  name: 'removals',
  examples: [list, '{"data":{"account":"A","code":200}}', '{"error":{"code":500,"description":"no"}}'].map((text) => Uint8Array.from(utf8(text))),
  dictionary: ['"v":1', '"members":[', '"revoked":', '"__proto__":', '1e999', '[]', 'null'].map(utf8),
  check: (input) => {
    const removed = parseRemoved(latin1Text(input), publicKey);
    if (removed.ok) {
      expect([...removed.value.values()].every((seen) => seen.member.revoked), 'one that is a member');
      const again = parseRemoved(encodeRemoved(removed.value), publicKey);
      expect(again.ok && again.value.size === removed.value.size, 'a list that can not be written again');
    }
    const opened = openMember(input, publicKey);
    if (opened.ok) withSeen(new Map(), { ...opened.value, bytes: input });
    parseLookUp(input);
    parseUpdateAnswer(input);
  },
};

const [keys, next] = [makeJoinKeys(), makeJoinKeys()];

const memberRequests: FuzzTarget = {
  name: 'member-requests',
  examples: [encodeMemberRequest('leave', 'west', keys.record), encodeMemberRequest('rotate', 'west', keys.record, { userPublicKey: next.user.publicKey, record: next.record }), encodeMemberAnswer({ userJwt: 'a.b.c', renewalJwt: 'd.e.f' }), encodeMemberAnswer(undefined)],
  dictionary: ['"op":"leave"', '"op":"renew"', '"next":', '"proof":', '"ok":true', '"error":{', '"__proto__":', 'null', '{}'].map(utf8),
  check: (input) => {
    const request = parseMemberRequest(input);
    if (request.ok) expect((request.value.op === 'rotate') === (request.value.next !== undefined), 'keys of no rotation');
    parseMemberAnswer(input);
    parseJoinPreview(input);
  },
};

const rulesOf = (config: Parameters<typeof lintHub>[0]): ReadonlySet<string> => new Set(lintHub(config, undefined).map(({ id }) => id));
const bare = parseNatsConfig('port: 4222');
if (!bare.ok) throw new Error(bare.error);
const HUB_RULES = rulesOf(bare.value);

const hubConfigs: FuzzTarget = {
  name: 'hub-configurations',
  examples: ['port: 4222\ntls { cert_file: "c", key_file: "k" }\njetstream { store_dir: "/s", sync_interval: 10s }\nresolver { type: full }\noperator: a.b.c\n', 'cluster { routes: [ tls://a:1, "tls://b:2" ] }'].map((text) => Uint8Array.from(utf8(text))),
  dictionary: ['{', '}', '[', ']', ':', '=', '"', "'", '#', '//', 'include ', 'no_auth_user', 'deny', 'tls://', '127.0.0.1:1', '\\', '__proto__'].map(utf8),
  check: (input) => {
    const parsed = parseNatsConfig(latin1Text(input));
    if (!parsed.ok) return void expect(parsed.error.length < 1000, 'reason is too long');
    expect(rulesOf(parsed.value).symmetricDifference(HUB_RULES).size === 0, 'a rule that said nothing');
  },
};

export const MEMBERSHIP_TARGETS: readonly FuzzTarget[] = [removals, memberRequests, hubConfigs];
