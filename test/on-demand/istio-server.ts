/**
 * As istiod answers who asks for names (pilot/pkg/xds: WorkloadGenerator, and AdditionalPodSubscriptions of the ambient
 * index): what was told is followed by its name alone, and workloads of the agent's node, or of a service that was asked
 * for, are told unasked. An address that was asked for is not told when it comes to be there.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Resource } from '@landbridge/federation/xds/resource.ts';
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import { type Call, type DiscoveryServer, serve } from './discovery-server.ts';
import { encodeAll, type ExampleResource, keyOf, nameOf } from './example-mesh.ts';

interface Stream {
  readonly call: Call;
  readonly names: Set<string>;
  hasBegun: boolean;
}

/** `node`: of the agent. */
export async function startIstioServer(node = 'n'): Promise<DiscoveryServer> {
  let examples: readonly ExampleResource[] = [];
  let resources: ReadonlyMap<string, Resource> = new Map();
  let nonce = 0;
  const streams = new Set<Stream>();

  const answer = ({ call }: Stream, typeUrl: string, told: readonly string[], removedResources: readonly string[]): void => {
    const response = create(DeltaDiscoveryResponseSchema, { typeUrl, nonce: String(++nonce), removedResources: [...removedResources], resources: told.map((name) => ({ name, aliases: aliasesOf(name), resource: { typeUrl, value: resources.get(name)?.bytes ?? new Uint8Array() } })) });
    call.write(Buffer.from(toBinary(DeltaDiscoveryResponseSchema, response)));
  };
  const exampleOf = (name: string): ExampleResource | undefined => examples.find((each) => nameOf(each) === name);
  const aliasesOf = (name: string): string[] => examples.filter((each) => nameOf(each) === name).map(({ ip }) => `/${ip}`);
  /** A service comes with its workloads. */
  const lookUp = (name: string): string[] => {
    const found = examples.filter((each) => nameOf(each) === name || `/${each.ip}` === name);
    const behind = found.flatMap((service) => (service.kind === 'service' ? examples.filter((each) => each.kind === 'workload' && each.services?.includes(service.host) === true) : []));
    return [...found, ...behind].map(nameOf);
  };
  const additional = (names: Iterable<string>, { names: followed }: Stream): string[] => {
    const ofServices = [...names].flatMap(lookUp).filter((name) => {
      const example = exampleOf(name);
      return example?.kind === 'workload' && example.services?.some((service) => followed.has(keyOf(service))) === true;
    });
    const ofNode = examples.filter((each) => each.kind === 'workload' && each.node === node).map(nameOf).filter((name) => !followed.has(name));
    return [...ofServices, ...ofNode];
  };
  const tell = (stream: Stream, names: readonly string[], isRequest: boolean): void => {
    const wanted = [...new Set([...names, ...additional(names, stream)])];
    if (wanted.length === 0 && !isRequest) return;
    const told = [...new Set(wanted.flatMap(lookUp))];
    for (const name of told) stream.names.add(name);
    answer(stream, ADDRESS_TYPE, told, wanted.filter((name) => lookUp(name).length === 0));
  };

  const handle = (call: Call): void => {
    const stream: Stream = { call, names: new Set(), hasBegun: false };
    streams.add(stream);
    for (const event of ['error', 'close', 'cancelled']) call.on(event, () => streams.delete(stream));
    call.on('end', () => call.end());
    call.on('data', (bytes: Buffer) => {
      const { typeUrl, resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe, initialResourceVersions, responseNonce } = fromBinary(DeltaDiscoveryRequestSchema, bytes);
      if (typeUrl !== ADDRESS_TYPE) return responseNonce === '' ? answer(stream, typeUrl, [], []) : undefined;
      const before = new Set(stream.names);
      for (const name of [...subscribe, ...Object.keys(initialResourceVersions)]) stream.names.add(name);
      for (const name of unsubscribe) stream.names.delete(name);
      const isFirst = !stream.hasBegun;
      stream.hasBegun = true;
      // Nothing new, such as a confirmation.
      if (!isFirst && before.symmetricDifference(stream.names).size === 0) return;
      tell(stream, (isFirst ? [...stream.names] : subscribe).filter((name) => name !== '*'), true);
    });
  };
  return await serve(false, handle, (next) => {
    const before = resources;
    const namesBefore = new Set(before.keys());
    examples = next;
    resources = encodeAll(next);
    const changed = [...namesBefore.union(new Set(resources.keys()))].filter((name) => before.get(name)?.version !== resources.get(name)?.version);
    for (const stream of streams) {
      const followed = changed.filter((name) => stream.names.has(name) || exampleOf(name) !== undefined && additional([name], stream).includes(name));
      tell(stream, followed, false);
    }
  });
}
