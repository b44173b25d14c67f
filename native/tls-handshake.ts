import { erasedOnFree } from './erased-on-free.ts';
import { nativeMemory, viewMemory } from './memory.ts';
import { bio, errors, ssl, x509 } from './openssl.ts';
import { loggedSecrets, type TlsContext } from './tls-context.ts';

/** Why a handshake failed, as far as it can be told. `alert`: the peer refused us. */
export type HandshakeFault =
  | 'no-certificate'
  | 'certificate-expired'
  | 'certificate-not-yet-valid'
  | 'unknown-authority'
  | 'certificate-purpose'
  | 'certificate'
  | 'version'
  | 'no-protocol'
  | 'alert'
  | 'protocol';

export type HandshakeState =
  | { readonly kind: 'running' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly fault: HandshakeFault; readonly text: string };

export interface HandshakeResult {
  readonly suite: 'TLS_AES_128_GCM_SHA256' | 'TLS_AES_256_GCM_SHA384';
  /** Traffic secrets number 0 of RFC 8446, section 7.1. */
  readonly clientSecret: Buffer;
  readonly serverSecret: Buffer;
  /** DER: leaf first, then what the peer sent along. */
  readonly peerChain: readonly Buffer[];
  /** Empty where the peer named none. */
  readonly protocol: string;
}

const RUNNING: HandshakeState = { kind: 'running' };
const DONE: HandshakeState = { kind: 'done' };
const SSL_ERROR_WANT_READ = 2;
const SSL_ERROR_WANT_WRITE = 3;
const OUTPUT_BYTES = 64 * 1024;
const MAX_CHAIN = 8;

/** TLS_AES_128_GCM_SHA256 and TLS_AES_256_GCM_SHA384 as OpenSSL numbers them. */
const SUITES = new Map([[0x03001301, 'TLS_AES_128_GCM_SHA256' as const], [0x03001302, 'TLS_AES_256_GCM_SHA384' as const]]);

const output = nativeMemory(OUTPUT_BYTES);
const encoded = nativeMemory(8);
const protocolPlace = nativeMemory(16);

/** One TLS 1.3 handshake by OpenSSL over memory: bytes in, bytes out. Not for use after it is done: its records are the caller's. */
export class TlsHandshake implements Disposable {
  #session: number;
  readonly #in: number;
  readonly #out: number;
  #client: Buffer | undefined;
  #server: Buffer | undefined;

  constructor(context: TlsContext, role: 'client' | 'server') {
    this.#session = ssl.sessionNew(context.pointer) as number;
    this.#in = bio.create(bio.memoryMethod()) as number;
    this.#out = bio.create(bio.memoryMethod()) as number;
    ssl.setBio(this.#session, this.#in, this.#out);
    if (role === 'client') ssl.setConnectState(this.#session);
    else ssl.setAcceptState(this.#session);
  }

  /** Takes one whole record at an address, and goes on. */
  feed(address: number, size: number): HandshakeState {
    bio.write(this.#in, address, size);
    return this.advance();
  }

  /** Goes on as far as it can; a client's first call makes its first flight. */
  advance(): HandshakeState {
    loggedSecrets.client = loggedSecrets.server = undefined;
    errors.clear();
    const result = ssl.handshake(this.#session) as number;
    this.#client = loggedSecrets.client ?? this.#client;
    this.#server = loggedSecrets.server ?? this.#server;
    loggedSecrets.client = loggedSecrets.server = undefined;
    if (result === 1) return DONE;
    const error = ssl.error(this.#session, result) as number;
    if (error === SSL_ERROR_WANT_READ || error === SSL_ERROR_WANT_WRITE) return RUNNING;
    return this.#failed();
  }

  /** What is to be sent now, the alert of a failure among it. */
  takeOutput(): Buffer | undefined {
    const size = bio.read(this.#out, output.address, OUTPUT_BYTES) as number;
    return size > 0 ? Buffer.from(output.bytes.subarray(0, size)) : undefined;
  }

  /** Once it is done, and only once: the secrets are given away. */
  result(): HandshakeResult | undefined {
    const suite = SUITES.get(ssl.cipherId(ssl.currentCipher(this.#session)) as number);
    if (suite === undefined || this.#client === undefined || this.#server === undefined) return undefined;
    const secrets = { clientSecret: this.#client, serverSecret: this.#server };
    // From here on they are the caller's to erase.
    this.#client = this.#server = undefined;
    return { suite, ...secrets, peerChain: this.#peerChain(), protocol: this.#protocol() };
  }

  #protocol(): string {
    ssl.selectedAlpn(this.#session, protocolPlace.bytes.subarray(0, 8), protocolPlace.bytes.subarray(8, 12));
    const length = protocolPlace.bytes.readUInt32LE(8);
    return length === 0 ? '' : Buffer.from(viewMemory(Number(protocolPlace.bytes.readBigInt64LE(0)), length)).toString('latin1');
  }

  #peerChain(): Buffer[] {
    const leaf = ssl.peerCertificate(this.#session) as number;
    if (leaf === 0) return [];
    const chain = [encode(leaf)];
    x509.free(leaf);
    const stack = ssl.peerChain(this.#session) as number;
    const count = stack === 0 ? 0 : Math.min(x509.stackCount(stack) as number, MAX_CHAIN);
    for (let i = 0; i < count; i++) {
      const certificate = encode(x509.stackValue(stack, i) as number);
      // Clients find the leaf in it, servers do not (SSL_get_peer_cert_chain(3)).
      if (!certificate.equals(chain[0] as Buffer)) chain.push(certificate);
    }
    return chain;
  }

  #failed(): HandshakeState {
    const code = Number(errors.take());
    const text = Buffer.alloc(256);
    errors.text(code, text, text.length);
    errors.clear();
    const words = text.toString('latin1', 0, text.indexOf(0)).split(':');
    return { kind: 'failed', fault: faultOf(code, Number(ssl.verifyResult(this.#session))), text: words.slice(3).join(':') || words.join(':') };
  }

  [Symbol.dispose](): void {
    if (this.#session === 0) return;
    // The two BIOs are the session's. Its traffic secrets are a part of it, and OpenSSL does not erase them.
    erasedOnFree(() => void ssl.sessionFree(this.#session));
    this.#session = 0;
    this.#client?.fill(0);
    this.#server?.fill(0);
  }
}

const REASON_MASK = 0x7fffff;
/** Reasons of sslerr.h; alerts of the peer are 1000 and their number. */
const REASON = { certificateVerifyFailed: 134, noCertificate: 199, noApplicationProtocol: 235, unsupportedProtocol: 258, wrongVersion: 267, firstAlert: 1000, certificateRequired: 1116 } as const;
/** Codes of x509_vfy.h. */
const VERIFY = { notYetValid: 9, expired: 10, invalidPurpose: 26 } as const;
const UNKNOWN_AUTHORITY: ReadonlySet<number> = new Set([2, 18, 19, 20, 21]);

function faultOf(code: number, verifyResult: number): HandshakeFault {
  const reason = code & REASON_MASK;
  switch (reason) {
    case REASON.noCertificate:
      return 'no-certificate';
    case REASON.noApplicationProtocol:
      return 'no-protocol';
    case REASON.unsupportedProtocol:
    case REASON.wrongVersion:
      return 'version';
    case REASON.certificateVerifyFailed:
      if (verifyResult === VERIFY.expired) return 'certificate-expired';
      if (verifyResult === VERIFY.notYetValid) return 'certificate-not-yet-valid';
      if (verifyResult === VERIFY.invalidPurpose) return 'certificate-purpose';
      return UNKNOWN_AUTHORITY.has(verifyResult) ? 'unknown-authority' : 'certificate';
    default:
      return reason > REASON.firstAlert && reason < REASON.firstAlert + 256 ? 'alert' : 'protocol';
  }
}

function encode(certificate: number): Buffer {
  const size = x509.encode(certificate, null) as number;
  const bytes = nativeMemory(size);
  encoded.bytes.writeBigInt64LE(BigInt(bytes.address));
  x509.encode(certificate, encoded.bytes);
  return bytes.bytes;
}
