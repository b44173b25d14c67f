import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import { selectPolicies } from '@landbridge/core/authorization.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type SpiffeId, spiffeId } from '@landbridge/core/identity.ts';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import type { RoutePlan, ServiceLabels, WorkloadLabels } from '@landbridge/core/route-plan.ts';
import { parseAuthority } from '@landbridge/wire/authority.ts';
import { formatBaggage } from '@landbridge/wire/hbone-headers.ts';
import type { Logger } from 'pino';
import type { CapturedPod, PodHandles } from '../capture/capture.ts';
import type { PodAccelerations } from '../capture/pod-accelerations.ts';
import { labelsOf, serviceLabels } from '../discovery/candidates.ts';
import { changeOf, type RegistryChange } from '../discovery/registry.ts';
import type { HostResolver } from '../discovery/host-resolver.ts';
import type { RouteSource } from '../discovery/upstreams.ts';
import { networkAddress, type Workload } from '../discovery/wds-address.ts';
import type { Discovery } from '../discovery/xds-client.ts';
import type { CertificateStore } from '../identity/certificate-store.ts';
import { verifyChain } from '../identity/peer.ts';
import type { TrustSource } from '../identity/trust-source.ts';
import type { LocalPod } from '../pods/local-pod.ts';
import type { DataPlane, DataPlaneQuestions, ListenerSets } from './data-plane.ts';
import type { DirectClient, DirectTraffic } from './direct-traffic.ts';
import { inboundAnswer } from './inbound-answer.ts';
import { RoutePlans } from './route-plans.ts';
import type { InboundAnswer, RouteDestination } from './thread-messages.ts';

export interface PodTrafficContext {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly node: string;
  readonly discovery: Pick<Discovery, 'registry' | 'policies' | 'ready' | 'isReady' | 'onRegistryChange' | 'onPoliciesChange'> & Partial<Pick<Discovery, 'onDemand'>>;
  readonly trust: TrustSource;
  readonly certificates: Pick<CertificateStore, 'hold' | 'get' | 'want' | 'review'>;
  /** Of endpoints that have no addresses. */
  readonly hosts: Pick<HostResolver, 'resolve' | 'serve'>;
  readonly accelerations: Pick<PodAccelerations, 'admit' | 'dismiss'>;
  /** A data thread has died. */
  readonly onDeath: (error: Error) => void;
  readonly log: Logger;
}

/** How long connections of a pod that lives on may end by themselves once it is not captured any more. */
const RELEASE_DRAIN_MS = 5000;

interface Entry {
  readonly pod: LocalPod;
  readonly kind: 'pod' | 'gateway';
  readonly identity: SpiffeId;
  readonly held: Disposable;
  /** That discovery tells of it, where it has to be asked. */
  readonly pinned: Disposable | undefined;
  readonly stop: AbortController;
  /** What the data threads were told. */
  told: string;
  hasCertificate: boolean;
  toldPolicies: string | undefined;
}

/**
 * Tells the data plane what discovery says of each captured pod: who it is, which policies it stands under, and where
 * its connections go. Always worked out from the whole state; what has not changed is not told again.
 */
export class PodTraffic implements DataPlaneQuestions, Disposable {
  readonly #context: PodTrafficContext;
  readonly #entries = new Map<string, Entry>();
  readonly #uidByAddress = new Map<string, string>();
  readonly #plans: RoutePlans;
  readonly #subscriptions: Disposable[] = [];
  readonly #handles = new Map<string, PodHandles>();
  #plane: DataPlane | undefined;
  #direct: DirectTraffic | undefined;

  constructor(context: PodTrafficContext) {
    this.#context = context;
    this.#plans = new RoutePlans(context.discovery, context.hosts, {
      sourceOf: (uid) => this.#sourceOf(uid),
      clientOf: (uid) => this.#clientOf(uid),
      localPodOf: (workload) => this.#localPodOf(workload),
    });
  }

  /** Begins to tell the data plane. */
  serve(plane: DataPlane): void {
    this.#plane = plane;
    this.#plans.serve(plane);
    const { discovery } = this.#context;
    this.#subscriptions.push(
      this.#context.trust.onBundlesChange(() => this.#tellTrust()),
      discovery.onRegistryChange((change) => this.#registryChanged(change)),
      discovery.onPoliciesChange(() => this.#tellAll()),
    );
    this.#tellTrust();
    void discovery.ready.then(() => {
      this.#plans.beginAnew();
      this.#tellAll();
    });
  }

  /** From now on traffic that needs no agent may go without. */
  offload(direct: DirectTraffic): void {
    this.#direct = direct;
    this.#plans.offload(direct);
  }

  #tellTrust(): void {
    const { bundles } = this.#context.trust;
    if (bundles.has(this.#context.trustDomain)) {
      this.#context.certificates.review((chain) => {
        const peer = verifyChain(chain, bundles, Date.now());
        return peer.ok || peer.error.reason !== 'trust-domain';
      });
    }
    this.#plane?.setTrust([...bundles].map(([domain, roots]) => [domain, roots.map((root) => root.toString())] as const));
  }

  // -- Pods

  /** Takes over the listeners of a captured pod. @throws LandbridgeError `bad-identity` for a pod whose names make no SPIFFE ID */
  add(pod: LocalPod, captured: CapturedPod): void {
    const acceleration = pod.wantsAcceleration ? this.#context.accelerations.admit(pod, captured.cookie) : undefined;
    this.#handles.set(pod.uid, { ...captured.handles, acceleration });
    try {
      this.#add(pod, 'pod', captured.listeners);
    } catch (thrown) {
      this.#context.accelerations.dismiss(pod.uid);
      throw thrown;
    }
    for (const address of pod.addresses) this.#uidByAddress.set(address, pod.uid);
    this.#localPodsChanged(pod);
  }

  /** Serves as an east-west gateway at listeners of the agent's own network namespace. @throws LandbridgeError `bad-identity` */
  addGateway(pod: LocalPod, hbone: readonly number[]): void {
    this.#add(pod, 'gateway', { outbound: [], plaintext: [], hbone });
  }

  #add(pod: LocalPod, kind: Entry['kind'], listeners: ListenerSets): void {
    const identity = spiffeId({ trustDomain: this.#context.trustDomain, namespace: pod.namespace, serviceAccount: pod.serviceAccount });
    if (!identity.ok) throw new LandbridgeError('bad-identity', `pod ${pod.namespace}/${pod.name}: ${identity.error}`);
    const stop = new AbortController();
    const held = this.#context.certificates.hold(identity.value, () => void this.#tellCertificate(identity.value, stop.signal));
    const pinned = this.#context.discovery.onDemand?.pin(this.#namesOf(pod));
    const entry: Entry = { pod, kind, identity: identity.value, held, pinned, stop, told: '', hasCertificate: false, toldPolicies: undefined };
    this.#entries.set(pod.uid, entry);
    this.#tell(entry, listeners);
    void this.#tellCertificate(identity.value, stop.signal);
  }

  async #tellCertificate(identity: SpiffeId, signal: AbortSignal): Promise<void> {
    try {
      const { keyPem, chainPem } = await this.#context.certificates.get(identity, signal);
      if (signal.aborted) return;
      this.#plane?.setCertificate(identity, keyPem, chainPem);
      for (const entry of this.#entries.values()) if (entry.identity === identity) entry.hasCertificate = true;
    } catch (thrown) {
      // The store goes on trying, and calls again; a pod that is gone needs none.
      if (!signal.aborted) this.#context.log.warn({ identity, error: LandbridgeError.from(thrown).message }, 'a certificate could not be had');
    }
  }

  /** Those of the pods for which the data threads have all that new connections need: what discovery says, and a certificate. */
  async equipped(uids: readonly string[]): Promise<ReadonlySet<string>> {
    const found = this.#context.discovery.isReady ? uids.filter((uid) => this.#isEquipped(uid)) : [];
    return new Set(found.length > 0 && (await this.#plane?.caughtUp()) === true ? found : []);
  }

  #isEquipped(uid: string): boolean {
    const entry = this.#entries.get(uid);
    return entry?.hasCertificate === true && this.#namesOf(entry.pod).every((name) => this.#context.discovery.onDemand?.isKnown(name) ?? true);
  }

  #namesOf({ addresses }: LocalPod): string[] {
    return addresses.map((address) => networkAddress(this.#context.network, address));
  }

  /** Resolves once nothing of the pod is used any more. `lives`: its connections get time to end. */
  async remove(uid: string, lives: boolean): Promise<void> {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#entries.delete(uid);
    this.#handles.delete(uid);
    for (const address of entry.pod.addresses) if (this.#uidByAddress.get(address) === uid) this.#uidByAddress.delete(address);
    entry.stop.abort();
    this.#direct?.withdrawPod(uid);
    this.#localPodsChanged(entry.pod);
    await this.#plane?.removePod(uid, lives ? RELEASE_DRAIN_MS : 0);
    this.#context.accelerations.dismiss(uid);
    entry.held[Symbol.dispose]();
    entry.pinned?.[Symbol.dispose]();
    if (![...this.#entries.values()].some(({ identity }) => identity === entry.identity)) this.#plane?.forgetCertificate(entry.identity);
  }

  #tellAll(): void {
    for (const entry of this.#entries.values()) this.#tell(entry, undefined);
  }

  /** `listeners`: with the first word of the pod only. */
  #tell(entry: Entry, listeners: ListenerSets | undefined): void {
    const { pod, kind, identity } = entry;
    const workload = this.#workloadOf(pod);
    const spec = {
      uid: pod.uid,
      kind,
      identity,
      addresses: pod.addresses,
      labels: workload === undefined ? this.#labelsOf(pod, identity) : labelsOf(workload),
      baggage: this.#baggageOf(pod, workload),
      network: this.#context.network,
      fixedDestination: undefined,
      services: workload === undefined ? [] : this.#servicesOf(workload),
      applicationTunnel: workload?.applicationTunnel?.port === undefined ? undefined : { port: workload.applicationTunnel.port, proxyProtocol: workload.applicationTunnel.protocol === 'proxy' },
    } as const;
    const told = JSON.stringify(spec);
    if (told !== entry.told) this.#plane?.setPod({ ...spec, handles: this.#handles.get(pod.uid) }, listeners ?? NO_LISTENERS);
    entry.told = told;
    this.#tellPolicies(entry, workload);
  }

  /** Without the workload it is not known which policies select it: nobody may come in until it is. */
  #tellPolicies(entry: Entry, workload: Workload | undefined): void {
    const { discovery, log } = this.#context;
    if (!discovery.isReady || workload === undefined) return;
    const { policies, missing } = selectPolicies(discovery.policies, workload);
    if (missing.length > 0) {
      log.warn({ pod: entry.pod.name, namespace: entry.pod.namespace, policies: missing.slice(0, 5) }, 'policies that a workload names are not known');
      if (entry.toldPolicies === undefined) return;
    }
    this.#sendPolicies(entry, policies);
  }

  #sendPolicies(entry: Entry, policies: readonly AuthorizationPolicy[]): void {
    const told = JSON.stringify(policies, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value));
    if (told === entry.toldPolicies) return;
    entry.toldPolicies = told;
    this.#plane?.setPolicies(entry.pod.uid, policies);
  }

  #workloadOf(pod: LocalPod): Workload | undefined {
    const { discovery, network } = this.#context;
    // Discovery may know of one family only.
    for (const address of pod.addresses) {
      const workload = discovery.registry.localWorkload(networkAddress(network, address as IpAddress), pod);
      if (workload !== undefined) return workload;
    }
    return undefined;
  }

  #labelsOf({ name, namespace }: LocalPod, principal: SpiffeId): WorkloadLabels {
    return { workload: name, namespace, canonicalName: '', canonicalRevision: '', cluster: this.#context.cluster, region: '', zone: '', principal };
  }

  #baggageOf(pod: LocalPod, workload: Workload | undefined): string {
    const { cluster } = this.#context;
    if (workload === undefined) return formatBaggage({ cluster, namespace: pod.namespace, workloadKind: 'pod', workload: pod.name, canonicalName: '', canonicalRevision: '', region: '', zone: '' });
    const { namespace, workloadType, workloadName, name, canonicalName, canonicalRevision, region, zone } = workload;
    return formatBaggage({ cluster: workload.cluster || cluster, namespace, workloadKind: workloadType, workload: workloadName || name, canonicalName, canonicalRevision, region, zone });
  }

  #servicesOf(workload: Workload): readonly ServiceLabels[] {
    const { registry } = this.#context.discovery;
    return [...workload.services.keys()].flatMap((key) => {
      const service = registry.service(key);
      return service === undefined ? [] : [serviceLabels(service)];
    });
  }

  // -- Questions of the data plane

  plan(uid: string, destination: RouteDestination): RoutePlan | undefined {
    return this.#plans.plan(uid, destination);
  }

  planGone(uid: string, destination: RouteDestination): void {
    this.#plans.planGone(uid, destination);
  }

  certificateWanted(identity: SpiffeId): void {
    this.#context.certificates.want(identity);
  }

  #clientOf(uid: string): DirectClient | undefined {
    const entry = this.#entries.get(uid);
    const netnsCookie = this.#handles.get(uid)?.cookie;
    if (entry === undefined || netnsCookie === undefined) return undefined;
    const workload = this.#workloadOf(entry.pod);
    return { uid, netnsCookie, labels: workload === undefined ? this.#labelsOf(entry.pod, entry.identity) : labelsOf(workload) };
  }

  #sourceOf(uid: string): RouteSource | undefined {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return undefined;
    const { pod, identity } = entry;
    const workload = this.#workloadOf(pod);
    const { cluster, network, node } = this.#context;
    return { namespace: pod.namespace, identity, address: pod.addresses[0] as IpAddress, network, node, cluster, region: workload?.region ?? '', zone: workload?.zone ?? '', subzone: workload?.subzone ?? '' };
  }

  /** The captured pod of this node that a workload is. */
  #localPodOf({ node, namespace, name, network, addresses }: Workload): string | undefined {
    if (node !== this.#context.node || network !== this.#context.network) return undefined;
    for (const at of addresses) {
      const uid = this.#uidByAddress.get(at.slice(network.length + 1));
      const pod = uid === undefined ? undefined : this.#entries.get(uid)?.pod;
      if (pod !== undefined && pod.namespace === namespace && pod.name === name) return pod.uid;
    }
    return undefined;
  }

  inbound(uid: string, authority: string, localIp: string): InboundAnswer | Promise<InboundAnswer> {
    const entry = this.#entries.get(uid);
    const parsed = parseAuthority(authority);
    if (entry === undefined || !parsed.ok) return { kind: 'refuse', status: 400, reason: parsed.ok ? 'the pod is gone' : parsed.error };
    return inboundAnswer(this.#context.discovery, () => this.#workloadOf(entry.pod), parsed.value, localIp as IpAddress);
  }

  warn(text: string, fields: Readonly<Record<string, string>>): void {
    this.#context.log.warn(fields, text);
  }

  died(thread: number, error: Error): void {
    this.#context.log.error({ thread, error: error.message, stack: error.stack }, 'a data thread died');
    this.#context.onDeath(error);
  }

  // -- Changes

  #registryChanged(change: RegistryChange): void {
    this.#plans.replan(change);
    for (const entry of this.#entries.values()) {
      const isChanged = entry.pod.addresses.some((address) => change.addresses.has(networkAddress(this.#context.network, address as IpAddress)));
      // A pod's own labels and services are told anew with it, or with a service that came after it.
      if (isChanged || change.services.size > 0) this.#tell(entry, undefined);
    }
  }

  /** Whether a workload is a pod of this node decides how it is reached. */
  #localPodsChanged(pod: LocalPod): void {
    const workload = this.#workloadOf(pod);
    if (workload !== undefined) this.#plans.replan(changeOf(workload));
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    for (const { held, stop } of this.#entries.values()) {
      stop.abort();
      held[Symbol.dispose]();
    }
  }
}

const NO_LISTENERS: ListenerSets = { outbound: [], plaintext: [], hbone: [] };
