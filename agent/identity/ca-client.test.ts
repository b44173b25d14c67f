import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, type ServiceDefinition, status } from '@grpc/grpc-js';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '@landbridge/wire/gen/ca_pb.js';
import { CREATE_CERTIFICATE_METHOD } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { GrpcCertificateAuthority } from './ca-client.ts';
import { TestAuthority } from './test-identities.ts';

const west = new TestAuthority('west.example');
const other = new TestAuthority('other.example');
const server = west.certify('DNS:localhost');
test.after.always(() => {
  for (const authority of [west, other]) authority[Symbol.dispose]();
});

type Call = ServerUnaryCall<Buffer, Buffer>;
type Answer = (call: Call, answer: sendUnaryData<Buffer>) => void;

const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const chain = (...elements: string[]): Buffer => Buffer.from(toBinary(IstioCertificateResponseSchema, create(IstioCertificateResponseSchema, { certChain: elements })));

/** A certificate authority that answers as the test wants; remembers from where it was asked. */
class Service implements AsyncDisposable {
  readonly peers: string[] = [];
  readonly calls: Call[] = [];
  readonly #server = new Server();

  static async start(answer: Answer): Promise<{ readonly service: Service; readonly port: number }> {
    const service = new Service();
    const raw = { requestSerialize: (b: Buffer) => b, requestDeserialize: (b: Buffer) => b, responseSerialize: (b: Buffer) => b, responseDeserialize: (b: Buffer) => b };
    const definition: ServiceDefinition = { Create: { path: CREATE_CERTIFICATE_METHOD, requestStream: false, responseStream: false, ...raw } };
    service.#server.addService(definition, {
      Create: (call: Call, done: sendUnaryData<Buffer>) => {
        service.peers.push(call.getPeer());
        service.calls.push(call);
        answer(call, done);
      },
    });
    const credentials = ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(server.chainPem), private_key: Buffer.from(server.keyPem) }]);
    const port = await new Promise<number>((resolve, reject) => service.#server.bindAsync('localhost:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))));
    return { service, port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

function client(port: number, rootPem: () => Buffer = () => Buffer.from(west.rootPem)): GrpcCertificateAuthority {
  return new GrpcCertificateAuthority({ address: `https://localhost:${port}`, rootPem, token: () => 'a-token' }, 'west');
}

test('a request says who asks, for whom and for how long', async (t) => {
  const { service, port } = await Service.start((_call, done) => done(null, chain('leaf', 'middle', 'root')));
  await using _service = service;
  t.deepEqual(await client(port).issue(west.identity('a'), 'the request', 60, soon()), { chainPem: 'leaf\nmiddle\n', rootsPem: 'root' });
  const [call] = service.calls;
  t.deepEqual([call?.metadata.get('authorization'), call?.metadata.get('clusterid')], [['Bearer a-token'], ['west']]);
  t.like(fromBinary(IstioCertificateRequestSchema, call?.request ?? Buffer.alloc(0)), { csr: 'the request', validityDuration: 60n, metadata: { ImpersonatedIdentity: west.identity('a') } });
});

test('requests of the same time share a connection, which goes with the last of them', async (t) => {
  const waiting: (() => void)[] = [];
  const { service, port } = await Service.start((_call, done) => waiting.push(() => done(null, chain('leaf', 'root'))));
  await using _service = service;
  const authority = client(port);
  const issue = async (): Promise<unknown> => await authority.issue(west.identity('a'), 'r', 60, soon());
  const asked = async (count: number): Promise<void> => {
    while (service.calls.length < count) await new Promise(setImmediate);
  };
  const [first, second] = [issue(), issue()];
  await asked(2);
  waiting.shift()?.();
  await first;
  const third = issue();
  await asked(3);
  for (const answer of waiting.splice(0)) answer();
  await Promise.all([second, third]);
  t.is(new Set(service.peers).size, 1);
  const fourth = issue();
  await asked(4);
  waiting.shift()?.();
  await fourth;
  t.is(new Set(service.peers).size, 2, 'nothing was under way any more');
});

test('after a failure roots are read anew, and those who were not concerned go on', async (t) => {
  const waiting: (() => void)[] = [];
  const { service, port } = await Service.start((call, done) => {
    const { csr } = fromBinary(IstioCertificateRequestSchema, call.request);
    if (csr === 'refused') done({ code: status.PERMISSION_DENIED, details: 'not yours' });
    else if (csr === 'slow') waiting.push(() => done(null, chain('leaf', 'root')));
    else done(null, chain('leaf', 'root'));
  });
  await using _service = service;
  let reads = 0;
  const authority = client(port, () => {
    reads++;
    return Buffer.from(west.rootPem);
  });
  const slow = authority.issue(west.identity('a'), 'slow', 60, soon());
  await t.throwsAsync(authority.issue(west.identity('b'), 'refused', 60, soon()), { code: 'certificate-refused', message: /not yours/ });
  t.is(reads, 1);
  await authority.issue(west.identity('b'), 'quick', 60, soon());
  t.is(reads, 2);
  while (waiting.length === 0) await new Promise(setImmediate);
  waiting[0]?.();
  t.deepEqual(await slow, { chainPem: 'leaf\n', rootsPem: 'root' });
});

test('a service that the roots do not know gets no request, and an answer without a root is none', async (t) => {
  const { service, port } = await Service.start((_call, done) => done(null, chain('leaf')));
  await using _service = service;
  await t.throwsAsync(client(port, () => Buffer.from(other.rootPem)).issue(west.identity('a'), 'r', 60, soon()), { code: 'certificate-refused' });
  t.is(service.calls.length, 0);
  await t.throwsAsync(client(port).issue(west.identity('a'), 'r', 60, soon()), { message: /1 elements/ });
});

test('an aborted request is called off', async (t) => {
  const { service, port } = await Service.start(() => {});
  await using _service = service;
  const stop = new AbortController();
  const result = client(port).issue(west.identity('a'), 'r', 60, stop.signal);
  while (service.calls.length === 0) await new Promise(setImmediate);
  const cancelled = new Promise((resolve) => service.calls[0]?.once('cancelled', resolve));
  stop.abort();
  await t.throwsAsync(result, { code: 'certificate-refused' });
  await cancelled;
});
