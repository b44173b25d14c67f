import { LandbridgeError } from '@landbridge/core/errors.ts';
import { AesGcm, IV_BYTES, nonce } from '@landbridge/native/aes-gcm.ts';
import { hmacInto } from '@landbridge/native/hmac.ts';
import type { HandshakeResult } from '@landbridge/native/tls-handshake.ts';
import { hkdfLabel } from '@landbridge/wire/tls13.ts';
import { secretBytes } from '@landbridge/native/secret-bytes.ts';

export type Suite = HandshakeResult['suite'];

const PARAMETERS = {
  TLS_AES_128_GCM_SHA256: { hash: 'sha256', keyBytes: 16 },
  TLS_AES_256_GCM_SHA384: { hash: 'sha384', keyBytes: 32 },
} as const;

const NO_BYTES = Buffer.alloc(0);

/** All that there is to know of the keys of one direction. */
export interface TrafficKeysState {
  /** The keys' own, not a copy. */
  readonly secret: Buffer;
  readonly records: number;
}

/**
 * Keys of one direction of a TLS 1.3 connection (RFC 8446, section 7.3), from its current traffic secret. The secret and
 * the number of the next record are all that there is to know of it.
 */
export class TrafficKeys implements Disposable {
  readonly suite: Suite;
  readonly #direction: 'seal' | 'open';
  /** Of RFC 8446, section 7.2: replaced by each KeyUpdate. */
  #secret: Buffer;
  /** Of the next record. It starts anew with each key, long before a number loses precision: see RECORDS_PER_KEY. */
  records = 0;
  #iv: Buffer = NO_BYTES;
  #ivHigh = 0;
  #ivLow = 0;
  #cipher: AesGcm | undefined;

  /** `records`: sealed or opened already, under this secret. */
  constructor(suite: Suite, secret: Buffer, direction: 'seal' | 'open', records = 0) {
    this.suite = suite;
    this.#direction = direction;
    this.#secret = secret;
    this.records = records;
  }

  /** Whether a secret is one of the suite's hash (RFC 8446, section 7.1). */
  static fits(suite: Suite, { secret }: TrafficKeysState): boolean {
    return secret.length === (PARAMETERS[suite].hash === 'sha256' ? 32 : 48);
  }

  get state(): TrafficKeysState {
    return { secret: this.#secret, records: this.records };
  }

  /** Not before the first record: a connection that another process had stands still until its objects are there. */
  #derive(): AesGcm {
    const { hash, keyBytes } = PARAMETERS[this.suite];
    if (this.#secret.length === 0) throw new LandbridgeError('internal', 'keys that are erased');
    const key = expandLabel(hash, this.#secret, 'key', keyBytes);
    const cipher = new AesGcm(key, this.#direction);
    key.fill(0);
    this.#iv = expandLabel(hash, this.#secret, 'iv', IV_BYTES);
    this.#ivHigh = this.#iv.readUInt32BE(4);
    this.#ivLow = this.#iv.readUInt32BE(8);
    return cipher;
  }

  /** The cipher for the next record, whose nonce is written and counts as used (RFC 8446, section 5.3). */
  next(): AesGcm {
    const cipher = (this.#cipher ??= this.#derive());
    const bytes = nonce.bytes;
    const iv = this.#iv;
    bytes[0] = iv[0] as number;
    bytes[1] = iv[1] as number;
    bytes[2] = iv[2] as number;
    bytes[3] = iv[3] as number;
    const records = this.records++;
    const high = this.#ivHigh ^ ((records / 0x100000000) | 0);
    const low = this.#ivLow ^ records;
    bytes[4] = high >>> 24;
    bytes[5] = high >>> 16;
    bytes[6] = high >>> 8;
    bytes[7] = high;
    bytes[8] = low >>> 24;
    bytes[9] = low >>> 16;
    bytes[10] = low >>> 8;
    bytes[11] = low;
    return cipher;
  }

  /** Goes on to the next generation, as KeyUpdate says (RFC 8446, section 7.2). */
  update(): void {
    const { hash } = PARAMETERS[this.suite];
    const next = expandLabel(hash, this.#secret, 'traffic upd', this.#secret.length);
    this.#secret.fill(0);
    this.#secret = next;
    this.#forgetKey();
    this.records = 0;
  }

  #forgetKey(): void {
    this.#cipher?.[Symbol.dispose]();
    this.#cipher = undefined;
    this.#iv.fill(0);
  }

  [Symbol.dispose](): void {
    this.#forgetKey();
    this.#secret.fill(0);
    this.#secret = NO_BYTES;
  }
}

const FIRST_BLOCK = Buffer.of(1);

/** HKDF-Expand-Label with an empty context (RFC 8446, section 7.1). No output here is longer than the hash: one block does. */
function expandLabel(hash: 'sha256' | 'sha384', secret: Buffer, label: string, length: number): Buffer {
  const expanded = secretBytes(length);
  hmacInto(expanded, hash, secret, Buffer.concat([hkdfLabel(label, length), FIRST_BLOCK]));
  return expanded;
}
