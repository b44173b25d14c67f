import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream, type ServiceDefinition } from '@grpc/grpc-js';
import { Action, AuthorizationSchema } from '@landbridge/wire/gen/authorization_pb.js';
import { type DeltaDiscoveryRequest, DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { TrustBundleSchema } from '@landbridge/wire/gen/trust_pb.js';
import { AddressSchema } from '@landbridge/wire/gen/workload_pb.js';
import { decodeDialReport } from '@landbridge/wire/dial-report.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, DIAL_REPORT_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import test, { type ExecutionContext } from 'ava';
import pino from 'pino';
import { TestAuthority } from '../identity/test-identities.ts';
import { Discovery } from './xds-client.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-xds-'));
const west = new TestAuthority('west.example');
test.after.always(() => {
  rmSync(directory, { recursive: true });
  west[Symbol.dispose]();
});
test.before(() => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem', '-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { cwd: directory, stdio: 'pipe' });
});

type Call = ServerDuplexStream<Buffer, Buffer>;

/** A control plane that says what the test wants and keeps what the agent said. */
class ControlPlane implements AsyncDisposable {
  readonly requests: DeltaDiscoveryRequest[] = [];
  readonly tokens: unknown[] = [];
  readonly calls: Call[] = [];
  #changed = Promise.withResolvers<void>();
  readonly #server = new Server();
  port = 0;

  async start(port = 0): Promise<this> {
    const raw = { requestSerialize: (b: Buffer) => b, requestDeserialize: (b: Buffer) => b, responseSerialize: (b: Buffer) => b, responseDeserialize: (b: Buffer) => b };
    const definition: ServiceDefinition = { Delta: { path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources', requestStream: true, responseStream: true, ...raw } };
    this.#server.addService(definition, {
      Delta: (call: Call) => {
        this.calls.push(call);
        this.tokens.push(call.metadata.get('authorization')[0]);
        call.on('data', (bytes: Buffer) => {
          this.requests.push(fromBinary(DeltaDiscoveryRequestSchema, bytes));
          this.#changed.resolve();
        });
        call.on('error', () => {});
        call.on('end', () => call.end());
      },
    });
    const credentials = ServerCredentials.createSsl(null, [{ cert_chain: readFileSync(path.join(directory, 'cert.pem')), private_key: readFileSync(path.join(directory, 'key.pem')) }]);
    this.port = await new Promise<number>((resolve, reject) => this.#server.bindAsync(`localhost:${port}`, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))));
    return this;
  }

  answer(typeUrl: string, nonce: string, resources: readonly { readonly name: string; readonly version: string; readonly value: Uint8Array }[], removedResources: readonly string[] = []): void {
    const response = create(DeltaDiscoveryResponseSchema, { typeUrl, nonce, removedResources: [...removedResources], resources: resources.map(({ name, version, value }) => ({ name, version, resource: { typeUrl, value } })) });
    this.calls.at(-1)?.write(Buffer.from(toBinary(DeltaDiscoveryResponseSchema, response)));
  }

  async request(matches: (request: DeltaDiscoveryRequest) => boolean): Promise<DeltaDiscoveryRequest> {
    for (;;) {
      const found = this.requests.find(matches);
      if (found !== undefined) return found;
      await this.#changed.promise;
      this.#changed = Promise.withResolvers();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

function follow(t: ExecutionContext, port: number, asksForTrust = true): Discovery {
  const discovery = new Discovery(
    { address: `https://localhost:${port}`, rootPem: () => readFileSync(path.join(directory, 'cert.pem')), token: () => 'the-token' },
    { name: 'agent', namespace: 'ns', node: 'n', cluster: 'east', ip: '10.0.0.9' },
    pino({ level: 'silent' }),
    { asksForTrust },
  );
  const stop = new AbortController();
  const running = discovery.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  return discovery;
}

const workload = (uid: string, last: number): { name: string; version: string; value: Uint8Array } => ({
  name: uid,
  version: `v${last}`,
  value: toBinary(AddressSchema, create(AddressSchema, { type: { case: 'workload', value: { uid, addresses: [Uint8Array.of(10, 0, 0, last)] } } })),
});
const policy = (name: string, action = Action.DENY): { name: string; version: string; value: Uint8Array } => ({ name: `demo/${name}`, version: '', value: toBinary(AuthorizationSchema, create(AuthorizationSchema, { namespace: 'demo', name, action })) });
const bundle = { name: 'west.example', version: 'b1', value: toBinary(TrustBundleSchema, create(TrustBundleSchema, { trustDomain: 'west.example', roots: [west.root.raw] })) };

test('asks for everything with its token, applies and confirms what it is told', async (t) => {
  await using plane = await new ControlPlane().start();
  const discovery = follow(t, plane.port);
  const first = await plane.request(({ typeUrl }) => typeUrl === ADDRESS_TYPE);
  t.deepEqual(first.resourceNamesSubscribe, ['*']);
  t.deepEqual(plane.tokens, ['Bearer the-token']);
  t.is(first.node?.id, 'ztunnel~10.0.0.9~agent.ns~ns.svc.cluster.local');
  t.deepEqual(first.node?.metadata, { NAME: 'agent', NAMESPACE: 'ns', INSTANCE_IPS: '10.0.0.9', NODE_NAME: 'n', CLUSTER_ID: 'east' });
  t.false(discovery.isReady);
  plane.answer(ADDRESS_TYPE, 'n1', [workload('east//Pod/a/b', 1)]);
  plane.answer(TRUST_BUNDLE_TYPE, 'n2', [bundle]);
  await plane.request(({ responseNonce }) => responseNonce === 'n2');
  t.false(discovery.isReady, 'without policies nothing may be let in yet');
  plane.answer(AUTHORIZATION_TYPE, 'n0', []);
  await discovery.ready;
  t.is(discovery.registry.workloadAt('/10.0.0.1')?.uid, 'east//Pod/a/b');
  t.is(discovery.bundles.get('west.example')?.[0]?.fingerprint256, west.root.fingerprint256);
  t.is((await plane.request(({ responseNonce }) => responseNonce === 'n1')).errorDetail, undefined);
  plane.answer(ADDRESS_TYPE, 'n3', [], ['east//Pod/a/b']);
  await plane.request(({ responseNonce }) => responseNonce === 'n3');
  t.is(discovery.registry.workloadAt('/10.0.0.1'), undefined);
});

test('refuses what it can not understand by name, and keeps the rest', async (t) => {
  await using plane = await new ControlPlane().start();
  const discovery = follow(t, plane.port);
  await plane.request(({ typeUrl }) => typeUrl === ADDRESS_TYPE);
  plane.answer(ADDRESS_TYPE, 'n1', [{ name: 'bad', version: 'v', value: Uint8Array.of(255, 255) }, workload('east//Pod/a/good', 2)]);
  const refused = await plane.request(({ responseNonce }) => responseNonce === 'n1');
  t.regex(refused.errorDetail?.message ?? '', /^bad: /);
  t.truthy(discovery.registry.workloadAt('/10.0.0.2'));
});

test('what was refused is not said to be held, and what was held before stays', async (t) => {
  const before = await new ControlPlane().start();
  const discovery = follow(t, before.port);
  await before.request(({ typeUrl }) => typeUrl === ADDRESS_TYPE);
  before.answer(ADDRESS_TYPE, 'n1', [workload('east//Pod/a/b', 1), { name: 'bad', version: 'v', value: Uint8Array.of(255, 255) }]);
  before.answer(ADDRESS_TYPE, 'n2', [{ name: 'east//Pod/a/b', version: 'v2', value: Uint8Array.of(255, 255) }]);
  await before.request(({ responseNonce }) => responseNonce === 'n2');
  t.truthy(discovery.registry.workloadAt('/10.0.0.1'));
  await before[Symbol.asyncDispose]();
  await using after = await new ControlPlane().start(before.port);
  const first = await after.request(({ typeUrl }) => typeUrl === ADDRESS_TYPE);
  t.deepEqual(first.initialResourceVersions, { 'east//Pod/a/b': 'v1' });
});

test('policies are followed, and whoever wants hears of each change', async (t) => {
  await using plane = await new ControlPlane().start();
  const discovery = follow(t, plane.port);
  const heard: string[] = [];
  const listening = discovery.onPoliciesChange((names) => heard.push([...names].sort().join()));
  const first = await plane.request(({ typeUrl }) => typeUrl === AUTHORIZATION_TYPE);
  t.deepEqual(first.resourceNamesSubscribe, ['*']);
  plane.answer(AUTHORIZATION_TYPE, 'n1', [policy('a'), policy('b')]);
  plane.answer(AUTHORIZATION_TYPE, 'n2', [policy('c'), policy('d', 9 as Action)], ['demo/a']);
  const refused = await plane.request(({ responseNonce }) => responseNonce === 'n2');
  t.regex(refused.errorDetail?.message ?? '', /^demo\/d: action 9/);
  t.deepEqual([...discovery.policies.keys()].sort(), ['demo/b', 'demo/c']);
  t.is(discovery.policies.get('demo/b')?.action, 'deny');
  listening[Symbol.dispose]();
  plane.answer(AUTHORIZATION_TYPE, 'n3', [], ['demo/b']);
  await plane.request(({ responseNonce }) => responseNonce === 'n3');
  t.deepEqual(heard, ['demo/a,demo/b', 'demo/a,demo/c']);
});

test('whoever wants hears what changed in the registry, after it did', async (t) => {
  await using plane = await new ControlPlane().start();
  const discovery = follow(t, plane.port);
  const heard: string[] = [];
  discovery.onRegistryChange(({ addresses }) => {
    for (const address of addresses) heard.push(`${address} ${discovery.registry.workloadAt(address)?.uid}`);
  });
  await plane.request(({ typeUrl }) => typeUrl === ADDRESS_TYPE);
  plane.answer(ADDRESS_TYPE, 'n1', [workload('east//Pod/a/b', 1)]);
  plane.answer(ADDRESS_TYPE, 'n2', [], ['east//Pod/a/b']);
  await plane.request(({ responseNonce }) => responseNonce === 'n2');
  t.deepEqual(heard, ['/10.0.0.1 east//Pod/a/b', '/10.0.0.1 undefined']);
});

test('after the control plane was away it says what it has, and that stays in force meanwhile', async (t) => {
  const before = await new ControlPlane().start();
  const { port } = before;
  const discovery = follow(t, port);
  await before.request(({ typeUrl }) => typeUrl === TRUST_BUNDLE_TYPE);
  before.answer(ADDRESS_TYPE, 'n1', [workload('east//Pod/a/b', 1)]);
  before.answer(TRUST_BUNDLE_TYPE, 'n2', [bundle]);
  before.answer(AUTHORIZATION_TYPE, 'n3', [policy('p')]);
  await discovery.ready;
  await before[Symbol.asyncDispose]();
  t.truthy(discovery.registry.workloadAt('/10.0.0.1'));
  await using after = await new ControlPlane().start(port);
  const first = await after.request(({ typeUrl }) => typeUrl === ADDRESS_TYPE);
  t.deepEqual(first.initialResourceVersions, { 'east//Pod/a/b': 'v1' });
  after.answer(ADDRESS_TYPE, 'm1', [workload('east//Pod/a/c', 3)]);
  await after.request(({ responseNonce }) => responseNonce === 'm1');
  t.truthy(discovery.registry.workloadAt('/10.0.0.1'));
  t.truthy(discovery.registry.workloadAt('/10.0.0.3'));
});

test('of a control plane that knows nothing of roots none are asked, and it is ready without', async (t) => {
  await using plane = await new ControlPlane().start();
  const discovery = follow(t, plane.port, false);
  await plane.request(({ typeUrl }) => typeUrl === AUTHORIZATION_TYPE);
  plane.answer(ADDRESS_TYPE, 'n1', []);
  plane.answer(AUTHORIZATION_TYPE, 'n2', []);
  await discovery.ready;
  t.deepEqual([...new Set(plane.requests.map(({ typeUrl }) => typeUrl))].sort(), [ADDRESS_TYPE, AUTHORIZATION_TYPE].sort());
});

test('a federation service is told what dials of other clusters came to, and istiod is not', async (t) => {
  await using plane = await new ControlPlane().start();
  await using istiod = await new ControlPlane().start();
  const discovery = follow(t, plane.port);
  const other = follow(t, istiod.port, false);
  await plane.request(({ typeUrl }) => typeUrl === ADDRESS_TYPE);
  await istiod.request(({ typeUrl }) => typeUrl === ADDRESS_TYPE);
  for (const { dials } of [discovery, other]) {
    dials.add([['west', 1, 2], ['east', 3, 0], ['', 5, 5]]);
    dials.add([['west', 4, 0], ['north', 0, 1]]);
  }
  const report = await plane.request(({ typeUrl }) => typeUrl === DIAL_REPORT_TYPE);
  t.deepEqual(decodeDialReport(report.initialResourceVersions), new Map([['north', { opened: 0, failed: 1 }], ['west', { opened: 5, failed: 2 }]]));
  t.is(discovery.dials.take().size, 0);
  t.false(istiod.requests.some(({ typeUrl }) => typeUrl === DIAL_REPORT_TYPE));
});
