/** The question and the answer of a join, as JSON over a NATS request. Both come from foreign hands and are read by total functions. */
import { X509Certificate } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { parseClusterName } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import Type, { type Static, type TSchema } from 'typebox';
import { parseMessage } from './checked-json.ts';
import { ClusterLabelSchema, JwtSchema, RawKeySchema, UserPublicKeySchema } from './credentials.ts';
import { parsePublicKey, signatureHolds } from './ed25519.ts';
import { MAX_REDEEM_BYTES } from './hub-users.ts';
import { ProofSchema, prove } from './proof.ts';

export const MAX_ROOTS = 8;
/** Below the hub's max_payload of 1 MiB. */
export const MAX_ANSWER_BYTES = 900 * 1024;

export const TrustDomainSchema = Type.String({ pattern: '^[a-z0-9._-]{1,255}$' });
/** Base64 of a DER certificate. */
export const RootSchema = Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: 8 * 1024 });
export const NetworkSchema = Type.String({ maxLength: 63 });

export const RedeemRequestSchema = Type.Object({
  v: Type.Literal(1),
  code: RawKeySchema,
  cluster: ClusterLabelSchema,
  userPublicKey: UserPublicKeySchema,
  recordPublicKey: RawKeySchema,
  trustDomain: TrustDomainSchema,
  roots: Type.Array(RootSchema, { minItems: 1, maxItems: MAX_ROOTS }),
  network: NetworkSchema,
  /** Whether the member renews its NATS user; one that does not gets one without an end. */
  renews: Type.Optional(Type.Literal(true)),
  /** Whether it only asks what there is: the token is not spent. */
  preview: Type.Optional(Type.Literal(true)),
  /** By the record key over all other fields: nobody joins with a key that is not theirs. */
  proof: ProofSchema,
});

/** What the founder answers where it does not do what was asked. */
export const RefusalSchema = Type.Object({
  ok: Type.Literal(false),
  error: Type.Object({
    code: Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }),
    message: Type.String({ maxLength: 2000 }),
    hint: Type.Optional(Type.String({ maxLength: 2000 })),
    retryable: Type.Optional(Type.Boolean()),
  }),
});

export const RedeemAnswerSchema = Type.Union([
  Type.Object({ ok: Type.Literal(true), userJwt: JwtSchema, renewalJwt: Type.Optional(JwtSchema), leafJwt: Type.Optional(JwtSchema), members: Type.Array(Type.String({ maxLength: 256 * 1024 }), { maxItems: 10_000 }) }),
  RefusalSchema,
]);

export type RedeemRequest = Static<typeof RedeemRequestSchema>;
export type RedeemQuestion = Omit<RedeemRequest, 'v' | 'proof'>;

export interface RedeemAnswer {
  readonly userJwt: string;
  readonly renewalJwt?: string | undefined;
  readonly leafJwt?: string | undefined;
  /** Signed member envelopes. */
  readonly members: readonly Uint8Array[];
}

export function encodeRedeemRequest(question: RedeemQuestion, recordPrivateKeyPem: string): Uint8Array {
  const request: RedeemRequest = { v: 1, ...question, proof: prove(recordPrivateKeyPem, provenBytes(question)) };
  return Buffer.from(JSON.stringify(request));
}

/** Accepts only a request whose proof holds and whose roots are certificates of authorities. */
export function parseRedeemRequest(bytes: Uint8Array): Result<RedeemRequest> {
  const message = parseMessage(RedeemRequestSchema, bytes, MAX_REDEEM_BYTES);
  if (!message.ok) return message;
  const request = message.value;
  const cluster = parseClusterName(request.cluster);
  if (!cluster.ok) return cluster;
  const key = parsePublicKey(request.recordPublicKey);
  if (!key.ok) return key;
  if (!signatureHolds(key.value, provenBytes(request), request.proof)) return err('the proof was not made by the record key');
  for (const root of request.roots) {
    if (!isAuthorityCertificate(root)) return err('a root is not the certificate of an authority');
  }
  return ok(request);
}

export function encodeRedeemAnswer(answer: RedeemAnswer): Uint8Array {
  const members: string[] = [];
  // What does not fit reaches the new member over the bus.
  let room = MAX_ANSWER_BYTES - answer.userJwt.length - (answer.renewalJwt?.length ?? 0) - (answer.leafJwt?.length ?? 0) - 100;
  for (const envelope of answer.members) {
    const text = Buffer.from(envelope).toString('base64');
    room -= text.length + 3;
    if (room < 0) break;
    members.push(text);
  }
  return Buffer.from(JSON.stringify({ ok: true, userJwt: answer.userJwt, renewalJwt: answer.renewalJwt, leafJwt: answer.leafJwt, members }));
}

export function encodeRedeemRefusal(error: LandbridgeError): Uint8Array {
  const { code, message, hint, retryable } = error;
  return Buffer.from(JSON.stringify({ ok: false, error: { code, message, ...(hint === undefined ? {} : { hint }), retryable } }));
}

/** A refusal by the founder comes back as the error that the founder made. */
export function parseRedeemAnswer(bytes: Uint8Array): Result<Result<RedeemAnswer, LandbridgeError>> {
  return parseAnswer(RedeemAnswerSchema, bytes, MAX_ANSWER_BYTES, ({ userJwt, renewalJwt, leafJwt, members }) => ({ userJwt, renewalJwt, leafJwt, members: members.map((text) => Buffer.from(text, 'base64')) }));
}

type Answer = { readonly ok: true } | Static<typeof RefusalSchema>;

/** An answer as its schema has it, read by `read`, or the founder's refusal. */
export function parseAnswer<S extends TSchema, T>(schema: Static<S> extends Answer ? S : never, bytes: Uint8Array, maxBytes: number, read: (answer: Extract<Static<S>, { readonly ok: true }>) => T): Result<Result<T, LandbridgeError>> {
  const message = parseMessage(schema, bytes, maxBytes, 'fields are missing or not valid');
  if (!message.ok) return message;
  const answer = message.value as Answer;
  return ok(answer.ok ? ok(read(answer as Extract<Static<S>, { readonly ok: true }>)) : err(refusalOf(answer.error)));
}

function refusalOf({ code, message, hint, retryable }: Static<typeof RefusalSchema>['error']): LandbridgeError {
  return new LandbridgeError(code, message, { ...(hint === undefined ? {} : { hint }), retryable: retryable ?? false });
}

/** An array fixes the order; the first element keeps the signature from meaning anything else that this key signs. */
function provenBytes(question: RedeemQuestion): Uint8Array {
  const { code, cluster, userPublicKey, recordPublicKey, trustDomain, roots, network, renews, preview } = question;
  return Buffer.from(JSON.stringify(['landbridge.join.redeem', 1, code, cluster, userPublicKey, recordPublicKey, trustDomain, roots, network, ...(renews === true ? ['renews'] : []), ...(preview === true ? ['preview'] : [])]));
}

function isAuthorityCertificate(base64: string): boolean {
  try {
    return new X509Certificate(Buffer.from(base64, 'base64')).ca;
  } catch {
    return false;
  }
}
