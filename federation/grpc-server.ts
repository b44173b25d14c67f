import type { SecureContextOptions } from 'node:tls';
import { promisify } from 'node:util';
import { type handleBidiStreamingCall, type handleUnaryCall, Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { CREATE_CERTIFICATE_METHOD, DELTA_ADS_METHOD } from '@landbridge/wire/protocol.ts';

/** PEM: what the server shows, with what leads to a root. */
export interface ServedCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
}

export interface GrpcServer extends AsyncDisposable {
  readonly port: number;
  /** Of connections from now on. */
  replaceCertificate(certificate: ServedCertificate): void;
}

export interface GrpcServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly certificate: ServedCertificate;
  readonly createCertificate: handleUnaryCall<Buffer, Buffer>;
  readonly deltaAggregatedResources: handleBidiStreamingCall<Buffer, Buffer>;
}

/** An agent that comes again says of each resource which version it has: about 75 bytes. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
const raw = { requestSerialize: (bytes: Buffer) => bytes, requestDeserialize: (bytes: Buffer) => bytes, responseSerialize: (bytes: Buffer) => bytes, responseDeserialize: (bytes: Buffer) => bytes };

const CERTIFICATES: ServiceDefinition = { CreateCertificate: { path: CREATE_CERTIFICATE_METHOD, requestStream: false, responseStream: false, ...raw } };
const DISCOVERY: ServiceDefinition = { DeltaAggregatedResources: { path: DELTA_ADS_METHOD, requestStream: true, responseStream: true, ...raw } };

/** Serves agents: certificates and discovery, over TLS with a certificate of this cluster's own authority. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new Server({ 'grpc.keepalive_time_ms': 15_000, 'grpc.keepalive_timeout_ms': 5000, 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES });
  server.addService(CERTIFICATES, { CreateCertificate: options.createCertificate } as UntypedServiceImplementation);
  server.addService(DISCOVERY, { DeltaAggregatedResources: options.deltaAggregatedResources } as UntypedServiceImplementation);
  const credentials = new ReplaceableCredentials(options.certificate);
  const port = await promisify<string, ServerCredentials, number>(server.bindAsync.bind(server))(`[::]:${options.port}`, credentials);
  return {
    port,
    replaceCertificate: (certificate) => credentials.replace(certificate),
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
}

const secureContext = ({ chainPem, keyPem }: ServedCertificate): SecureContextOptions => ({ cert: chainPem, key: keyPem, minVersion: 'TLSv1.2' });

/** As createSsl makes them, but for a certificate that others follow. */
class ReplaceableCredentials extends ServerCredentials {
  constructor(certificate: ServedCertificate) {
    super({ requestCert: false }, secureContext(certificate));
  }

  replace(certificate: ServedCertificate): void {
    this.updateSecureContextOptions(secureContext(certificate));
  }

  _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
