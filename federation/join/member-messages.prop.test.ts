import test from 'ava';
import fc from 'fast-check';
import { makeJoinKeys } from './join-keys.ts';
import { encodeMemberAnswer, encodeMemberRequest, type MemberOperation, parseMemberAnswer, parseMemberRequest } from './member-messages.ts';

const [keys, next] = [makeJoinKeys(), makeJoinKeys()];
const rotation = { userPublicKey: next.user.publicKey, record: next.record };
const example = (op: MemberOperation): Uint8Array => encodeMemberRequest(op, 'west', keys.record, op === 'rotate' ? rotation : undefined);

test('every request is read back as it was, and says who signed it', (t) => {
  for (const op of ['leave', 'renew', 'rotate'] as const) {
    const parsed = parseMemberRequest(example(op));
    t.true(parsed.ok);
    if (parsed.ok) t.like(parsed.value, { op, cluster: 'west', recordPublicKey: keys.record.publicKey, ...(op === 'rotate' ? { next: { userPublicKey: next.user.publicKey, recordPublicKey: next.record.publicKey } } : {}) });
  }
});

test('nothing in a request can be changed without its key', (t) => {
  const text = Buffer.from(example('rotate')).toString();
  const other = makeJoinKeys();
  const changes: [string, string][] = [['"west"', '"east"'], [next.user.publicKey, other.user.publicKey], [next.record.publicKey, other.record.publicKey], [keys.record.publicKey, other.record.publicKey]];
  for (const [from, to] of changes) t.false(parseMemberRequest(Buffer.from(text.replace(from, to))).ok, from);
  // What was signed to leave is no wish to renew, and the other way round; nor is it one of another kind with keys left out.
  t.false(parseMemberRequest(Buffer.from(Buffer.from(example('leave')).toString().replace('leave', 'renew'))).ok);
  const { next: _next, ...rest } = JSON.parse(text) as Record<string, unknown>;
  t.false(parseMemberRequest(Buffer.from(JSON.stringify(rest))).ok);
  t.false(parseMemberRequest(Buffer.from(JSON.stringify({ ...rest, op: 'leave' }))).ok);
});

test('a key is not bound to a cluster without its own consent', (t) => {
  const stolen = makeJoinKeys();
  const mine = makeJoinKeys();
  const forged = encodeMemberRequest('rotate', 'west', keys.record, { userPublicKey: stolen.user.publicKey, record: { publicKey: stolen.record.publicKey, privateKeyPem: mine.record.privateKeyPem } });
  t.false(parseMemberRequest(forged).ok);
});

test('any bytes have an answer', (t) => {
  const changed = fc.tuple(fc.constantFrom('leave', 'renew', 'rotate'), fc.nat(), fc.nat({ max: 255 })).map(([op, at, value]) => {
    const bytes = Uint8Array.from(example(op as MemberOperation));
    bytes[at % bytes.length] = value;
    return bytes;
  });
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), changed), (bytes) => typeof parseMemberRequest(bytes).ok === 'boolean' && typeof parseMemberAnswer(bytes).ok === 'boolean'), { numRuns: 300 });
  const user = { userJwt: 'a.b.c', renewalJwt: 'd.e.f' };
  const answer = parseMemberAnswer(encodeMemberAnswer(user));
  t.deepEqual(answer.ok && answer.value.ok && answer.value.value, user);
  t.true(parseMemberAnswer(encodeMemberAnswer(undefined)).ok);
});
