import { create, fromBinary, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientOptions, credentials, Metadata } from '@grpc/grpc-js';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '@landbridge/wire/gen/ca_pb.js';
import { CREATE_CERTIFICATE_METHOD } from '@landbridge/wire/protocol.ts';

const TIMEOUT_MS = 10_000;

export interface IssuedCertificate {
  /** PEM: leaf and intermediates. */
  readonly chainPem: string;
  /** PEM: the authority's own roots. */
  readonly rootsPem: string;
}

/** Issues certificates. Contract: an error is retryable unless the request itself was refused. */
export interface CertificateAuthority {
  issue(identity: SpiffeId, requestPem: string, lifetimeSeconds: number, signal: AbortSignal): Promise<IssuedCertificate>;
}

export interface ControlPlaneAccess {
  /** https://HOST:PORT */
  readonly address: string;
  /** Read anew for each connection: PEM roots for the server's certificate. */
  readonly rootPem: () => Buffer;
  /** The name in the server's certificate, where it is not the one of the address. */
  readonly serverName?: string;
  /** Read anew for each call: the projected service account token. */
  readonly token: () => string;
  /** Further metadata of each call. */
  readonly headers?: ReadonlyMap<string, string>;
}

/** Channel options that notice a server that went away without a word. */
const CHANNEL_OPTIONS: ClientOptions = {
  // istiod ends connections that ping more often than every 15 s (half of its own keepaliveInterval).
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 3000,
  // All resources come in one answer, about 250 bytes each; ztunnel takes as much.
  'grpc.max_receive_message_length': 200 * 1024 * 1024,
};

export function openChannel({ address, rootPem, serverName }: ControlPlaneAccess): Client {
  return new Client(new URL(address).host, credentials.createSsl(rootPem()), serverName === undefined ? CHANNEL_OPTIONS : { ...CHANNEL_OPTIONS, 'grpc.ssl_target_name_override': serverName });
}

/** What istiod knows a caller by: its token, and by which of its clusters' API servers that is to be reviewed. */
export function authorization(access: ControlPlaneAccess, cluster: string): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of access.headers ?? []) metadata.set(name, value);
  metadata.set('authorization', `Bearer ${access.token()}`);
  metadata.set('clusterid', cluster);
  return metadata;
}

/** A channel that requests of the same time share: an agent that starts has one for every identity of its node, and each channel costs memory that is not all given back. */
interface SharedClient {
  readonly client: Client;
  users: number;
}

export class GrpcCertificateAuthority implements CertificateAuthority {
  readonly #access: ControlPlaneAccess;
  readonly #cluster: string;
  #shared: SharedClient | undefined;

  constructor(access: ControlPlaneAccess, cluster: string) {
    this.#access = access;
    this.#cluster = cluster;
  }

  async issue(identity: SpiffeId, requestPem: string, lifetimeSeconds: number, signal: AbortSignal): Promise<IssuedCertificate> {
    const shared = (this.#shared ??= { client: openChannel(this.#access), users: 0 });
    shared.users++;
    try {
      const metadata = authorization(this.#access, this.#cluster);
      const request = create(IstioCertificateRequestSchema, {
        csr: requestPem,
        validityDuration: BigInt(lifetimeSeconds),
        metadata: { ImpersonatedIdentity: identity } as JsonObject,
      });
      const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
      const call = shared.client.makeUnaryRequest(CREATE_CERTIFICATE_METHOD, (bytes: Buffer) => bytes, (bytes: Buffer) => bytes, Buffer.from(toBinary(IstioCertificateRequestSchema, request)), metadata, { deadline: Date.now() + TIMEOUT_MS }, (error, value) => {
        if (error === null && value !== undefined) resolve(value);
        else reject(new LandbridgeError('certificate-refused', `no certificate for ${identity}: ${error?.details ?? 'empty answer'}`, { retryable: true, cause: error }));
      });
      const cancel = (): void => call.cancel();
      signal.addEventListener('abort', cancel);
      // The signal outlives many requests, and would keep what each has left.
      const response = await promise.finally(() => signal.removeEventListener('abort', cancel));
      const { certChain } = fromBinary(IstioCertificateResponseSchema, response);
      const rootsPem = certChain.at(-1);
      if (certChain.length < 2 || rootsPem === undefined) throw new LandbridgeError('certificate-refused', `the answer for ${identity} holds ${certChain.length} elements: a leaf and a root are needed`, { retryable: true });
      // Some authorities leave out the last line end, and two blocks on one line are none.
      return { chainPem: certChain.slice(0, -1).map((pem) => (pem.endsWith('\n') ? pem : `${pem}\n`)).join(''), rootsPem };
    } catch (thrown) {
      // Whoever tries again reads the roots anew.
      if (this.#shared === shared) this.#shared = undefined;
      throw thrown;
    } finally {
      if (--shared.users === 0) {
        // The next one comes after hours.
        if (this.#shared === shared) this.#shared = undefined;
        shared.client.close();
      }
    }
  }
}
