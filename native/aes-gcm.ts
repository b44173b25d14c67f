import { LandbridgeError } from '@landbridge/core/errors.ts';
import { nativeMemory } from './memory.ts';
import { evp } from './openssl.ts';

export const TAG_BYTES = 16;
export const IV_BYTES = 12;

const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;
const KEEP = -1;

/** Where OpenSSL writes lengths that nobody reads. */
const ignored = nativeMemory(16);
/** The nonce of the record under way. */
export const nonce = nativeMemory(16);

/**
 * AES-GCM under one key in one direction (EVP_EncryptInit(3), section AEAD). The caller writes {@link nonce} before each
 * call and never uses one twice.
 */
export class AesGcm implements Disposable {
  #context: number;

  /** `key`: 16 or 32 bytes. @throws LandbridgeError `internal` */
  constructor(key: Buffer, direction: 'seal' | 'open') {
    const held = nativeMemory(key.length);
    key.copy(held.bytes);
    this.#context = evp.contextNew() as number;
    const cipher = (key.length === 16 ? evp.aes128Gcm() : evp.aes256Gcm()) as number;
    const done = evp.init(this.#context, cipher, 0, held.address, 0, direction === 'seal' ? 1 : 0) as number;
    held.bytes.fill(0);
    if (done !== 1) throw new LandbridgeError('internal', 'OpenSSL took no AES-GCM key');
  }

  /** Seals `size` bytes at `plain` to `out`, followed by the tag; the `aadBytes` at `aad` are authenticated with them. */
  seal(plain: number, size: number, out: number, aad: number, aadBytes: number): void {
    const context = this.#context;
    evp.init(context, 0, 0, 0, nonce.address, KEEP);
    evp.update(context, 0, ignored.address, aad, aadBytes);
    evp.update(context, out, ignored.address, plain, size);
    const sealed = evp.final(context, out + size, ignored.address) === 1 && evp.control(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + size) === 1;
    // What was not sealed must not leave.
    if (!sealed) throw new LandbridgeError('internal', 'OpenSSL could not seal');
  }

  /** Opens `size` bytes at `sealed`, with the tag right behind them, to `out`; false where they are not authentic. */
  open(sealed: number, size: number, out: number, aad: number, aadBytes: number): boolean {
    const context = this.#context;
    evp.init(context, 0, 0, 0, nonce.address, KEEP);
    evp.control(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, sealed + size);
    evp.update(context, 0, ignored.address, aad, aadBytes);
    if (size > 0 && evp.update(context, out, ignored.address, sealed, size) !== 1) return false;
    return evp.final(context, out + size, ignored.address) === 1;
  }

  [Symbol.dispose](): void {
    if (this.#context === 0) return;
    evp.contextFree(this.#context);
    this.#context = 0;
  }
}
