import path from 'node:path';
import { run } from '@landbridge/lab/run.ts';
import { inNetwork } from '@landbridge/lab/network.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { TestIstioCni, type TestZdsConnection } from '@landbridge/agent/pods/test-istio-cni.ts';
import type { MeshPod } from '../mesh/mesh-pod.ts';

const RULES = 'cni/pkg/nftables/testdata/default.golden';
/** As istio-cni has it: what ztunnel dials in the client's name comes back to it. */
const ROUTES = 'ip rule add fwmark 0x111/0xfff pref 32764 lookup 100 && ip route add local 0.0.0.0/0 dev lo table 100';
const ACCEPT_MS = 60_000;

export interface ToldPod {
  readonly uid: string;
  readonly pod: MeshPod;
}

/** Puts the rules of istio-cni, as Istio's own tests have them in its module, into a pod's network. */
export async function redirectToZtunnel(source: string, { netns }: MeshPod): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  await run(inNetwork(netns, ['/usr/sbin/nft', '-f', path.join(source, RULES)]), { signal });
  await run(inNetwork(netns, ['sh', '-ec', ROUTES]), { signal });
}

/** istio-cni's side of ZDS on one node: tells a proxy of pods, in the order of a snapshot. */
export class NodeIstioCni implements Disposable {
  readonly #cni = new TestIstioCni();
  #connection: TestZdsConnection | undefined;

  constructor() {
    this.#cni.start();
  }

  get socket(): string {
    return this.#cni.socket;
  }

  /** Waits for the proxy and tells it of the pods. @throws Error for what it refuses */
  async tell(namespace: string, pods: readonly ToldPod[]): Promise<void> {
    this.#connection = await waitFor(async () => await this.#cni.accept(), { signal: new AbortController().signal, timeoutMs: ACCEPT_MS, what: 'a proxy that connects' });
    await this.#connection.hello();
    for (const told of pods) await this.add(namespace, told);
    const refused = await this.#connection.snapshotSent();
    if (refused !== '') throw new Error(`the snapshot was refused: ${refused}`);
  }

  async add(namespace: string, { uid, pod }: ToldPod): Promise<void> {
    const refused = await this.#connection?.add(uid, `/run/netns/${pod.netns}`, pod.name, { namespace, serviceAccount: pod.name });
    if (refused !== '') throw new Error(`${pod.name} was refused: ${refused}`);
  }

  async remove(uid: string): Promise<void> {
    await this.#connection?.delete(uid);
  }

  [Symbol.dispose](): void {
    this.#connection?.close();
    this.#cni[Symbol.dispose]();
  }
}
