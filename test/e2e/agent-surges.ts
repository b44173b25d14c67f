/** Sees, as pods of agents come and go, on which nodes two were there at once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { clusterEnvironment, kubectlCommand } from '@landbridge/lab/kubectl.ts';

interface WatchedPod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const isReady = ({ status }: WatchedPod): boolean => status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true;

export class AgentSurges implements AsyncDisposable {
  /** By node: the agent that was ready before the other one, which was ready as well, was told to end. */
  readonly #surged = new Map<string, string>();
  readonly #pods = new Map<string, WatchedPod>();
  readonly #stop: () => Promise<void>;

  private constructor(stop: () => Promise<void>) {
    this.#stop = stop;
  }

  /** Resolves once it sees pods. */
  static async watch(cluster: string): Promise<AgentSurges> {
    const [command = '', ...args] = kubectlCommand(['-n', 'landbridge-system', 'get', 'pods', '-l', 'app.kubernetes.io/name=landbridge-agent', '-w', '-o', 'json', '--output-watch-events']);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...clusterEnvironment(cluster) } });
    const closed = once(child, 'close');
    const surges = new AgentSurges(async () => {
      child.kill();
      await closed;
    });
    const lines = createInterface({ input: child.stdout });
    const first = once(lines, 'line');
    let text = '';
    // An event is an object over several lines, which ends at the beginning of one.
    lines.on('line', (line) => {
      text += `${line}\n`;
      if (line !== '}' && !(line.startsWith('{') && line.endsWith('}'))) return;
      surges.#take(JSON.parse(text) as { readonly type: string; readonly object: WatchedPod });
      text = '';
    });
    await Promise.race([first, closed.then(() => Promise.reject(new Error(`the pods of ${cluster} can not be watched`)))]);
    return surges;
  }

  #take({ type, object }: { readonly type: string; readonly object: WatchedPod }): void {
    const { name } = object.metadata;
    if (type === 'DELETED') this.#pods.delete(name);
    else this.#pods.set(name, object);
    const node = object.spec.nodeName;
    if (node === undefined) return;
    const serving = [...this.#pods.values()].filter((pod) => pod.spec.nodeName === node && pod.metadata.deletionTimestamp === undefined && isReady(pod));
    if (serving.length > 1) this.#surged.set(node, serving.map((pod) => pod.metadata.name).join(' and '));
  }

  /** Nodes where two agents were ready at once and neither had been told to end, with their names. */
  get nodes(): ReadonlyMap<string, string> {
    return this.#surged;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}
