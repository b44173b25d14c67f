import { promisify } from 'node:util';
import { type handleBidiStreamingCall, type handleUnaryCall, Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { CREATE_CERTIFICATE_METHOD, DELTA_ADS_METHOD } from '@landbridge/wire/protocol.ts';

export interface GrpcServerOptions {
  readonly port: number;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly createCertificate: handleUnaryCall<Buffer, Buffer>;
  readonly deltaAggregatedResources: handleBidiStreamingCall<Buffer, Buffer>;
}

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const raw = { requestSerialize: (bytes: Buffer) => bytes, requestDeserialize: (bytes: Buffer) => bytes, responseSerialize: (bytes: Buffer) => bytes, responseDeserialize: (bytes: Buffer) => bytes };

const CERTIFICATES: ServiceDefinition = { CreateCertificate: { path: CREATE_CERTIFICATE_METHOD, requestStream: false, responseStream: false, ...raw } };
const DISCOVERY: ServiceDefinition = { DeltaAggregatedResources: { path: DELTA_ADS_METHOD, requestStream: true, responseStream: true, ...raw } };

/** Serves agents: certificates and discovery, over TLS with a certificate of this cluster's own authority. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<AsyncDisposable> {
  const server = new Server({ 'grpc.keepalive_time_ms': 15_000, 'grpc.keepalive_timeout_ms': 5000, 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES });
  server.addService(CERTIFICATES, { CreateCertificate: options.createCertificate } as UntypedServiceImplementation);
  server.addService(DISCOVERY, { DeltaAggregatedResources: options.deltaAggregatedResources } as UntypedServiceImplementation);
  const credentials = ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(options.certificatePem), private_key: Buffer.from(options.keyPem) }]);
  await promisify(server.bindAsync.bind(server))(`[::]:${options.port}`, credentials);
  return { [Symbol.asyncDispose]: async () => server.forceShutdown() };
}
