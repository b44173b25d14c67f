/** Signing heartbeats and believing them. */
import { type KeyObject, sign, verify } from 'node:crypto';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type Beat, decodeBeat, encodeBeat, signedBeatBytes, type UnsignedBeat } from '@landbridge/wire/beat.ts';
import { parsePublicKey } from '../join/ed25519.ts';

export function signBeat(privateKey: KeyObject, cluster: string, beat: UnsignedBeat): Uint8Array {
  return encodeBeat({ ...beat, signature: sign(null, signedBeatBytes(cluster, beat), privateKey) });
}

/** The beat in foreign bytes, if the owner of the record key (32 raw bytes in base64url) signed it for this cluster. */
export function openBeat(bytes: Uint8Array, cluster: string, recordPublicKey: string): Result<Beat> {
  const beat = decodeBeat(bytes);
  if (!beat.ok) return beat;
  const key = parsePublicKey(recordPublicKey);
  return key.ok && verify(null, signedBeatBytes(cluster, beat.value), key.value, beat.value.signature) ? ok(beat.value) : err('the signature is not by the cluster');
}
