import { LandbridgeError } from '@landbridge/core/errors.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import { openNetworkNamespace } from '@landbridge/native/network-namespace.ts';
import { networkNamespaceCookie } from '@landbridge/native/sockets.ts';
import type { Logger } from 'pino';
import type { Capture, CapturedPod } from '../capture/capture.ts';
import { ANY_PORT } from '../capture/kubelet-probes.ts';
import { metrics } from '../metrics.ts';
import type { PodTraffic } from '../proxy/pod-traffic.ts';
import { localPod } from './enrolment.ts';
import { KnownPods } from './known-pods.ts';
import type { LocalPod, PodSource } from './local-pod.ts';
import { findPodNamespaces } from './network-namespaces.ts';
import { areSameAddresses, shareAnAddress } from './pod-addresses.ts';
import type { Admission, PodGate, Sandbox } from './sandbox.ts';

/** A pod is announced by the API server before its sandbox has processes: how often to look for them. */
const NAMESPACE_RETRY_MS = 100;
/** Also how often to look whether a pod whose sandbox stopped, or whose address changed, has another one. */
const FAILURE_RETRY_MS = 2000;
/** The kubelet knows of a pod from the same API server: what is still unknown after this time is refused. */
const ADMISSION_WAIT_MS = 5000;
/** How often to look what becomes of other agents of the node while there are any: one that ended leaves its pods to this one. */
const COMPANY_LOOK_MS = 1000;

/** Who carries the connections of captured pods. */
export type Carrier = Pick<PodTraffic, 'add' | 'remove' | 'equipped'>;

interface Entry {
  readonly pod: LocalPod;
  readonly captured: CapturedPod;
}

/** Keeps exactly the wanted pods of this node captured: new ones before they start, where a gate asks, and those that run already. */
export class PodCaptures implements PodGate {
  readonly #capture: Capture;
  readonly #source: PodSource;
  readonly #traffic: Carrier;
  readonly #log: Logger;
  readonly #admissionWaitMs: number;
  readonly #capturesDns: boolean;
  readonly #entries = new Map<string, Entry>();
  /** Network namespaces of sandboxes that stopped, by cookie, which is never used again: their last processes are no reason to capture. */
  readonly #stopped = new Map<string, bigint>();
  /** Nothing is done with a pod while it is being released. */
  readonly #releases = new Map<Entry, Promise<void>>();
  #known = new KnownPods();
  #changed = Promise.withResolvers<void>();
  #wake = Promise.withResolvers<void>();

  constructor(capture: Capture, source: PodSource, traffic: Carrier, log: Logger, { admissionWaitMs = ADMISSION_WAIT_MS, capturesDns = false }: { readonly admissionWaitMs?: number; readonly capturesDns?: boolean } = {}) {
    this.#capture = capture;
    this.#source = source;
    this.#traffic = traffic;
    this.#log = log;
    this.#admissionWaitMs = admissionWaitMs;
    this.#capturesDns = capturesDns;
  }

  /**
   * Runs until the signal aborts; `onSettled` is called once the pods that were there at the start are captured, and served
   * by this agent. Where another one was there before, that takes that connections of all of them can be carried here.
   */
  async run(signal: AbortSignal, onSettled: () => void): Promise<void> {
    let ended = false;
    const first = Promise.withResolvers<void>();
    const follow = (async () => {
      for await (const pods of this.#source.watch(signal)) {
        this.#known = new KnownPods(pods);
        first.resolve();
        this.#notify();
        this.#wake.resolve();
      }
    })().finally(() => {
      ended = true;
      first.resolve();
      this.#wake.resolve();
    });
    const watch = this.#watchCompany(signal);
    let settled = false;
    let forgotten = false;
    // Nothing is known before the first set, whatever else there is to look at.
    await first.promise;
    while (!ended && !signal.aborted) {
      this.#wake = Promise.withResolvers();
      let retryMs = await this.#reconcile(signal);
      if (!settled && retryMs === undefined) {
        settled = await this.#canFollow();
        if (settled) onSettled();
        else retryMs = NAMESPACE_RETRY_MS;
      }
      if (settled && !forgotten) forgotten = this.#forgetOthers();
      const waitMs = retryMs ?? (settled && !forgotten ? FAILURE_RETRY_MS : undefined);
      if (waitMs !== undefined) setTimeout(this.#wake.resolve, waitMs);
      await this.#wake.promise;
    }
    await Promise.all([follow, watch]);
  }

  async #watchCompany(signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await waitFor(COMPANY_LOOK_MS, signal)) if (!this.#capture.isAlone) this.#wake.resolve();
  }

  async admit(sandbox: Sandbox, signal: AbortSignal): Promise<Admission> {
    const end = metrics.podAdmissionSeconds.startTimer();
    const admission = await this.#admit(sandbox, signal);
    end();
    metrics.podAdmissions.inc({ outcome: admission.kind });
    return admission;
  }

  async #admit(sandbox: Sandbox, signal: AbortSignal): Promise<Admission> {
    const { uid, namespace, name, addresses } = sandbox;
    const untilKnown = AbortSignal.any([signal, AbortSignal.timeout(this.#admissionWaitMs)]);
    for (;;) {
      await this.#until(() => this.#known.get(sandbox) !== undefined, untilKnown);
      await this.#until(() => !this.#isReleasing(uid, addresses), signal);
      if (signal.aborted) return { kind: 'refused', reason: `there was no time left to capture pod ${namespace}/${name}` };
      // From here to the capture nobody else gets a word in.
      if (this.#isReleasing(uid, addresses)) continue;
      const known = this.#known.get(sandbox);
      if (known === undefined) return { kind: 'refused', reason: `the API server has not told the agent of pod ${namespace}/${name} with uid ${uid}` };
      if (!known.isInMesh) return { kind: 'not-in-mesh' };
      const pod = localPod(known, addresses);
      if (pod === undefined) return { kind: 'refused', reason: `pod ${namespace}/${name} ${known.hasEnded ? 'has ended' : 'has no address'}` };
      try {
        const holder = this.#holder(uid, addresses);
        if (holder === undefined) this.#add(pod, sandbox.namespacePath, 'before-start');
        if (this.#holds(sandbox)) break;
        // Of a sandbox that is gone.
        if (holder !== undefined) await this.#release(holder, false);
      } catch (thrown) {
        return { kind: 'refused', reason: `pod ${namespace}/${name} could not be captured: ${this.#captureFailed(pod, thrown)}` };
      }
    }
    // It is announced when there is time.
    this.#wake.resolve();
    return { kind: 'captured' };
  }

  async end({ uid, namespacePath }: Pick<Sandbox, 'uid' | 'namespacePath'>): Promise<void> {
    await this.#until(() => !this.#isReleasing(uid), new AbortController().signal);
    const entry = this.#entries.get(uid);
    // Without its namespace nothing runs in it any more: the pod goes when the API server says so.
    if (entry === undefined || cookieAt(namespacePath) !== entry.captured.cookie) return;
    this.#stopped.set(uid, entry.captured.cookie);
    await this.#release(entry, false);
  }

  /** Ends every capture, of earlier agents as well: pods go their own way from here on. */
  async remove(): Promise<void> {
    for (const entry of [...this.#entries.values()]) await this.#release(entry, false);
    this.#capture.remove();
  }

  isCaptured(uid: string): boolean {
    return this.#entries.has(uid);
  }

  #isReleasing(uid: string, addresses: readonly string[] = []): boolean {
    return [...this.#releases.keys()].some(({ pod }) => pod.uid === uid || shareAnAddress(pod.addresses, addresses));
  }

  #holds({ uid, addresses, namespacePath }: Sandbox): boolean {
    const entry = this.#entries.get(uid);
    return entry !== undefined && areSameAddresses(entry.pod.addresses, addresses) && entry.captured.cookie === cookieAt(namespacePath);
  }

  /** Waits until something is so, or the signal aborts. */
  async #until(is: () => boolean, signal: AbortSignal): Promise<void> {
    while (!is() && !signal.aborted) {
      await orAborted(this.#changed.promise, signal).catch(() => {
        // The loop ends by it.
      });
    }
  }

  /** One step towards the wanted set; returns after how many milliseconds to try again what could not be done. */
  async #reconcile(signal: AbortSignal): Promise<number | undefined> {
    let retryMs: number | undefined;
    const again = (ms: number): void => {
      retryMs = Math.min(retryMs ?? ms, ms);
    };
    for (const uid of this.#stopped.keys()) if (this.#known.ofUid(uid).length === 0) this.#stopped.delete(uid);
    for (const entry of this.#entries.values()) {
      const known = this.#known.get(entry.pod);
      if (known?.isInMesh !== false) continue;
      await this.#release(entry, true);
      await this.#announce(known, false, signal);
    }
    const wanted = this.#known.all.map((pod) => localPod(pod)).filter((pod) => pod !== undefined);
    // A status tells addresses late: those that are not the captured one's are of the sandbox before, or of the next.
    const unsettled = wanted.filter(({ uid, addresses }) => !areSameAddresses(this.#entries.get(uid)?.pod.addresses ?? [], addresses));
    const over = [...this.#entries.values()].filter(({ pod }) => this.#known.get(pod)?.hasEnded !== false).map(({ pod }) => pod.uid);
    const namespaces = unsettled.length + over.length === 0 ? new Map<string, string>() : findPodNamespaces(new Set([...unsettled.map(({ uid }) => uid), ...over]));
    for (const uid of over) {
      const entry = this.#entries.get(uid);
      if (entry === undefined) continue;
      const { cookie, place } = entry.captured;
      // The API server lets go of a pod before the kubelet has ended it, where that was forced.
      if ([place.namespacePath, namespaces.get(uid)].some((path) => cookieAt(path) === cookie)) again(FAILURE_RETRY_MS);
      else await this.#release(entry, false);
    }
    for (const pod of unsettled) {
      const path = namespaces.get(pod.uid);
      const cookie = cookieAt(path);
      const passedOver = this.#entries.get(pod.uid)?.captured.cookie ?? this.#stopped.get(pod.uid);
      if (path === undefined || cookie === undefined || cookie === passedOver) {
        again(passedOver === undefined ? NAMESPACE_RETRY_MS : FAILURE_RETRY_MS);
        continue;
      }
      const holder = this.#holder(pod.uid, pod.addresses);
      if (holder !== undefined) await this.#release(holder, false);
      // Gates do their work while others wait.
      if (this.#holder(pod.uid, pod.addresses) !== undefined || this.#isReleasing(pod.uid, pod.addresses) || this.#known.get(pod)?.isInMesh !== true) {
        again(NAMESPACE_RETRY_MS);
        continue;
      }
      try {
        this.#add(pod, path, 'running');
      } catch (thrown) {
        this.#captureFailed(pod, thrown);
        again(FAILURE_RETRY_MS);
      }
    }
    if (!(await this.#takeOver())) again(NAMESPACE_RETRY_MS);
    for (const { pod } of this.#entries.values()) {
      // As it is known now: a mirror may have been made anew.
      const known = this.#known.get(pod);
      if (known?.announced === false && !(await this.#announce(known, true, signal))) again(FAILURE_RETRY_MS);
    }
    this.#tellProbePorts();
    return retryMs;
  }

  /** Takes over pods that are another agent's, as soon as their connections can be carried here; false while that is not so. */
  async #takeOver(): Promise<boolean> {
    const waiting = [...this.#entries.values()].filter(({ captured }) => !this.#capture.serves(captured));
    if (waiting.length === 0) return true;
    if (this.#capture.look().hasSuccessor) {
      // It is theirs, unless they ended and left a pod to nobody.
      for (const { captured } of waiting) this.#capture.standIn(captured);
      return true;
    }
    const equipped = await this.#traffic.equipped(waiting.map(({ pod }) => pod.uid));
    for (const entry of waiting) {
      const { pod, captured } = entry;
      if (!equipped.has(pod.uid) || this.#entries.get(pod.uid) !== entry) continue;
      this.#capture.takeOver(captured);
      this.#log.info({ pod: pod.name, namespace: pod.namespace }, 'pod taken over');
    }
    return equipped.size === waiting.length;
  }

  /**
   * Whether connections of all pods can be carried here, as far as somebody has them now. A slot does not tell: this agent
   * fills those that are empty at once, as after a successor of the earlier one that has died.
   */
  async #canFollow(): Promise<boolean> {
    if (!this.#capture.look().hasPredecessor) return true;
    const uids = [...this.#entries.keys()];
    return (await this.#traffic.equipped(uids)).size === uids.length;
  }

  /** Lets other agents of the node take over, now or when they can. */
  leave(): void {
    this.#capture.leave();
  }

  /** Whether no new connection comes to this agent any more. */
  get isRelieved(): boolean {
    return [...this.#entries.values()].every(({ captured }) => this.#capture.isRelieved(captured));
  }

  /** Who is captured as this pod or with an address of it: an address is of one pod. */
  #holder(uid: string, addresses: readonly string[]): Entry | undefined {
    return this.#entries.get(uid) ?? [...this.#entries.values()].find(({ pod }) => shareAnAddress(pod.addresses, addresses));
  }

  /**
   * Forgets what earlier agents captured; false where that must wait for a pod that starts or ends at this moment, of
   * which the address is not known, whose connections are refused until then, or for an earlier agent that lives.
   */
  #forgetOthers(): boolean {
    if (this.#capture.look().hasPredecessor) return false;
    const others = this.#capture.pinned().filter((uid) => !this.#entries.has(uid));
    const living = others.length === 0 ? new Map<string, string>() : findPodNamespaces(new Set(others));
    const isAwaited = (uid: string): boolean => {
      const known = this.#known.ofUid(uid);
      return known.length === 0 ? living.has(uid) : known.some(({ isInMesh }) => isInMesh);
    };
    if (others.some(isAwaited)) return false;
    this.#capture.forgetAllBut([...this.#entries.values()].map(({ captured }) => captured));
    return true;
  }

  #add(pod: LocalPod, namespacePath: string, moment: 'before-start' | 'running'): void {
    const captured = this.#capture.capture({ uid: pod.uid, addresses: pod.addresses, namespacePath, capturesDns: pod.capturesDns ?? this.#capturesDns });
    try {
      this.#traffic.add(pod, captured);
    } catch (thrown) {
      // Nobody will serve its listeners.
      for (const fd of Object.values(captured.listeners).flat()) new FileDescriptor(fd)[Symbol.dispose]();
      this.#capture.release(captured);
      throw thrown;
    }
    this.#entries.set(pod.uid, { pod, captured });
    this.#stopped.delete(pod.uid);
    this.#tellProbePorts();
    metrics.capturedPods.set(this.#entries.size);
    metrics.podCaptures.inc({ moment });
    this.#log.info({ pod: pod.name, namespace: pod.namespace, addresses: pod.addresses, moment }, 'pod captured');
  }

  /** Of all pods that are captured or will be: an agent that follows another one leaves no gap. */
  #tellProbePorts(): void {
    const pods = [...this.pods, ...this.#known.all.map((pod) => localPod(pod)).filter((pod) => pod !== undefined)];
    try {
      this.#capture.kubeletProbes.setPorts(pods.flatMap(({ addresses, probePorts = [ANY_PORT] }) => addresses.flatMap((address) => probePorts.map((port) => ({ address, port })))));
    } catch (thrown) {
      // What is missing is judged by policies.
      this.#log.warn({ error: LandbridgeError.from(thrown).message }, 'not all ports that the kubelet probes could be told');
    }
  }

  async #release(entry: Entry, lives: boolean): Promise<void> {
    this.#entries.delete(entry.pod.uid);
    const released = this.#endCapture(entry, lives).finally(() => {
      this.#releases.delete(entry);
      this.#notify();
    });
    this.#releases.set(entry, released);
    await released;
  }

  async #endCapture({ pod, captured }: Entry, lives: boolean): Promise<void> {
    // Data threads make sockets in the pod's namespace, which release() closes.
    await this.#traffic.remove(pod.uid, lives);
    try {
      this.#capture.release(captured);
    } catch (thrown) {
      metrics.captureFailures.inc();
      this.#log.warn({ pod: pod.name, error: LandbridgeError.from(thrown).message }, 'a pod could not be released');
    }
    metrics.capturedPods.set(this.#entries.size);
    this.#log.info({ pod: pod.name, namespace: pod.namespace }, 'pod released');
  }

  #captureFailed(pod: LocalPod, thrown: unknown): string {
    metrics.captureFailures.inc();
    const { message } = LandbridgeError.from(thrown);
    this.#log.warn({ pod: pod.name, namespace: pod.namespace, error: message }, 'a pod could not be captured');
    return message;
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #announce(pod: LocalPod, captured: boolean, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#source.announce(pod, captured, signal);
      return true;
    } catch (thrown) {
      this.#log.warn({ pod: pod.name, namespace: pod.namespace, error: LandbridgeError.from(thrown).message }, 'a pod could not be annotated');
      return false;
    }
  }

  get pods(): readonly LocalPod[] {
    return [...this.#entries.values()].map(({ pod }) => pod);
  }
}

/** Tells network namespaces apart, for good: undefined where there is none any more. */
function cookieAt(namespacePath: string | undefined): bigint | undefined {
  if (namespacePath === undefined) return undefined;
  try {
    using namespace = openNetworkNamespace(namespacePath);
    return networkNamespaceCookie(namespace.number);
  } catch {
    // The path is gone, or a plain file that the runtime has unmounted already.
    return undefined;
  }
}
