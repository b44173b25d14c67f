/**
 * A heartbeat of a cluster: 87 bytes, since each cluster hears those of all others all the time. One byte of version,
 * epoch and sequence of six bytes each, one byte of quarters of a second until the next one, the first eight bytes of the digest of
 * its records, a list of clusters that it asks to publish again, and an Ed25519 signature. Integers are big-endian.
 */
import { isDnsLabel } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';

export interface UnsignedBeat {
  /** The epoch of the cluster's records. */
  readonly epoch: number;
  /** Grows with each beat of an epoch. */
  readonly sequence: number;
  /** Until the next one: a multiple of {@link INTERVAL_STEP_MS}, at most {@link MAX_INTERVAL_MS}. */
  readonly intervalMs: number;
  /** First eight bytes of the digest in the cluster's newest `sync` record, hex; zeros before there is one. */
  readonly digest: string;
  /** Clusters of which the sender misses records that their `sync` names. */
  readonly asks: readonly string[];
}

export interface Beat extends UnsignedBeat {
  readonly signature: Uint8Array;
}

export const INTERVAL_STEP_MS = 250;
export const MAX_INTERVAL_MS = 60_000;
/** Clusters asked in one beat; more have to wait for the next. */
export const MAX_ASKS = 8;
export const NO_DIGEST = '0'.repeat(16);
const VERSION = 1;
const FIXED_BYTES = 23;
const SIGNATURE_BYTES = 64;
const MAX_NAME_BYTES = 63;
export const MAX_BEAT_BYTES = FIXED_BYTES + MAX_ASKS * (1 + MAX_NAME_BYTES) + SIGNATURE_BYTES;
/** Signatures of records cover JSON, which never begins so. */
const SIGNED_FOR = 'landbridge beat of ';

/** What the signature covers. */
export function signedBeatBytes(cluster: string, beat: UnsignedBeat): Uint8Array {
  return Buffer.concat([Buffer.from(`${SIGNED_FOR}${cluster}\n`, 'utf8'), unsignedBytes(beat)]);
}

export function encodeBeat(beat: Beat): Uint8Array {
  return Buffer.concat([unsignedBytes(beat), beat.signature]);
}

/** Reads foreign bytes. Says nothing about the signature. */
export function decodeBeat(bytes: Uint8Array): Result<Beat> {
  if (bytes.length > MAX_BEAT_BYTES) return err(`longer than ${MAX_BEAT_BYTES} bytes`);
  if (bytes.length < FIXED_BYTES + SIGNATURE_BYTES) return err('too short');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer[0] !== VERSION) return err(`version is not ${VERSION}`);
  const [epoch, sequence, intervalMs, count] = [buffer.readUIntBE(1, 6), buffer.readUIntBE(7, 6), buffer.readUInt8(13) * INTERVAL_STEP_MS, buffer.readUInt8(22)];
  if (intervalMs === 0 || intervalMs > MAX_INTERVAL_MS) return err('the interval is out of bounds');
  if (count > MAX_ASKS) return err('asks too many clusters');
  const end = buffer.length - SIGNATURE_BYTES;
  const asks: string[] = [];
  let at = FIXED_BYTES;
  for (let index = 0; index < count; index += 1) {
    const length = at < end ? buffer.readUInt8(at) : 0;
    const name = buffer.toString('latin1', at + 1, Math.min(at + 1 + length, end));
    if (name.length !== length || !isDnsLabel(name)) return err('asks what is no cluster');
    asks.push(name);
    at += 1 + length;
  }
  if (at !== end) return err('bytes are left over');
  return ok({ epoch, sequence, intervalMs, digest: buffer.toString('hex', 14, 22), asks, signature: Uint8Array.from(buffer.subarray(end)) });
}

function unsignedBytes({ epoch, sequence, intervalMs, digest, asks }: UnsignedBeat): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.writeUInt8(VERSION, 0);
  fixed.writeUIntBE(epoch, 1, 6);
  fixed.writeUIntBE(sequence, 7, 6);
  fixed.writeUInt8(intervalMs / INTERVAL_STEP_MS, 13);
  fixed.write(digest, 14, 'hex');
  fixed.writeUInt8(asks.length, 22);
  return Buffer.concat([fixed, ...asks.map((name) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name, 'latin1')]))]);
}
