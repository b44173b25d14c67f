import { X509Certificate } from 'node:crypto';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type AuthorizationPolicy, policyKey } from '@landbridge/core/authorization.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { NodeSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { type DeltaDiscoveryRequest, DeltaDiscoveryRequestSchema, type DeltaDiscoveryResponse, DeltaDiscoveryResponseSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { TrustBundleSchema } from '@landbridge/wire/gen/trust_pb.js';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, DELTA_ADS_METHOD, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import type { Logger } from 'pino';
import { authorization, type ControlPlaneAccess, openChannel } from '../identity/ca-client.ts';
import { metrics } from '../metrics.ts';
import { parseAuthorization } from './authorization-resource.ts';
import { type AddressDelta, Registry, type RegistryChange } from './registry.ts';
import { parseAddress } from './wds-address.ts';

const TYPES: readonly string[] = [ADDRESS_TYPE, AUTHORIZATION_TYPE];
/** As ztunnel says where it does not know its address. */
const SOME_IP = '1.1.1.1';
const RETRY = { firstMs: 100, mostMs: 3000 };

export interface DiscoveryNode {
  readonly name: string;
  readonly namespace: string;
  readonly node: string;
  readonly cluster: string;
  /** Of the agent itself, without which istiod takes no node; empty where it is not known. */
  readonly ip: string;
}

/** Follows the control plane by delta xDS. What it told last stays in force while it is away. */
export class Discovery {
  readonly registry = new Registry();
  readonly #bundles = new Map<string, readonly X509Certificate[]>();
  readonly #policies = new Map<string, AuthorizationPolicy>();
  readonly #types: readonly string[];
  readonly #versions: ReadonlyMap<string, Map<string, string>>;
  readonly #synced = new Set<string>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #bundlesChanged = new Set<() => void>();
  readonly #registryChanged = new Set<(change: RegistryChange) => void>();
  readonly #policiesChanged = new Set<(names: ReadonlySet<string>) => void>();
  readonly #access: ControlPlaneAccess;
  readonly #node: DiscoveryNode;
  readonly #log: Logger;

  /** `asksForTrust`: whether roots are told by discovery too, which istiod knows nothing of. */
  constructor(access: ControlPlaneAccess, node: DiscoveryNode, log: Logger, asksForTrust = true) {
    this.#types = asksForTrust ? [...TYPES, TRUST_BUNDLE_TYPE] : TYPES;
    this.#versions = new Map(this.#types.map((type) => [type, new Map()]));
    this.#access = access;
    this.#node = node;
    this.#log = log;
  }

  /** Resolves once each type was told completely for the first time. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get isReady(): boolean {
    return this.#synced.size === this.#types.length;
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
    signal.addEventListener('abort', cancel, { once: true });
    try {
      for (const typeUrl of this.#types) {
        send(create(DeltaDiscoveryRequestSchema, {
          node: this.#nodeMessage(),
          typeUrl,
          resourceNamesSubscribe: ['*'],
          initialResourceVersions: Object.fromEntries(this.#versions.get(typeUrl) ?? []),
        }));
      }
      for await (const bytes of call) {
        const response = fromBinary(DeltaDiscoveryResponseSchema, bytes as Buffer);
        metrics.discoveryConnected.set(1);
        const applied = this.#apply(response);
        send(create(DeltaDiscoveryRequestSchema, {
          typeUrl: response.typeUrl,
          responseNonce: response.nonce,
          ...(applied.ok ? {} : { errorDetail: { code: 3, message: applied.error } }),
        }));
        if (!applied.ok) this.#log.warn({ type: response.typeUrl, error: applied.error }, 'discovery answer refused in part');
      }
      throw new LandbridgeError('unavailable', 'the control plane closed the stream', { retryable: true });
    } finally {
      metrics.discoveryConnected.set(0);
      signal.removeEventListener('abort', cancel);
      call.cancel();
      client.close();
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
      versions.set(name, version);
      return [{ name, value: parsed.value }];
    });
    for (const name of response.removedResources) versions.delete(name);
    switch (response.typeUrl) {
      case ADDRESS_TYPE:
        this.#applyAddresses(parseAll(parseAddress).map(({ value }) => value), response.removedResources);
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
    const change = this.registry.apply({ updated, removed });
    const { workloads, services } = this.registry.count();
    metrics.workloads.set(workloads);
    metrics.services.set(services);
    for (const changed of this.#registryChanged) changed(change);
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
