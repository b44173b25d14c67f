/** Signing records and believing them. */
import { type KeyObject, sign, verify } from 'node:crypto';
import { isIP } from 'node:net';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { EndpointsRecordSchema, MAX_RECORD_BYTES, MetaRecordSchema, type RecordBody, recordKey, ServiceRecordSchema, SyncRecordSchema } from '@landbridge/core/records.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { decodeEnvelope, type Envelope, encodeEnvelope, type JsonValue, signedBytes, type UnsignedEnvelope, type Version } from '@landbridge/wire/record.ts';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { parsePublicKey } from '../join/ed25519.ts';

/** A key object, or the 32 raw bytes in base64url. */
export type RecordPublicKey = KeyObject | string;

export interface UnsignedRecord extends Version {
  readonly cluster: string;
  readonly key: string;
  /** Null is a tombstone. */
  readonly body: RecordBody | null;
}

/** A record whose signature, key and body were all checked. */
export type VerifiedRecord = UnsignedRecord;

/** Why a record was not believed. `envelope` and `body`: damaged or foreign; `place`: signed for another key; `signature`: by someone else. */
export type Distrust = 'envelope' | 'place' | 'signature' | 'body';

export interface DistrustReason {
  readonly reason: Distrust;
  readonly message: string;
}

const BODY_SCHEMAS: Readonly<Record<RecordBody['kind'], TSchema>> = {
  svc: ServiceRecordSchema,
  eps: EndpointsRecordSchema,
  meta: MetaRecordSchema,
  sync: SyncRecordSchema,
};
/** Keys that {@link recordKey} can make; a tombstone has no body from which the key could be made again. */
const LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const RECORD_KEY = new RegExp(`^(?:meta|sync|svc\\.${LABEL}\\.${LABEL}|eps\\.${LABEL}\\.${LABEL}\\.(?:0|[1-9][0-9]{0,2}))$`);

export function isRecordKey(key: string): boolean {
  return RECORD_KEY.test(key);
}

/** Throws when the record would be larger than any peer accepts. */
export function signRecord(privateKey: KeyObject, record: UnsignedRecord): Uint8Array {
  return signEnvelope(privateKey, record as UnsignedEnvelope);
}

export function signEnvelope(privateKey: KeyObject, envelope: UnsignedEnvelope): Uint8Array {
  const bytes = encodeEnvelope({ ...envelope, signature: sign(null, signedBytes(envelope), privateKey) });
  if (bytes.length <= MAX_RECORD_BYTES) return bytes;
  throw new LandbridgeError('record-too-large', `record ${envelope.cluster}.${envelope.key} has ${bytes.length} bytes, the limit is ${MAX_RECORD_BYTES}`);
}

/** The record in foreign bytes, if the owner of `publicKey` signed it for this cluster and key. */
export function openRecord(bytes: Uint8Array, expected: { cluster: string; key: string; publicKey: RecordPublicKey }): Result<VerifiedRecord> {
  const envelope = decodeEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const record = trustEnvelope(envelope.value, expected);
  return record.ok ? record : err(record.error.message);
}

/** As {@link openRecord} for an envelope that was decoded before. */
export function trustEnvelope(
  envelope: Envelope,
  expected: { cluster: string; key: string; publicKey: RecordPublicKey },
): Result<VerifiedRecord, DistrustReason> {
  const { cluster, key, epoch, gen } = envelope;
  if (cluster !== expected.cluster || key !== expected.key) return distrust('place', `signed for ${cluster}.${key}`);
  if (!isRecordKey(key)) return distrust('place', 'not a record key');
  if (!signatureHolds(envelope, expected.publicKey)) return distrust('signature', 'the signature is not by the owner');
  const body = checkBody(envelope.body, key);
  return body.ok ? ok({ cluster, key, epoch, gen, body: body.value }) : distrust('body', body.error);
}

export function signatureHolds(envelope: Envelope, publicKey: RecordPublicKey): boolean {
  const key = typeof publicKey === 'string' ? parsePublicKey(publicKey) : ok(publicKey);
  return key.ok && verify(null, signedBytes(envelope), key.value, envelope.signature);
}

function checkBody(body: JsonValue, key: string): Result<RecordBody | null> {
  if (body === null) return ok(null);
  const kind = (body as { readonly kind?: unknown }).kind;
  if (typeof kind !== 'string' || !Object.hasOwn(BODY_SCHEMAS, kind)) return err('unknown kind of record');
  if (!Value.Check(BODY_SCHEMAS[kind as RecordBody['kind']], body)) return err(`not a ${kind} record`);
  const record = body as unknown as RecordBody;
  if (recordKey(record) !== key) return err(`the body belongs under ${recordKey(record)}`);
  if (record.kind === 'eps' && !record.endpoints.every((endpoint) => endpoint.addresses.every(isPlainAddress))) return err('an endpoint address is not an IP address');
  return ok(record);
}

/** A zone index means nothing on another machine. */
function isPlainAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

function distrust(reason: Distrust, message: string): Result<never, DistrustReason> {
  return err({ reason, message });
}
