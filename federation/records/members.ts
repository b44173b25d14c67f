/** Member records: who belongs to the clusterset and with which keys, said by the authority. */
import type { KeyObject } from 'node:crypto';
import { isDnsLabel } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { decodeEnvelope, type JsonValue, type Version } from '@landbridge/wire/record.ts';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import { MEMBERS } from '../bus/bus.ts';
import { type RecordPublicKey, signatureHolds, signEnvelope } from './record-signature.ts';

/** A cluster has one root, and a second one while it changes roots. */
const MAX_ROOTS = 8;
const MAX_ROOT_LENGTH = 8 * 1024;

export const MemberSchema = Type.Object({
  cluster: Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' }),
  /** Ed25519, 32 raw bytes in base64url: signs the cluster's records. */
  recordPublicKey: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
  /** NATS user (nkey). */
  userPublicKey: Type.String({ pattern: '^U[A-Z2-7]{55}$' }),
  trustDomain: Type.String({ pattern: '^[a-z0-9._-]{1,255}$' }),
  /** Certificates in DER, base64: the roots of the cluster's trust domain. */
  roots: Type.Array(Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: MAX_ROOT_LENGTH }), { maxItems: MAX_ROOTS }),
  network: Type.String({ maxLength: 63 }),
  /** Milliseconds since 1970. */
  joinedAt: Type.Integer({ minimum: 0 }),
  revoked: Type.Boolean(),
  /** When it was revoked or left, milliseconds since 1970. */
  removedAt: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Revoked at its own wish. */
  left: Type.Optional(Type.Boolean()),
  /** NATS users that it had before, with the times at which it got others, milliseconds since 1970. */
  formerUsers: Type.Optional(Type.Array(Type.Object({ publicKey: Type.String({ pattern: '^U[A-Z2-7]{55}$' }), until: Type.Integer({ minimum: 0 }) }), { maxItems: 16 })),
});

export type Member = Static<typeof MemberSchema>;

export interface VerifiedMember extends Version {
  readonly member: Member;
}

export function signMember(authorityPrivateKey: KeyObject, member: Member, version: Version): Uint8Array {
  const { epoch, gen } = version;
  return signEnvelope(authorityPrivateKey, { cluster: MEMBERS, key: member.cluster, epoch, gen, body: member as unknown as JsonValue });
}

/** The member record in foreign bytes, if the authority signed it. The caller compares `member.cluster` with the key that it read. */
export function openMember(bytes: Uint8Array, authorityPublicKey: RecordPublicKey): Result<VerifiedMember> {
  const envelope = decodeEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const { cluster, key, epoch, gen, body } = envelope.value;
  if (cluster !== MEMBERS || !isDnsLabel(key)) return err(`signed for ${cluster}.${key}, not a member record`);
  if (!signatureHolds(envelope.value, authorityPublicKey, bytes)) return err('the signature is not by the authority');
  if (!Value.Check(MemberSchema, body)) return err('not a member record');
  const member = body as unknown as Member;
  return member.cluster === key ? ok({ member, epoch, gen }) : err(`the body belongs to ${member.cluster}`);
}
