/** What a member asks of the founder and is answered, as JSON over a NATS request. Both come from foreign hands and are read by total functions. */
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import { parseClusterName } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import Type, { type Static } from 'typebox';
import { parseMessage } from './checked-json.ts';
import { ClusterLabelSchema, JwtSchema, RawKeySchema, UserPublicKeySchema } from './credentials.ts';
import { parsePublicKey, signatureHolds } from './ed25519.ts';
import { ProofSchema, prove } from './proof.ts';
import { parseAnswer, RefusalSchema } from './redeem-messages.ts';

/** Such a request holds a few keys and signatures. */
export const MAX_MEMBER_REQUEST_BYTES = 8 * 1024;
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * `leave`: the member is to be none any more. `renew`: another JWT for the user that it has. `rotate`: other keys from now on.
 * None of them harms when it is said again later: keys that left or were replaced do not count.
 */
export const MemberRequestSchema = Type.Object({
  v: Type.Literal(1),
  op: Type.Union([Type.Literal('leave'), Type.Literal('renew'), Type.Literal('rotate')]),
  cluster: ClusterLabelSchema,
  /** The key that the founder has bound to the cluster, or the one that it is to have (`rotate` that is asked again). */
  recordPublicKey: RawKeySchema,
  /** Of `rotate`. */
  next: Type.Optional(Type.Object({ userPublicKey: UserPublicKeySchema, recordPublicKey: RawKeySchema, proof: ProofSchema })),
  /** By the record key over all other fields. */
  proof: ProofSchema,
});

export const MemberAnswerSchema = Type.Union([
  Type.Object({ ok: Type.Literal(true), user: Type.Optional(Type.Object({ userJwt: JwtSchema, renewalJwt: JwtSchema, leafJwt: Type.Optional(JwtSchema) })) }),
  RefusalSchema,
]);

export type MemberRequest = Static<typeof MemberRequestSchema>;
export type MemberOperation = MemberRequest['op'];

/** JWTs of one NATS user: one that ends, for all that a member does, one that may only ask for the next, and one for the leaf node. */
export interface UserJwts {
  readonly userJwt: string;
  readonly renewalJwt: string;
  /** Not told by founders before version 0.2. */
  readonly leafJwt?: string;
}

export interface KeyPem {
  readonly publicKey: string;
  readonly privateKeyPem: string;
}

export function encodeMemberRequest(op: MemberOperation, cluster: string, record: KeyPem, next?: { readonly userPublicKey: string; readonly record: KeyPem }): Uint8Array {
  const keys = next === undefined ? undefined : { userPublicKey: next.userPublicKey, recordPublicKey: next.record.publicKey };
  const question = { op, cluster, recordPublicKey: record.publicKey };
  const signed = keys === undefined || next === undefined ? undefined : { ...keys, proof: prove(next.record.privateKeyPem, nextBytes(cluster, keys)) };
  const request: MemberRequest = { v: 1, ...question, ...(signed === undefined ? {} : { next: signed }), proof: prove(record.privateKeyPem, provenBytes(question, signed)) };
  return Buffer.from(JSON.stringify(request));
}

/** Accepts only a request that was signed by the key that it names, and by the next one where there is one. Whose key that is the caller knows. */
export function parseMemberRequest(bytes: Uint8Array): Result<MemberRequest> {
  const message = parseMessage(MemberRequestSchema, bytes, MAX_MEMBER_REQUEST_BYTES);
  if (!message.ok) return message;
  const request = message.value;
  const cluster = parseClusterName(request.cluster);
  if (!cluster.ok) return cluster;
  if ((request.op === 'rotate') !== (request.next !== undefined)) return err('next keys belong to a rotation and to nothing else');
  if (!holds(request.recordPublicKey, provenBytes(request, request.next), request.proof)) return err('the proof was not made by the record key');
  if (request.next !== undefined && !holds(request.next.recordPublicKey, nextBytes(request.cluster, request.next), request.next.proof)) return err('the proof was not made by the next record key');
  return ok(request);
}

export function encodeMemberAnswer(user: UserJwts | undefined): Uint8Array {
  return Buffer.from(JSON.stringify({ ok: true, ...(user === undefined ? {} : { user }) }));
}

/** A refusal by the founder comes back as the error that the founder made. */
export function parseMemberAnswer(bytes: Uint8Array): Result<Result<UserJwts | undefined, LandbridgeError>> {
  return parseAnswer(MemberAnswerSchema, bytes, MAX_ANSWER_BYTES, ({ user }) => user);
}

type Question = Pick<MemberRequest, 'op' | 'cluster' | 'recordPublicKey'>;
type Next = NonNullable<MemberRequest['next']>;

/** The first element keeps a signature from meaning anything else that this key signs. */
function provenBytes({ op, cluster, recordPublicKey }: Question, next: Next | undefined): Uint8Array {
  const keys = next === undefined ? [] : [next.userPublicKey, next.recordPublicKey, next.proof];
  return Buffer.from(JSON.stringify(['landbridge.member.request', 1, op, cluster, recordPublicKey, ...keys]));
}

/** Nobody has a key taken that is not theirs. */
function nextBytes(cluster: string, { userPublicKey, recordPublicKey }: Pick<Next, 'userPublicKey' | 'recordPublicKey'>): Uint8Array {
  return Buffer.from(JSON.stringify(['landbridge.member.next', 1, cluster, userPublicKey, recordPublicKey]));
}

function holds(publicKey: string, bytes: Uint8Array, proof: string): boolean {
  const key = parsePublicKey(publicKey);
  return key.ok && signatureHolds(key.value, bytes, proof);
}
