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
import { parseRequest } from './x509.ts';

/** Identities of the pods that run on a node: what the agent there may ask for. */
export type IdentitiesOnNode = (node: string) => ReadonlySet<SpiffeId>;

/** istio.v1.auth.IstioCertificateService. */
export class CertificateService {
  readonly #authority: Authority;
  readonly #authenticator: Authenticator;
  readonly #identities: IdentitiesOnNode;
  readonly #log: Logger;

  constructor(authority: Authority, authenticator: Authenticator, identities: IdentitiesOnNode, log: Logger) {
    this.#authority = authority;
    this.#authenticator = authenticator;
    this.#identities = identities;
    this.#log = log;
  }

  readonly handle: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    const deny = (code: status, reason: string, details: string): void => {
      metrics.certificatesDenied.inc({ reason });
      this.#log.warn({ reason, details }, 'certificate denied');
      callback({ code, details } as ServiceError);
    };
    this.#authenticator.agent(call.metadata).then(
      (agent) => {
        const issued = this.#issue(call.request, agent);
        if (!issued.ok) return deny(status.PERMISSION_DENIED, 'not-allowed', issued.error);
        callback(null, issued.value);
      },
      (thrown: unknown) => {
        const error = LandbridgeError.from(thrown);
        if (error.code === 'unauthenticated') deny(status.UNAUTHENTICATED, 'unauthenticated', error.message);
        else deny(status.UNAVAILABLE, 'unavailable', 'the token can not be reviewed at the moment');
      },
    );
  };

  #issue(bytes: Buffer, agent: VerifiedAgent): Result<Buffer> {
    let request: IstioCertificateRequest;
    try {
      request = fromBinary(IstioCertificateRequestSchema, bytes);
    } catch (thrown) {
      return err(`not an IstioCertificateRequest: ${String(thrown)}`);
    }
    const wanted = request.metadata?.['ImpersonatedIdentity'];
    const identity = parseSpiffeId(typeof wanted === 'string' ? wanted : '');
    if (!identity.ok) return err(`ImpersonatedIdentity: ${identity.error}`);
    const { namespace, serviceAccount } = identity.value;
    if (agent.role === 'gateway' && (namespace !== agent.namespace || serviceAccount !== agent.serviceAccount)) return err(`a gateway may be nobody but ${agent.namespace}/${agent.serviceAccount}`);
    if (!this.#identities(agent.node).has(identity.value.id)) return err(`no pod of ${identity.value.id} runs on node ${agent.node}`);
    const key = parseRequest(request.csr);
    if (!key.ok) return key;
    const seconds = Number(request.validityDuration) || MAX_LIFETIME_SECONDS;
    const leaf = this.#authority.issue(identity.value.id, key.value, seconds, Date.now());
    metrics.certificatesIssued.inc();
    this.#log.info({ identity: identity.value.id, node: agent.node }, 'certificate issued');
    return ok(Buffer.from(toBinary(IstioCertificateResponseSchema, create(IstioCertificateResponseSchema, { certChain: [leaf, this.#authority.rootPem] }))));
  }
}
