/** Agents that follow discovery over gRPC on loopback, for tests. */
import { once } from 'node:events';
import { promisify } from 'node:util';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, Metadata, Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import { type DeltaDiscoveryRequest, DeltaDiscoveryRequestSchema, type DeltaDiscoveryResponse, DeltaDiscoveryResponseSchema } from '@landbridge/wire/gen/discovery_pb.js';
import type { AdsService } from './ads-service.ts';

const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
/** The one that the federation service has a certificate for. */
const SERVER_NAME = 'landbridge-federation';
const same = (bytes: Buffer): Buffer => bytes;

export async function serveDiscovery(ads: AdsService): Promise<AsyncDisposable & { readonly address: string }> {
  const server = new Server();
  server.addService({ Delta: { path: PATH, requestStream: true, responseStream: true, requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same } }, { Delta: ads.handle });
  const port = await promisify<string, ServerCredentials, number>(server.bindAsync.bind(server))('127.0.0.1:0', ServerCredentials.createInsecure());
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => server.forceShutdown() };
}

/** A stream as an agent has it; the test answers what it gets. */
export class ExampleAgent implements Disposable {
  readonly answers: DeltaDiscoveryResponse[] = [];
  /** With what the server ended the stream. */
  readonly ended: Promise<ServiceError | undefined>;
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;

  constructor(address: string, token = 'good', rootPem?: string, cluster = '') {
    this.#client = rootPem === undefined ? new Client(address, credentials.createInsecure()) : new Client(address, credentials.createSsl(Buffer.from(rootPem)), { 'grpc.ssl_target_name_override': SERVER_NAME });
    const metadata = new Metadata();
    if (token !== '') metadata.set('authorization', `Bearer ${token}`);
    if (cluster !== '') metadata.set('clusterid', cluster);
    this.#call = this.#client.makeBidiStreamRequest(PATH, same, same, metadata);
    this.#call.on('data', (bytes: Buffer) => this.answers.push(fromBinary(DeltaDiscoveryResponseSchema, bytes)));
    this.ended = new Promise((resolve) => {
      this.#call.once('error', (error: ServiceError) => resolve(error));
      this.#call.once('end', () => resolve(undefined));
    });
  }

  send(request: Partial<Omit<DeltaDiscoveryRequest, '$typeName' | '$unknown'>>): void {
    this.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request as object))));
  }

  write(bytes: Buffer): void {
    this.#call.write(bytes);
  }

  confirm({ typeUrl, nonce }: DeltaDiscoveryResponse, error?: string): void {
    this.send({ typeUrl, responseNonce: nonce, ...(error === undefined ? {} : { errorDetail: { $typeName: 'envoy.service.discovery.v3.Status', code: 3, message: error } }) });
  }

  /** The answers once there are so many. */
  async wait(count: number): Promise<DeltaDiscoveryResponse[]> {
    const signal = AbortSignal.timeout(60_000);
    while (this.answers.length < count) await once(this.#call, 'data', { signal });
    return this.answers;
  }

  finish(): void {
    this.#call.end();
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
    this.#client.close();
  }
}
