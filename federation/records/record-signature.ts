/** Signing records and believing them. */
import { type KeyObject, sign, verify } from 'node:crypto';
import { isIP } from 'node:net';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { EndpointsRecordSchema, MAX_RECORD_BYTES, MetaRecordSchema, type RecordBody, recordKey, ServiceRecordSchema, SyncRecordSchema } from '@landbridge/core/records.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { bodyText, cutSignedBytes, decodeEnvelope, type Envelope, encodeEnvelope, type JsonValue, signedBytes, type UnsignedEnvelope, type Version } from '@landbridge/wire/record.ts';
import { Compile } from 'typebox/compile';
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

/** Compiled: of all that is done for a record, walking through a schema would take the most. */
const BODY_VALIDATORS: Readonly<Record<RecordBody['kind'], { Check(value: unknown): boolean }>> = {
  svc: Compile(ServiceRecordSchema),
  eps: Compile(EndpointsRecordSchema),
  meta: Compile(MetaRecordSchema),
  sync: Compile(SyncRecordSchema),
};
/** Keys that {@link recordKey} can make; a tombstone has no body from which the key could be made again. */
const LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const RECORD_KEY = new RegExp(`^(?:meta|sync|svc\\.${LABEL}\\.${LABEL}|eps\\.${LABEL}\\.${LABEL}\\.(?:0|[1-9][0-9]{0,2}))$`);

export function isRecordKey(key: string): boolean {
  return RECORD_KEY.test(key);
}

/** Throws when the record would be larger than any peer accepts. `text`: the canonical JSON of its body, where it is known. */
export function signRecord(privateKey: KeyObject, record: UnsignedRecord, text?: string): Uint8Array {
  return signEnvelope(privateKey, record as UnsignedEnvelope, text);
}

export function signEnvelope(privateKey: KeyObject, envelope: UnsignedEnvelope, text = bodyText(envelope)): Uint8Array {
  const bytes = encodeEnvelope({ ...envelope, signature: sign(null, signedBytes(envelope, text), privateKey) }, text);
  if (bytes.length <= MAX_RECORD_BYTES) return bytes;
  throw new LandbridgeError('record-too-large', `record ${envelope.cluster}.${envelope.key} has ${bytes.length} bytes, the limit is ${MAX_RECORD_BYTES}`);
}

/** The record in foreign bytes, if the owner of `publicKey` signed it for this cluster and key. */
export function openRecord(bytes: Uint8Array, expected: { cluster: string; key: string; publicKey: RecordPublicKey }): Result<VerifiedRecord> {
  const envelope = decodeEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const record = trustEnvelope(envelope.value, { ...expected, bytes });
  return record.ok ? record : err(record.error.message);
}

/** As {@link openRecord} for an envelope that was decoded before; from `bytes`, where they are still there, which spares writing it again. */
export function trustEnvelope(
  envelope: Envelope,
  expected: { cluster: string; key: string; publicKey: RecordPublicKey; bytes?: Uint8Array | undefined },
): Result<VerifiedRecord, DistrustReason> {
  const { cluster, key, epoch, gen } = envelope;
  if (cluster !== expected.cluster || key !== expected.key) return distrust('place', `signed for ${cluster}.${key}`);
  if (!isRecordKey(key)) return distrust('place', 'not a record key');
  if (!signatureHolds(envelope, expected.publicKey, expected.bytes)) return distrust('signature', 'the signature is not by the owner');
  const body = checkBody(envelope.body, key);
  return body.ok ? ok({ cluster, key, epoch, gen, body: body.value }) : distrust('body', body.error);
}

/** `bytes`: those of the envelope. */
export function signatureHolds(envelope: Envelope, publicKey: RecordPublicKey, bytes?: Uint8Array): boolean {
  const key = typeof publicKey === 'string' ? knownKey(publicKey) : ok(publicKey);
  if (!key.ok) return false;
  const cut = bytes === undefined ? undefined : cutSignedBytes(bytes, envelope);
  if (cut !== undefined && verify(null, cut, key.value, envelope.signature)) return true;
  const whole = signedBytes(envelope);
  // Whoever writes the body in another way than it is signed has it written again here.
  return (cut === undefined || !Buffer.from(cut).equals(whole)) && verify(null, whole, key.value, envelope.signature);
}

/** More than the clusters of the largest clusterset that is tried. */
const MAX_KNOWN_KEYS = 2000;
const knownKeys = new Map<string, Result<KeyObject>>();

/** Of a member there is one key for all its records, and making a key object of it takes half as long as a signature. */
function knownKey(raw: string): Result<KeyObject> {
  const known = knownKeys.get(raw);
  if (known !== undefined) return known;
  const made = parsePublicKey(raw);
  if (knownKeys.size >= MAX_KNOWN_KEYS) knownKeys.clear();
  knownKeys.set(raw, made);
  return made;
}

function checkBody(body: JsonValue, key: string): Result<RecordBody | null> {
  if (body === null) return ok(null);
  const kind = (body as { readonly kind?: unknown }).kind;
  if (typeof kind !== 'string' || !Object.hasOwn(BODY_VALIDATORS, kind)) return err('unknown kind of record');
  if (!BODY_VALIDATORS[kind as RecordBody['kind']].Check(body)) return err(`not a ${kind} record`);
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
