/** The record layer of TLS 1.3 by node:crypto, for tests: says what no honest peer says, and shares no code with what it tries. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { nativeMemory } from '@landbridge/native/memory.ts';
import type { HandshakeResult } from '@landbridge/native/tls-handshake.ts';
import { TlsRecords } from './tls-records.ts';

const PARAMETERS = { TLS_AES_128_GCM_SHA256: { hash: 'sha256', hashBytes: 32, keyBytes: 16, cipher: 'aes-128-gcm' }, TLS_AES_256_GCM_SHA384: { hash: 'sha384', hashBytes: 48, keyBytes: 32, cipher: 'aes-256-gcm' } } as const;
export type Suite = keyof typeof PARAMETERS;
export const SUITES = Object.keys(PARAMETERS) as readonly Suite[];

export const TYPE = { changeCipherSpec: 20, alert: 21, handshake: 22, data: 23 } as const;
const HEADER = 5;
const TAG = 16;

/** Keys of one direction (RFC 8446, sections 5.3, 7.1 and 7.3). */
class Direction {
  readonly #suite: Suite;
  #secret: Buffer;
  #number = 0n;

  constructor(suite: Suite, secret: Buffer) {
    this.#suite = suite;
    this.#secret = Buffer.from(secret);
  }

  #expand(label: string, size: number): Buffer {
    const text = Buffer.from(`tls13 ${label}`);
    const info = Buffer.concat([Buffer.from([size >> 8, size & 255, text.length]), text, Buffer.from([0, 1])]);
    return createHmac(PARAMETERS[this.#suite].hash, this.#secret).update(info).digest().subarray(0, size);
  }

  next(): { readonly key: Buffer; readonly nonce: Buffer } {
    const nonce = this.#expand('iv', 12);
    nonce.writeBigUInt64BE(nonce.readBigUInt64BE(4) ^ this.#number++, 4);
    return { key: this.#expand('key', PARAMETERS[this.#suite].keyBytes), nonce };
  }

  update(): void {
    this.#secret = this.#expand('traffic upd', PARAMETERS[this.#suite].hashBytes);
    this.#number = 0n;
  }
}

export interface TestRecord {
  readonly type: number;
  readonly content: Buffer;
}

/** The peer of the record layer that is tried. */
export class TestPeer {
  readonly #cipher: 'aes-128-gcm' | 'aes-256-gcm';
  readonly #out: Direction;
  readonly #in: Direction;
  #left: Buffer = Buffer.alloc(0);

  constructor(suite: Suite, own: Buffer, other: Buffer) {
    this.#cipher = PARAMETERS[suite].cipher;
    this.#out = new Direction(suite, own);
    this.#in = new Direction(suite, other);
  }

  /** One record: any content of any type, `padding` zeroes behind it. */
  seal(content: Uint8Array, type: number = TYPE.data, padding = 0): Buffer {
    return this.sealInner(Buffer.concat([content, Buffer.from([type]), Buffer.alloc(padding)]));
  }

  /** One record of an inner plaintext as it is. */
  sealInner(inner: Uint8Array): Buffer {
    const header = Buffer.from([TYPE.data, 3, 3, 0, 0]);
    header.writeUInt16BE(inner.length + TAG, 3);
    const { key, nonce } = this.#out.next();
    const cipher = createCipheriv(this.#cipher, key, nonce).setAAD(header);
    return Buffer.concat([header, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
  }

  /** KeyUpdate, and all that follows under the next keys. */
  keyUpdate(requestsUpdate: boolean): Buffer {
    const record = this.seal(Buffer.from([24, 0, 0, 1, requestsUpdate ? 1 : 0]), TYPE.handshake);
    this.#out.update();
    return record;
  }

  /** Opens records, following KeyUpdate. Throws where one is not authentic. */
  open(bytes: Uint8Array): TestRecord[] {
    this.#left = Buffer.concat([this.#left, bytes]);
    const records: TestRecord[] = [];
    while (this.#left.length >= HEADER && this.#left.length >= HEADER + this.#left.readUInt16BE(3)) {
      const size = HEADER + this.#left.readUInt16BE(3);
      const { key, nonce } = this.#in.next();
      const decipher = createDecipheriv(this.#cipher, key, nonce).setAAD(this.#left.subarray(0, HEADER));
      decipher.setAuthTag(this.#left.subarray(size - TAG, size));
      const inner = Buffer.concat([decipher.update(this.#left.subarray(HEADER, size - TAG)), decipher.final()]);
      this.#left = this.#left.subarray(size);
      let end = inner.length - 1;
      while (end >= 0 && inner[end] === 0) end--;
      const record = { type: inner[end] as number, content: inner.subarray(0, end) };
      records.push(record);
      if (record.type === TYPE.handshake && record.content[0] === 24) this.#in.update();
    }
    return records;
  }
}

export const ROOM = 512 * 1024;

/** The record layer of one role and its peer, with secrets as of a handshake. */
export function recordPair(suite: Suite, role: 'client' | 'server', recordsPerKey?: number): { readonly records: TlsRecords; readonly peer: TestPeer } {
  const size = PARAMETERS[suite].hashBytes;
  const [clientSecret, serverSecret] = [randomBytes(size), randomBytes(size)];
  const result: HandshakeResult = { suite, clientSecret: Buffer.from(clientSecret), serverSecret: Buffer.from(serverSecret), peerChain: [], protocol: 'h2' };
  const [own, other] = role === 'client' ? [serverSecret, clientSecret] : [clientSecret, serverSecret];
  return { records: new TlsRecords(role, result, recordsPerKey), peer: new TestPeer(suite, own, other) };
}

const [source, target, sealed] = [nativeMemory(ROOM), nativeMemory(ROOM), nativeMemory(ROOM)];

/** Gives bytes to a record layer in pieces as they might arrive; returns the application data. */
export function openAll(records: TlsRecords, bytes: Uint8Array, cuts: readonly number[] = []): Buffer {
  const out: Buffer[] = [];
  let at = 0;
  for (const cut of [...cuts.filter((at) => at < bytes.length), bytes.length]) {
    if (cut <= at) continue;
    const have = records.takePartial(source.bytes);
    source.bytes.set(bytes.subarray(at, cut), have);
    const size = records.open(source, have + cut - at, target);
    out.push(Buffer.from(target.bytes.subarray(0, size)));
    at = cut;
    if (records.fault !== undefined || records.hasEnded) break;
  }
  return Buffer.concat(out);
}

/** What a record layer makes of bytes. */
export function sealAll(records: TlsRecords, bytes: Uint8Array): Buffer {
  const memory = nativeMemory(bytes.length + 1);
  memory.bytes.set(bytes);
  const end = records.seal(memory.bytes, memory.address, 0, bytes.length, sealed, 0);
  return Buffer.from(sealed.bytes.subarray(0, end));
}
