import { X509Certificate } from 'node:crypto';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type AuthorizationPolicy, policyKey } from '@landbridge/core/authorization.ts';
import { eitherOrAfter } from '@landbridge/core/either-or-after.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { CLUSTER_DOMAIN } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { collectGarbage, releaseFreedMemory } from '@landbridge/native/resident-memory.ts';
import type { NodeSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { type DeltaDiscoveryRequest, DeltaDiscoveryRequestSchema, type DeltaDiscoveryResponse, DeltaDiscoveryResponseSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { TrustBundleSchema } from '@landbridge/wire/gen/trust_pb.js';
import { encodeDialReport } from '@landbridge/wire/dial-report.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, DIAL_REPORT_TYPE, DELTA_ADS_METHOD, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import type { Logger } from 'pino';
import { authorization, type ControlPlaneAccess, openChannel } from '../identity/ca-client.ts';
import { metrics } from '../metrics.ts';
import { parseAuthorization } from './authorization-resource.ts';
import { DialTally } from './dial-tally.ts';
import type { DemandChanges } from './demand.ts';
import { OnDemand } from './on-demand.ts';
import { type AddressDelta, Registry, type RegistryChange } from './registry.ts';
import { SharedValues } from '@landbridge/core/shared-values.ts';
import { parseAddress } from './wds-address.ts';

const TYPES: readonly string[] = [ADDRESS_TYPE, AUTHORIZATION_TYPE];
/** As ztunnel says where it does not know its address. */
const SOME_IP = '1.1.1.1';
const RETRY = { firstMs: 100, mostMs: 3000 };
const SWEEP_MS = 15_000;
/** Between two reports of dials at least; and at most, while none fail that did not before. */
const DIALS_SOON_MS = 1000;
const DIALS_MS = 5000;
/** What was read of it by the way is more than the heap would lose by itself for long. */
const LARGE_ANSWER_BYTES = 4 * 1024 * 1024;

export interface DiscoveryNode {
  readonly name: string;
  readonly namespace: string;
  readonly node: string;
  readonly cluster: string;
  /** Of the agent itself, without which istiod takes no node; empty where it is not known. */
  readonly ip: string;
}

export interface DiscoveryOptions {
  /** Whether roots are told by discovery too, which istiod knows nothing of. */
  readonly asksForTrust?: boolean;
  /** Whether addresses are asked for as they are needed, instead of all. */
  readonly isOnDemand?: boolean;
  /** The cluster's own. */
  readonly clusterDomain?: string;
  readonly now?: () => number;
}

/** Follows the control plane by delta xDS. What it told last stays in force while it is away. */
export class Discovery {
  readonly registry = new Registry();
  /** What was asked for; undefined where all is followed. */
  readonly onDemand: OnDemand | undefined;
  /** Of connections into other clusters, for a federation service to know; istiod is told nothing. */
  readonly dials: DialTally;
  readonly #bundles = new Map<string, readonly X509Certificate[]>();
  readonly #policies = new Map<string, AuthorizationPolicy>();
  readonly #types: readonly string[];
  /** Whether it is our own control plane, which tells roots, and hosts that nobody can ask for. */
  readonly #isOurs: boolean;
  readonly #versions: ReadonlyMap<string, Map<string, string>>;
  readonly #shared = new SharedValues();
  readonly #synced = new Set<string>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #bundlesChanged = new Set<() => void>();
  readonly #registryChanged = new Set<(change: RegistryChange) => void>();
  readonly #policiesChanged = new Set<(names: ReadonlySet<string>) => void>();
  readonly #access: ControlPlaneAccess;
  readonly #node: DiscoveryNode;
  readonly #log: Logger;

  constructor(access: ControlPlaneAccess, node: DiscoveryNode, log: Logger, { asksForTrust = true, isOnDemand = false, clusterDomain = CLUSTER_DOMAIN, now = () => performance.now() }: DiscoveryOptions = {}) {
    // First of all: by it the federation service knows its own agents.
    this.#types = asksForTrust ? [TRUST_BUNDLE_TYPE, ...TYPES] : TYPES;
    this.dials = new DialTally(node.cluster);
    this.#isOurs = asksForTrust;
    this.onDemand = isOnDemand ? new OnDemand(this.registry, { node: node.node, controlPlane: asksForTrust ? 'own' : 'istio', clusterDomain, forgotten: (names) => this.#forgotten(names), now }) : undefined;
    this.#versions = new Map(this.#types.map((type) => [type, new Map()]));
    this.#access = access;
    this.#node = node;
    this.#log = log;
  }

  /** Resolves once each type that is followed was told completely for the first time. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get isReady(): boolean {
    return this.#types.every((type) => this.#synced.has(type) || (type === ADDRESS_TYPE && this.onDemand !== undefined && !this.#isOurs));
  }

  get bundles(): ReadonlyMap<string, readonly X509Certificate[]> {
    return this.#bundles;
  }

  /** By `<namespace>/<name>`. */
  get policies(): ReadonlyMap<string, AuthorizationPolicy> {
    return this.#policies;
  }

  onBundlesChange(changed: () => void): Disposable {
    return listen(this.#bundlesChanged, changed);
  }

  /** Called after the registry has changed. */
  onRegistryChange(changed: (change: RegistryChange) => void): Disposable {
    return listen(this.#registryChanged, changed);
  }

  /** Called after policies have changed, with the names of those that did. */
  onPoliciesChange(changed: (names: ReadonlySet<string>) => void): Disposable {
    return listen(this.#policiesChanged, changed);
  }

  /** Runs until the signal aborts; a broken stream is opened anew with the versions that are held. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#follow(signal), this.#keepSweeping(signal)]);
  }

  async #keepSweeping(signal: AbortSignal): Promise<void> {
    if (this.onDemand !== undefined) for (; !signal.aborted; await waitFor(SWEEP_MS, signal)) this.onDemand.sweep();
  }

  #forgotten(names: readonly string[]): void {
    for (const name of names) this.#versions.get(ADDRESS_TYPE)?.delete(name);
    this.#countResources();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const startedAt = performance.now();
      try {
        await this.#stream(signal);
      } catch (thrown) {
        if (signal.aborted) return;
        if (performance.now() - startedAt > 10_000) failures = 0;
        const waitMs = retryDelay(failures++, RETRY);
        this.#log.warn({ error: LandbridgeError.from(thrown).message, retry_ms: Math.round(waitMs) }, 'discovery stream ended');
        await waitFor(waitMs, signal);
      }
    }
  }

  /** As ztunnel names itself: istiod chooses by the first word what to tell. */
  #nodeMessage(): MessageInitShape<typeof NodeSchema> {
    const { name, namespace, node, cluster, ip } = this.#node;
    return { id: `ztunnel~${ip || SOME_IP}~${name}.${namespace}~${namespace}.svc.cluster.local`, cluster, metadata: { NAME: name, NAMESPACE: namespace, INSTANCE_IPS: ip || SOME_IP, NODE_NAME: node, CLUSTER_ID: cluster } };
  }

  async #stream(signal: AbortSignal): Promise<void> {
    const client = openChannel(this.#access);
    const call = client.makeBidiStreamRequest(DELTA_ADS_METHOD, (bytes: Buffer) => bytes, (bytes: Buffer) => bytes, authorization(this.#access, this.#node.cluster));
    const send = (request: DeltaDiscoveryRequest): void => {
      call.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request)));
    };
    const cancel = (): void => call.cancel();
    const ended = new AbortController();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      for (const typeUrl of this.#types) {
        const onDemand = typeUrl === ADDRESS_TYPE ? this.onDemand : undefined;
        send(create(DeltaDiscoveryRequestSchema, {
          node: this.#nodeMessage(),
          typeUrl,
          resourceNamesSubscribe: ['*', ...(onDemand?.begin((changes) => sendChanges(send, changes)) ?? [])],
          // As ztunnel says that it wants nothing but what it names.
          resourceNamesUnsubscribe: onDemand === undefined ? [] : ['*'],
          initialResourceVersions: Object.fromEntries(this.#versions.get(typeUrl) ?? []),
        }));
      }
      if (this.#isOurs) void this.#tellDials(send, AbortSignal.any([signal, ended.signal]));
      for await (const bytes of call) {
        const response = fromBinary(DeltaDiscoveryResponseSchema, bytes as Buffer);
        metrics.discoveryConnected.set(1);
        const applied = this.#apply(response);
        send(create(DeltaDiscoveryRequestSchema, {
          typeUrl: response.typeUrl,
          responseNonce: response.nonce,
          ...(applied.ok ? {} : { errorDetail: { code: 3, message: applied.error } }),
        }));
        if ((bytes as Buffer).length >= LARGE_ANSWER_BYTES) releaseAfterwards();
        if (!applied.ok) this.#log.warn({ type: response.typeUrl, error: applied.error }, 'discovery answer refused in part');
      }
      throw new LandbridgeError('unavailable', 'the control plane closed the stream', { retryable: true });
    } finally {
      ended.abort();
      this.onDemand?.ended();
      metrics.discoveryConnected.set(0);
      signal.removeEventListener('abort', cancel);
      call.cancel();
      client.close();
    }
  }

  /** Nothing is told while nothing was dialled, nor of the time without a stream. */
  async #tellDials(send: (request: DeltaDiscoveryRequest) => void, signal: AbortSignal): Promise<void> {
    this.dials.take();
    for (;;) {
      await waitFor(DIALS_SOON_MS, signal);
      await eitherOrAfter(this.dials.newFailure, DIALS_MS - DIALS_SOON_MS, signal);
      if (signal.aborted) return;
      const report = this.dials.take();
      if (report.size > 0) send(create(DeltaDiscoveryRequestSchema, { typeUrl: DIAL_REPORT_TYPE, initialResourceVersions: encodeDialReport(report) }));
    }
  }

  /** Applies what can be understood of an answer; says what could not. */
  #apply(response: DeltaDiscoveryResponse): Result<true> {
    const versions = this.#versions.get(response.typeUrl);
    if (versions === undefined) return err(`type ${response.typeUrl} was not asked for`);
    const problems: string[] = [];
    /** What could be understood; what could not is as if it had not been told. */
    const parseAll = <T>(parse: (bytes: Uint8Array) => Result<T>): { readonly name: string; readonly value: T }[] => response.resources.flatMap(({ name, version, resource }) => {
      const parsed = parse(resource?.value ?? new Uint8Array());
      if (!parsed.ok) {
        problems.push(`${name}: ${parsed.error}`);
        return [];
      }
      versions.set(this.#shared.text(name), version);
      return [{ name, value: parsed.value }];
    });
    for (const name of response.removedResources) versions.delete(name);
    switch (response.typeUrl) {
      case ADDRESS_TYPE:
        this.#applyAddresses(parseAll((bytes) => parseAddress(bytes, this.#shared)).map(({ value }) => value), response.removedResources);
        break;
      case AUTHORIZATION_TYPE:
        this.#applyPolicies(parseAll(parseAuthorization), response.removedResources);
        break;
      default:
        for (const { value } of parseAll(parseTrustBundle)) this.#bundles.set(value.trustDomain, value.roots);
        for (const name of response.removedResources) this.#bundles.delete(name);
        for (const changed of this.#bundlesChanged) changed();
    }
    this.#synced.add(response.typeUrl);
    if (this.isReady) this.#ready.resolve();
    return problems.length === 0 ? ok(true) : err(problems.slice(0, 5).join('; '));
  }

  #applyAddresses(updated: AddressDelta['updated'], removed: readonly string[]): void {
    const change = (this.onDemand ?? this.registry).apply({ updated, removed });
    this.#countResources();
    for (const changed of this.#registryChanged) changed(change);
    this.onDemand?.told(updated, removed);
  }

  #countResources(): void {
    const { workloads, services } = this.registry.count();
    metrics.workloads.set(workloads);
    metrics.services.set(services);
  }

  #applyPolicies(updated: readonly { readonly name: string; readonly value: AuthorizationPolicy }[], removed: readonly string[]): void {
    const names = new Set(removed);
    for (const name of removed) this.#policies.delete(name);
    for (const { name, value } of updated) {
      const key = name || policyKey(value);
      this.#policies.set(key, value);
      names.add(key);
      if (value.unevaluable !== undefined) this.#log.warn({ policy: key, action: value.action, reason: value.unevaluable }, 'an authorization policy can not be evaluated');
    }
    if (names.size > 0) for (const changed of this.#policiesChanged) changed(names);
  }
}

/** Once the answer itself can go as well. */
function releaseAfterwards(): void {
  setImmediate(() => {
    collectGarbage(2);
    releaseFreedMemory();
  });
}

function sendChanges(send: (request: DeltaDiscoveryRequest) => void, { unsubscribe, subscribe }: DemandChanges): void {
  if (unsubscribe.length > 0) send(create(DeltaDiscoveryRequestSchema, { typeUrl: ADDRESS_TYPE, resourceNamesUnsubscribe: [...unsubscribe] }));
  if (subscribe.length > 0) send(create(DeltaDiscoveryRequestSchema, { typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: [...subscribe] }));
}

function listen<T>(listeners: Set<T>, listener: T): Disposable {
  listeners.add(listener);
  return { [Symbol.dispose]: () => listeners.delete(listener) };
}

export function parseTrustBundle(bytes: Uint8Array): Result<{ readonly trustDomain: string; readonly roots: readonly X509Certificate[] }> {
  try {
    const { trustDomain, roots } = fromBinary(TrustBundleSchema, bytes);
    return ok({ trustDomain, roots: roots.map((root) => new X509Certificate(root)) });
  } catch (thrown) {
    return err(`not a trust bundle: ${String(thrown)}`);
  }
}
