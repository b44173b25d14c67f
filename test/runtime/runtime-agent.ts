import { randomUUID } from 'node:crypto';
import { Capture, type CapturedPod } from '@landbridge/agent/capture/capture.ts';
import type { LocalPod } from '@landbridge/agent/pods/local-pod.ts';
import { MemoryPodSource } from '@landbridge/agent/pods/memory-pod-source.ts';
import { keepNriPlugin } from '@landbridge/agent/pods/nri-client.ts';
import { PodCaptures } from '@landbridge/agent/pods/pod-captures.ts';
import type { Admission, PodGate, Sandbox } from '@landbridge/agent/pods/sandbox.ts';
import { patient, waitFor } from '@landbridge/lab/wait.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import { ipOf, portOf } from '@landbridge/native/socket-address.ts';
import { accept, acceptedPeer, close } from '@landbridge/native/stream-socket.ts';
import pino from 'pino';
import { CRI_NAMESPACE, type CriPod } from './cri-client.ts';
import type { RuntimeNode } from './runtime-node.ts';

const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const WAIT_MS = 20_000;
const NODE = 'runtime';

type Ask = (sandbox: Sandbox, signal: AbortSignal) => Promise<Admission>;

/** The agent of a {@link RuntimeNode}, without data threads, and the API server that it asks. */
export class RuntimeAgent implements PodGate, AsyncDisposable {
  readonly #node: RuntimeNode;
  readonly #source = new MemoryPodSource(NODE);
  readonly #capture: Capture;
  readonly #captured = new Map<string, CapturedPod>();
  readonly #captures: PodCaptures;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #plugin: { readonly stop: AbortController; readonly ended: Promise<void>; synchronized: number } | undefined;
  /** What was captured, in this order. */
  readonly log: string[] = [];
  /** Stands before the captures while it is set. */
  ask: Ask | undefined;

  constructor(node: RuntimeNode) {
    this.#node = node;
    this.#capture = new Capture(node);
    const traffic = {
      add: (pod: LocalPod, captured: CapturedPod): void => {
        this.log.push(`captured ${pod.name}`);
        this.#captured.set(pod.uid, captured);
      },
      equipped: async (uids: readonly string[]): Promise<ReadonlySet<string>> => new Set(uids),
      remove: async (uid: string): Promise<void> => {
        for (const fd of Object.values(this.#captured.get(uid)?.listeners ?? {}).flat()) new FileDescriptor(fd)[Symbol.dispose]();
        this.#captured.delete(uid);
      },
    };
    this.#source.setNamespace({ metadata: { name: CRI_NAMESPACE, labels: { 'landbridge.dev/dataplane-mode': 'ambient' } } });
    this.#captures = new PodCaptures(this.#capture, this.#source, traffic, log, { admissionWaitMs: patient(100) });
    this.#running = this.#captures.run(this.#stop.signal, () => {});
  }

  /** A pod that the API server knows of, unless `isKnown` is false. */
  pod(name: string, { isKnown = true, annotations = {} }: { readonly isKnown?: boolean; readonly annotations?: Readonly<Record<string, string>> } = {}): CriPod {
    const pod = { name, uid: randomUUID(), annotations };
    if (isKnown) this.tell(pod);
    return pod;
  }

  /** The API server has heard of the pod. */
  tell({ name, uid }: CriPod): void {
    this.#source.setPod({ metadata: { namespace: CRI_NAMESPACE, name, uid }, spec: { containers: [], nodeName: NODE }, status: { phase: 'Pending' } });
  }

  /** A pod that the kubelet has from a file of its own: the API server knows it as another object, by another uid. */
  staticPod(name: string): CriPod {
    const uid = randomUUID().replaceAll('-', '');
    this.#source.setPod({ metadata: { namespace: CRI_NAMESPACE, name, uid: randomUUID(), annotations: { 'kubernetes.io/config.mirror': uid } }, spec: { containers: [], nodeName: NODE }, status: { phase: 'Pending' } });
    return { name, uid };
  }

  async admit(sandbox: Sandbox, signal: AbortSignal): Promise<Admission> {
    const seen = { ...sandbox, namespacePath: this.#node.fileOf(sandbox.namespacePath) };
    return await (this.ask === undefined ? this.#captures.admit(seen, signal) : this.ask(seen, signal));
  }

  async end({ uid, namespacePath }: Pick<Sandbox, 'uid' | 'namespacePath'>): Promise<void> {
    await this.#captures.end({ uid, namespacePath: this.#node.fileOf(namespacePath) });
  }

  isCaptured(uid: string): boolean {
    return this.#captures.isCaptured(uid);
  }

  /** As the agent's start; resolves once the runtime has told its pods. `gate`: whom to ask in place of this one. */
  async connect(gate: PodGate = this): Promise<void> {
    const stop = new AbortController();
    const plugin = { stop, synchronized: 0, ended: keepNriPlugin(gate, { socket: this.#node.nriSocket, isOnlyGate: true, onSynchronized: () => void plugin.synchronized++, log }, stop.signal) };
    this.#plugin = plugin;
    await this.synchronized(1);
  }

  /** Resolves once the runtime has told its pods so many times. */
  async synchronized(times: number): Promise<void> {
    await waitFor(() => (this.#plugin?.synchronized ?? 0) >= times || undefined, { signal: new AbortController().signal, timeoutMs: WAIT_MS, everyMs: 5, what: `${times} lists of the runtime` });
  }

  /** As the agent's end. What is captured stays so, as pins outlive an agent. */
  async disconnect(): Promise<void> {
    this.#plugin?.stop.abort();
    await this.#plugin?.ended;
    this.#plugin = undefined;
  }

  /** Where the first connection that came to the pod's outbound port was to go. */
  async firstConnection({ uid, name }: CriPod): Promise<string> {
    const captured = this.#captured.get(uid);
    if (captured === undefined) throw new Error(`${name} is not captured`);
    const [listener = -1] = captured.listeners.outbound;
    const fd = await waitFor(() => {
      const accepted = accept(listener);
      return accepted < 0 ? undefined : accepted;
    }, { signal: new AbortController().signal, timeoutMs: WAIT_MS, everyMs: 10, what: `a connection of ${name}` });
    const original = captured.originalDestination({ ip: ipOf(acceptedPeer), port: portOf(acceptedPeer) });
    close(fd);
    return original === undefined ? 'nowhere' : `${original.ip}:${original.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
    this.#stop.abort();
    await this.#running;
    for (const uid of [...this.#captured.keys()]) {
      for (const fd of Object.values(this.#captured.get(uid)?.listeners ?? {}).flat()) new FileDescriptor(fd)[Symbol.dispose]();
    }
    this.#capture.remove();
    this.#capture[Symbol.dispose]();
  }
}
