import { setImmediate as nextTurn } from 'node:timers/promises';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';
import type { ConnectionView } from '../proxy/thread-messages.ts';
import type { AdminSources } from './admin-sources.ts';
import { hasSecret } from './secrets.ts';
import { certificateShape, endpointShape, type Json, nearAddress, podShape, policyShape, serviceShape, workloadShape } from './ztunnel-shape.ts';

/** What is made of the text before others get their turn: a large clusterset makes 100 MB. */
const PIECE_CHARACTERS = 64 * 1024;
/** How long a data thread may take to tell its connections. */
const CONNECTIONS_MS = 5000;

/** The answer of /config_dump, in ztunnel's shape. @throws LandbridgeError `secret` rather than tell one */
export async function* configDump(sources: AdminSources, signal: AbortSignal): AsyncGenerator<string> {
  const { version, configuration } = sources;
  yield* inPieces(guarded(parts()));

  async function* parts(): AsyncGenerator<string> {
    yield `{"version":${encode({ version, runtime: `node ${process.version}` })},"config":${encode(configuration)},"services":[`;
    const known = new Set<string>();
    yield* list(sources.services(), (service) => {
      known.add(service.key);
      return serviceShape(service, sources.endpointsOf(service));
    });
    // Endpoints of services that discovery has not told yet.
    const staged = new Map<string, Record<string, Json>>();
    yield '],"workloads":[';
    yield* list(sources.workloads(), (workload) => {
      for (const key of workload.services.keys()) {
        if (known.has(key)) continue;
        const endpoints = staged.get(key) ?? {};
        endpoints[workload.uid] = endpointShape(workload, key);
        staged.set(key, endpoints);
      }
      return workloadShape(workload);
    });
    yield '],"stagedServices":{';
    yield* entries(staged, (each) => each);
    yield '},"policies":[';
    yield* list(sources.policies(), policyShape);
    yield '],"certificates":[';
    yield* list(sources.certificates(), certificateShape);
    yield '],"workloadState":{';
    const connections = await connectionsByAddress(sources, signal);
    yield* entries(sources.pods(), (pod) => [pod.uid, podShape(pod, connections === undefined ? undefined : pod.addresses.flatMap((address) => connections.get(address) ?? []))]);
    yield '}}\n';
  }
}

/** The answer of /connections: those of all data threads. */
export async function* connectionsDump(sources: AdminSources, signal: AbortSignal): AsyncGenerator<string> {
  const connections = await askConnections(sources, signal);
  yield* inPieces(guarded(parts()));

  async function* parts(): AsyncGenerator<string> {
    yield '[';
    yield* list(connections, ({ direction, carriage, source, destination, hboneAddress, sourceIdentity, destinationIdentity, service, openForMs, sentBytes, receivedBytes }): Json => ({ direction, carriage, source, destination, hboneAddress, sourceIdentity, destinationIdentity, service, openForMs: Math.round(openForMs), sentBytes, receivedBytes }));
    yield ']\n';
  }
}

async function askConnections(sources: AdminSources, signal: AbortSignal): Promise<readonly ConnectionView[]> {
  return await orAborted(sources.connections(), AbortSignal.any([signal, AbortSignal.timeout(CONNECTIONS_MS)]));
}

/** Undefined where a thread does not answer: the rest of the dump is worth having then above all. */
async function connectionsByAddress(sources: AdminSources, signal: AbortSignal): Promise<ReadonlyMap<string, ConnectionView[]> | undefined> {
  try {
    return Map.groupBy(await askConnections(sources, signal), nearAddress);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return undefined;
  }
}

function* list<T>(items: Iterable<T>, shape: (item: T) => Json): Iterable<string> {
  let comma = '';
  for (const item of items) {
    yield comma + encode(shape(item));
    comma = ',';
  }
}

function* entries<T>(items: Iterable<T>, entry: (item: T) => readonly [name: string, value: Json]): Iterable<string> {
  let comma = '';
  for (const item of items) {
    const [name, value] = entry(item);
    yield `${comma}${encode(name)}:${encode(value)}`;
    comma = ',';
  }
}

function encode(value: Json): string {
  return JSON.stringify(value);
}

async function* guarded(parts: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const part of parts) {
    if (hasSecret(part)) throw new LandbridgeError('secret', 'the dump would tell a secret');
    yield part;
  }
}

async function* inPieces(parts: AsyncIterable<string>): AsyncGenerator<string> {
  let piece = '';
  for await (const part of parts) {
    piece += part;
    if (piece.length < PIECE_CHARACTERS) continue;
    yield piece;
    piece = '';
    await nextTurn();
  }
  yield piece;
}
