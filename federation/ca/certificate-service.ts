import type { KeyObject } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type handleUnaryCall, type ServiceError, status } from '@grpc/grpc-js';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type IstioCertificateRequest, IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '@landbridge/wire/gen/ca_pb.js';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import type { Authenticator, VerifiedAgent } from './authenticator.ts';
import { type Authority, MAX_LIFETIME_SECONDS } from './authority.ts';
import { IssueLimits } from './issue-limits.ts';
import type { NodeIdentities } from './node-identities.ts';
import { parseRequest } from './x509.ts';

export interface CertificateServiceOptions {
  readonly authority: Authority;
  readonly authenticator: Authenticator;
  readonly identities: NodeIdentities;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: Logger;
}

type DenialReason = 'unauthenticated' | 'not-allowed' | 'rate' | 'unavailable';

class Denial extends Error {
  readonly code: status;
  readonly reason: DenialReason;

  constructor(code: status, reason: DenialReason, details: string) {
    super(details);
    this.code = code;
    this.reason = reason;
  }
}

interface Asked {
  readonly trustDomain: string;
  readonly identity: SpiffeId;
  readonly publicKey: KeyObject;
  readonly requestPem: string;
  readonly lifetimeSeconds: number;
}

/** A caller waits no longer than this (agent/identity/ca-client.ts); a signer elsewhere must not be waited for beyond it. */
const TIMEOUT_MS = 10_000;

/** istio.v1.auth.IstioCertificateService. */
export class CertificateService {
  readonly #options: CertificateServiceOptions;
  readonly #limits: IssueLimits;

  constructor(options: CertificateServiceOptions) {
    this.#options = options;
    this.#limits = new IssueLimits(options.clock());
  }

  readonly handle: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    const gone = new AbortController();
    call.on?.('cancelled', () => gone.abort());
    this.#serve(call.request, () => this.#options.authenticator.agent(call.metadata, call.getPeer()), AbortSignal.any([gone.signal, AbortSignal.timeout(TIMEOUT_MS)])).then(
      (answer) => callback(null, answer),
      (thrown: unknown) => {
        const { code, reason, message: details } = thrown instanceof Denial ? thrown : this.#unavailable(thrown);
        metrics.certificatesDenied.inc({ reason });
        // Whoever is refused by rate would fill the log by it.
        this.#options.log[reason === 'rate' ? 'debug' : 'warn']({ reason, details }, 'certificate denied');
        callback({ code, details } as ServiceError);
      },
    );
  };

  async #serve(bytes: Buffer, authenticate: () => Promise<VerifiedAgent>, signal: AbortSignal): Promise<Buffer> {
    const agent = await authenticate();
    if (!this.#limits.take(agent, this.#options.clock())) throw new Denial(status.RESOURCE_EXHAUSTED, 'rate', 'too many requests: try again later');
    const asked = read(bytes, agent);
    if (!asked.ok) throw new Denial(status.PERMISSION_DENIED, 'not-allowed', asked.error);
    const { identity, trustDomain } = asked.value;
    if (trustDomain !== this.#options.authority.trustDomain) throw new Denial(status.PERMISSION_DENIED, 'not-allowed', `${identity} is not of this cluster’s trust domain`);
    if (!(await this.#options.identities.runsOn(agent.node, identity, signal))) throw new Denial(status.PERMISSION_DENIED, 'not-allowed', `no pod of ${identity} runs on node ${agent.node}`);
    return await this.#issue(asked.value, agent, signal);
  }

  async #issue({ identity, publicKey, requestPem, lifetimeSeconds }: Asked, { node }: VerifiedAgent, signal: AbortSignal): Promise<Buffer> {
    const { authority, clock, log } = this.#options;
    // As they were when it was signed: what was signed leads to one of them.
    const { rootsPem } = authority;
    const chain = await authority.issue(identity, { publicKey, requestPem }, lifetimeSeconds, clock(), signal);
    metrics.certificatesIssued.inc();
    log.info({ identity, node }, 'certificate issued');
    return Buffer.from(toBinary(IstioCertificateResponseSchema, create(IstioCertificateResponseSchema, { certChain: [...chain, rootsPem] })));
  }

  /** What the API server or the signer says of it is not the caller's to know. */
  #unavailable(thrown: unknown): Denial {
    const { code, message, hint } = LandbridgeError.from(thrown);
    // It is about the caller's own request.
    if (code === 'request-refused') return new Denial(status.PERMISSION_DENIED, 'not-allowed', message);
    if (code === 'unauthenticated') return new Denial(status.UNAUTHENTICATED, 'unauthenticated', message);
    if (code === 'token-reviews-busy') return new Denial(status.RESOURCE_EXHAUSTED, 'rate', message);
    this.#options.log.warn({ code, error: message, hint }, 'a certificate could not be issued');
    if (code === 'ca-refused') return new Denial(status.PERMISSION_DENIED, 'not-allowed', 'the certificate authority refuses to sign this');
    return new Denial(status.UNAVAILABLE, 'unavailable', code === 'ca-failed' ? 'the certificate authority can not sign at the moment' : 'what was asked can not be reviewed at the moment');
  }
}

/** What an agent asks for, where it may ask for it at all. */
function read(bytes: Buffer, agent: VerifiedAgent): Result<Asked> {
  let request: IstioCertificateRequest;
  try {
    request = fromBinary(IstioCertificateRequestSchema, bytes);
  } catch (thrown) {
    return err(`not an IstioCertificateRequest: ${String(thrown)}`);
  }
  const wanted = request.metadata?.['ImpersonatedIdentity'];
  const identity = parseSpiffeId(typeof wanted === 'string' ? wanted : '');
  if (!identity.ok) return err(`ImpersonatedIdentity: ${identity.error}`);
  const { id, trustDomain, namespace, serviceAccount } = identity.value;
  if (agent.role === 'gateway' && (namespace !== agent.namespace || serviceAccount !== agent.serviceAccount)) return err(`a gateway may be nobody but ${agent.namespace}/${agent.serviceAccount}`);
  const key = parseRequest(request.csr);
  if (!key.ok) return key;
  return ok({ identity: id, trustDomain, publicKey: key.value, requestPem: request.csr, lifetimeSeconds: Number(request.validityDuration) || MAX_LIFETIME_SECONDS });
}
