import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type handleBidiStreamingCall, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema, type DeltaDiscoveryRequest, ResourceSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from '@landbridge/wire/protocol.ts';
import { TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import type { Logger } from 'pino';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Authenticator } from '../ca/authenticator.ts';
import { metrics } from '../metrics.ts';
import { type Delta, delta, type Snapshot } from './snapshot.ts';

/** One agent asks for this many types at most. */
const MAX_TYPES = 16;
const NOTHING: Delta = { updated: [], removed: [] };

interface Subscription {
  /** What the client has, as far as it was told. */
  readonly known: Map<string, string>;
  /** The answer that the client has not confirmed yet: one at a time, so that a slow client is told less often. */
  nonce: string | undefined;
  answered: boolean;
  /** Whether the client refused something of what it was told last. */
  isRefused: boolean;
}

/** How many agents follow a resource, and how many of them have said that they have it as it is now. */
export interface Confirmation {
  readonly connected: number;
  readonly confirmed: number;
}

export const isConfirmedByAll = ({ connected, confirmed }: Confirmation): boolean => connected === confirmed;

type Call = ServerDuplexStream<Buffer, Buffer>;

/** Delta ADS (envoy.service.discovery.v3) with wildcard subscriptions, as node proxies use it. */
export class AdsService {
  readonly #authenticator: Authenticator;
  readonly #log: Logger;
  readonly #streams = new Set<{ readonly push: () => void; readonly call: Call; readonly subscriptions: ReadonlyMap<string, Subscription> }>();
  #snapshot: Snapshot | undefined;
  readonly #trustConfirmed = new Set<() => void>();
  #nonce = 0;

  constructor(authenticator: Authenticator, log: Logger) {
    this.#authenticator = authenticator;
    this.#log = log;
  }

  /** Tells all streams what changed. Nothing is told before the first snapshot. */
  publish(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    for (const [type, resources] of snapshot.types) metrics.discoveryResources.set({ type: type.slice(type.lastIndexOf('.') + 1) }, resources.size);
    for (const stream of this.#streams) stream.push();
  }

  /** Who has the resource of this moment. Agents that do not follow its type are not asked for it. */
  confirmation(typeUrl: string, name: string): Confirmation {
    const version = this.#snapshot?.types.get(typeUrl)?.get(name)?.version;
    const following = [...this.#streams].flatMap(({ subscriptions }) => subscriptions.get(typeUrl) ?? []);
    return { connected: following.length, confirmed: following.filter(({ known, nonce, isRefused }) => nonce === undefined && !isRefused && version !== undefined && known.get(name) === version).length };
  }

  /** Called whenever an agent has answered to roots. */
  onTrustAnswered(answered: () => void): Disposable {
    this.#trustConfirmed.add(answered);
    return { [Symbol.dispose]: () => this.#trustConfirmed.delete(answered) };
  }

  readonly handle: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    this.#serve(call).catch((thrown: unknown) => {
      const error = LandbridgeError.from(thrown);
      const denied = error.code === 'unauthenticated';
      call.emit('error', { code: denied ? status.UNAUTHENTICATED : status.UNAVAILABLE, details: error.message });
    });
  };

  async #serve(call: Call): Promise<void> {
    const subscriptions = new Map<string, Subscription>();
    const stream = { call, subscriptions, push: () => this.#push(call, subscriptions) };
    // Requests may come while the token is reviewed: the stream keeps them until it is read.
    const caller = await this.#authenticator.agent(call.metadata);
    if (call.cancelled) return;
    this.#streams.add(stream);
    metrics.agents.set(this.#streams.size);
    const end = (): void => {
      if (!this.#streams.delete(stream)) return;
      metrics.agents.set(this.#streams.size);
      this.#log.info({ node: caller.node }, 'agent left');
    };
    call.on('cancelled', end);
    call.on('close', end);
    call.on('error', end);
    call.on('end', () => {
      end();
      call.end();
    });
    this.#log.info({ node: caller.node }, 'agent follows');
    call.on('data', (bytes: Buffer) => {
      let request: DeltaDiscoveryRequest;
      try {
        request = fromBinary(DeltaDiscoveryRequestSchema, bytes);
      } catch (thrown) {
        call.emit('error', { code: status.INVALID_ARGUMENT, details: `not a DeltaDiscoveryRequest: ${String(thrown)}` });
        return;
      }
      this.#request(request, subscriptions, caller.node);
      stream.push();
    });
  }

  #request(request: DeltaDiscoveryRequest, subscriptions: Map<string, Subscription>, node: string): void {
    let subscription = subscriptions.get(request.typeUrl);
    if (subscription === undefined) {
      if (subscriptions.size >= MAX_TYPES) return;
      subscription = { known: new Map(Object.entries(request.initialResourceVersions)), nonce: undefined, answered: false, isRefused: false };
      subscriptions.set(request.typeUrl, subscription);
    }
    if (request.responseNonce === '' || request.responseNonce !== subscription.nonce) return;
    subscription.nonce = undefined;
    subscription.isRefused = request.errorDetail !== undefined;
    if (request.typeUrl === TRUST_BUNDLE_TYPE) for (const confirmed of this.#trustConfirmed) confirmed();
    if (request.errorDetail === undefined) return;
    // The client keeps what it had of the resources that it refused; they are told again when they change.
    metrics.discoveryRefused.inc({ type: request.typeUrl.slice(request.typeUrl.lastIndexOf('.') + 1) });
    this.#log.warn({ node, type: request.typeUrl, error: request.errorDetail.message.slice(0, 500) }, 'an agent refused resources');
  }

  #push(call: Call, subscriptions: ReadonlyMap<string, Subscription>): void {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return;
    const tell = (typeUrl: string, subscription: Subscription, what: Delta): void => this.#tell(call, typeUrl, subscription, what);
    const missing = (typeUrl: string): Delta => {
      const subscription = subscriptions.get(typeUrl);
      return subscription === undefined ? NOTHING : delta(snapshot, typeUrl, subscription.known);
    };
    const policies = subscriptions.get(AUTHORIZATION_TYPE);
    // A policy is told before a workload names it, and taken away when none does any more: in between it would be as if there was none.
    if (policies !== undefined) tell(AUTHORIZATION_TYPE, policies, { ...missing(AUTHORIZATION_TYPE), removed: [] });
    const isNamedTooEarly = missing(AUTHORIZATION_TYPE).updated.length > 0;
    for (const [typeUrl, subscription] of subscriptions) {
      if (typeUrl !== AUTHORIZATION_TYPE && !(typeUrl === ADDRESS_TYPE && isNamedTooEarly)) tell(typeUrl, subscription, missing(typeUrl));
    }
    if (policies === undefined || missing(AUTHORIZATION_TYPE).removed.length === 0) return;
    const addresses = missing(ADDRESS_TYPE);
    if (addresses.updated.length === 0 && addresses.removed.length === 0) tell(AUTHORIZATION_TYPE, policies, missing(AUTHORIZATION_TYPE));
  }

  /** Nothing while an answer of the type is under way: whoever confirms it is told what is missing then. */
  #tell(call: Call, typeUrl: string, subscription: Subscription, { updated, removed }: Delta): void {
    // The first answer is sent even if it is empty: the client waits for it to know that it has everything.
    if (subscription.nonce !== undefined || (updated.length === 0 && removed.length === 0 && subscription.answered)) return;
    subscription.answered = true;
    subscription.nonce = String(++this.#nonce);
    for (const [name, { version }] of updated) subscription.known.set(name, version);
    for (const name of removed) subscription.known.delete(name);
    const response = create(DeltaDiscoveryResponseSchema, {
      typeUrl,
      nonce: subscription.nonce,
      resources: updated.map(([name, { version, bytes }]) => create(ResourceSchema, { name, version, resource: { typeUrl, value: bytes } })),
      removedResources: [...removed],
    });
    call.write(Buffer.from(toBinary(DeltaDiscoveryResponseSchema, response)));
  }
}
