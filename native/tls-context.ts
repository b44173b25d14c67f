import koffi from 'koffi';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { nativeMemory, viewMemory } from './memory.ts';
import { bio, errors, ssl, x509 } from './openssl.ts';
import { secretBytes } from './secret-bytes.ts';

const SSL_CTRL_CHAIN_CERT = 89;
const SSL_CTRL_SET_GROUPS_LIST = 92;
const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
const SSL_CTRL_MODE = 33;
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
const SSL_CTRL_SET_MAX_PROTO_VERSION = 124;
const SSL_MODE_RELEASE_BUFFERS = 0x10;
const TLS1_3_VERSION = 0x304;
const SSL_VERIFY_PEER_REQUIRED = 1 | 2;
const SSL_OP_NO_TICKET = 1n << 14n;

/** Both AES-GCM suites of TLS 1.3; ChaCha20 is not offered, as no peer of the mesh lacks AES. */
export const SUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384';
/** The hybrid group is taken where a peer insists on it; its key share would make each first flight 1.2 KB longer. */
const GROUPS = 'X25519:P-256:X25519MLKEM768';
/** Certificates between leaf and root. */
const MAX_DEPTH = 4;

export interface TlsSettings {
  /** PEM: leaf first. */
  readonly chainPem: string;
  /** PEM, PKCS#8. */
  readonly keyPem: string;
  /** PEM of each root that may vouch for a peer. */
  readonly rootsPem: readonly string[];
  /** The one protocol that both sides must name (ALPN, RFC 7301). */
  readonly protocol: string;
  readonly suites?: string;
}

/** TLS 1.3 only, both sides with certificates, for handshakes of either role. Handshakes under way keep what they need of it. */
export class TlsContext implements Disposable {
  /** SSL_CTX */
  #pointer: number;
  /** Its maker, and who may still begin a handshake. */
  #holders = 1;
  #isDisposed = false;

  /** @throws LandbridgeError `bad-certificate` where OpenSSL refuses the certificate, the key or a root */
  constructor(settings: TlsSettings) {
    const pointer = ssl.contextNew(ssl.method()) as number;
    this.#pointer = pointer;
    try {
      ssl.contextControlPointer(pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, 0);
      ssl.contextControlPointer(pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, TLS1_3_VERSION, 0);
      ssl.contextControlPointer(pointer, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, 0);
      ssl.contextControlPointer(pointer, SSL_CTRL_SET_SESS_CACHE_MODE, 0, 0);
      ssl.setOptions(pointer, SSL_OP_NO_TICKET);
      ssl.setNumTickets(pointer, 0);
      ssl.setVerify(pointer, SSL_VERIFY_PEER_REQUIRED, 0);
      ssl.setVerifyDepth(pointer, MAX_DEPTH);
      check('the cipher suites', ssl.setCiphersuites(pointer, settings.suites ?? SUITES));
      check('the groups', ssl.contextControl(pointer, SSL_CTRL_SET_GROUPS_LIST, 0, Buffer.from(`${GROUPS}\0`)));
      const offered = Buffer.from(`\0${settings.protocol}`, 'latin1');
      offered[0] = settings.protocol.length;
      ssl.setAlpnProtocols(pointer, offered, offered.length);
      ssl.setAlpnSelect(pointer, selectProtocol, 0);
      ssl.setKeylog(pointer, keylog);
      this.#useChain(settings.chainPem);
      this.#useKey(settings.keyPem);
      const store = ssl.certificateStore(pointer) as number;
      for (const pem of settings.rootsPem) for (const root of readCertificates(pem)) free(root, () => check('a root', ssl.storeAdd(store, root)));
    } catch (thrown) {
      this[Symbol.dispose]();
      throw thrown;
    }
  }

  get pointer(): number {
    return this.#pointer;
  }

  #useChain(pem: string): void {
    const [leaf, ...intermediates] = readCertificates(pem);
    if (leaf === undefined) throw new LandbridgeError('bad-certificate', 'the certificate chain is empty');
    free(leaf, () => check('the certificate', ssl.useCertificate(this.#pointer, leaf)));
    for (const certificate of intermediates) free(certificate, () => check('an intermediate certificate', ssl.contextControlPointer(this.#pointer, SSL_CTRL_CHAIN_CERT, 1, certificate)));
  }

  #useKey(pem: string): void {
    const bytes = Buffer.from(pem);
    const source = bio.ofMemory(bytes, bytes.length) as number;
    const key = x509.readKeyPem(source, 0, 0, 0) as number;
    bio.free(source);
    bytes.fill(0);
    if (key === 0) throw failure('the private key');
    try {
      check('the private key', ssl.usePrivateKey(this.#pointer, key));
      check('the private key, which must be that of the certificate', ssl.checkPrivateKey(this.#pointer));
    } finally {
      x509.keyFree(key);
    }
  }

  /** Keeps it past its disposal, until as many calls of {@link release}: for connections whose handshake has not begun. */
  hold(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    if (--this.#holders > 0) return;
    ssl.contextFree(this.#pointer);
    this.#pointer = 0;
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.release();
  }
}

function readCertificates(pem: string): number[] {
  const bytes = Buffer.from(pem);
  const source = bio.ofMemory(bytes, bytes.length) as number;
  const found: number[] = [];
  for (;;) {
    const certificate = x509.readPem(source, 0, 0, 0) as number;
    if (certificate === 0) break;
    found.push(certificate);
  }
  bio.free(source);
  // Used until here, as OpenSSL has no copy of it.
  bytes.fill(0);
  // The end of the text is an error for OpenSSL.
  errors.clear();
  return found;
}

function free(certificate: number, use: () => void): void {
  try {
    use();
  } finally {
    x509.free(certificate);
  }
}

function check(what: string, result: unknown): void {
  if (Number(result) !== 1) throw failure(what);
}

function failure(what: string): LandbridgeError {
  const text = Buffer.alloc(256);
  errors.text(errors.take(), text, text.length);
  errors.clear();
  return new LandbridgeError('bad-certificate', `OpenSSL refused ${what}: ${text.toString('latin1', 0, text.indexOf(0))}`);
}

const SSL_TLSEXT_ERR_OK = 0;
const SSL_TLSEXT_ERR_ALERT_FATAL = 2;
const H2 = nativeMemory(2);
H2.bytes.write('h2', 'latin1');

/** SSL_CTX_set_alpn_select_cb(3): a client that names no `h2` gets the alert no_application_protocol. */
const selectProtocol = Number(koffi.address(koffi.register((_session: number, out: number, outLength: number, list: number, length: number) => {
  const names = Buffer.from(viewMemory(list, length));
  for (let at = 0; at < names.length; at += 1 + (names[at] as number)) {
    if (names.toString('latin1', at + 1, at + 1 + (names[at] as number)) !== 'h2') continue;
    new BigInt64Array(viewMemory(out, 8))[0] = BigInt(H2.address);
    new Uint8Array(viewMemory(outLength, 1))[0] = 2;
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}, koffi.pointer(koffi.proto('int landbridge_alpn(int64_t session, int64_t out, int64_t outLength, int64_t list, uint32_t length, int64_t argument)')))));

/** Secrets of the handshake that runs on this thread at this moment: OpenSSL tells them while SSL_do_handshake runs. */
export const loggedSecrets: { client: Buffer | undefined; server: Buffer | undefined } = { client: undefined, server: undefined };

const CLIENT_LABEL = Buffer.from('CLIENT_TRAFFIC_SECRET_0 ');
const SERVER_LABEL = Buffer.from('SERVER_TRAFFIC_SECRET_0 ');
/** Of the client random, in hex, and the space behind it. */
const RANDOM_LETTERS = 65;
/** Of the secret, in hex: as long as the hash of the suite, SHA-256 or SHA-384. */
const SECRET_LETTERS = [64, 96] as const;

/**
 * SSL_CTX_set_keylog_callback(3); lines are of the NSS key log format: label, client random, secret. Read where OpenSSL
 * has them, which erases them afterwards: a string of such a line would be in the heap for as long as nothing collects it.
 */
const keylog = Number(koffi.address(koffi.register((_session: number, line: number) => {
  // No line is shorter.
  const label = Buffer.from(viewMemory(line, CLIENT_LABEL.length));
  if (label.equals(CLIENT_LABEL)) loggedSecrets.client = secretOf(line);
  else if (label.equals(SERVER_LABEL)) loggedSecrets.server = secretOf(line);
}, koffi.pointer(koffi.proto('void landbridge_keylog(int64_t session, int64_t line)')))));

/** The last field of a line, which has one of the two labels. */
function secretOf(line: number): Buffer {
  const from = CLIENT_LABEL.length + RANDOM_LETTERS;
  const [short, long] = SECRET_LETTERS;
  const isShort = new Uint8Array(viewMemory(line + from + short, 1))[0] === 0;
  const letters = new Uint8Array(viewMemory(line + from, isShort ? short : long));
  const secret = secretBytes(letters.length / 2);
  for (let i = 0; i < secret.length; i++) secret[i] = (hexDigit(letters[2 * i] as number) << 4) | hexDigit(letters[2 * i + 1] as number);
  return secret;
}

/** Of 0-9, A-F or a-f. */
const hexDigit = (letter: number): number => (letter & 0xf) + (letter > 0x39 ? 9 : 0);
