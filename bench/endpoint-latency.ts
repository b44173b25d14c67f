/**
 * Time from a change of endpoints in east until west's import says the same: both API servers are watched, on one
 * clock. Needs the running lab. Usage: node bench/endpoint-latency.ts [CHANGES]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { clusterEnvironment, kubectl, kubectlCommand } from '@landbridge/lab/kubectl.ts';

const CHANGES = Number(process.argv[2] ?? 50);
const REPLICAS = [1, 3, 0, 2];
const CHANGE_TIMEOUT_MS = 60_000;

interface SliceEvent {
  readonly type: string;
  readonly object: { readonly metadata: { readonly name: string }; readonly endpoints?: readonly { readonly addresses: readonly string[]; readonly conditions: { readonly ready?: boolean } }[] | null };
}

/** Follows the slices of a selector; `at` resolves with the time at which their ready addresses met a condition. */
class SliceWatch {
  readonly #slices = new Map<string, readonly string[]>();
  readonly #child: ChildProcess;
  #waiting: { readonly meets: (addresses: string) => boolean; readonly resolve: (found: { atMs: number; addresses: string }) => void } | undefined;

  constructor(cluster: string, selector: string) {
    const [command = '', ...args] = kubectlCommand(['-n', 'demo', 'get', 'endpointslices', '-l', selector, '-w', '-o', 'json', '--output-watch-events']);
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...clusterEnvironment(cluster) } });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#apply(JSON.parse(line) as SliceEvent, performance.now());
    });
  }

  get addresses(): string {
    return [...this.#slices.values()].flat().sort().join(' ');
  }

  async at(meets: (addresses: string) => boolean): Promise<{ atMs: number; addresses: string }> {
    if (meets(this.addresses)) return { atMs: performance.now(), addresses: this.addresses };
    const { promise, resolve } = Promise.withResolvers<{ atMs: number; addresses: string }>();
    this.#waiting = { meets, resolve };
    const timer = setTimeout(() => {
      process.stderr.write(`not seen in ${CHANGE_TIMEOUT_MS / 1000} s; the last was: ${this.addresses}\n`);
      process.exit(1);
    }, CHANGE_TIMEOUT_MS);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #apply({ type, object }: SliceEvent, atMs: number): void {
    if (type === 'DELETED') this.#slices.delete(object.metadata.name);
    else this.#slices.set(object.metadata.name, (object.endpoints ?? []).filter(({ conditions }) => conditions.ready !== false).flatMap(({ addresses }) => addresses));
    const { addresses } = this;
    if (this.#waiting?.meets(addresses) !== true) return;
    this.#waiting.resolve({ atMs, addresses });
    this.#waiting = undefined;
  }

  stop(): void {
    this.#child.kill();
  }
}

const count = (addresses: string): number => (addresses === '' ? 0 : addresses.split(' ').length);
const east = new SliceWatch('east', 'kubernetes.io/service-name=echo');
const west = new SliceWatch('west', 'multicluster.kubernetes.io/service-name=echo');
const { signal } = new AbortController();
await Promise.all([east.at((addresses) => count(addresses) > 0), west.at((addresses) => count(addresses) > 0)]);
const latenciesMs: number[] = [];
for (let i = 0; i < CHANGES; i++) {
  const replicas = REPLICAS[i % REPLICAS.length] ?? 1;
  const source = east.at((addresses) => count(addresses) === replicas);
  // The set is known when the source has it, so the import is looked at again from then on; changes before it do not count.
  const target = source.then(async ({ addresses }) => await west.at((seen) => seen === addresses));
  await kubectl('east', ['-n', 'demo', 'scale', 'deployment/echo', `--replicas=${replicas}`], { signal });
  const [from, to] = await Promise.all([source, target]);
  latenciesMs.push(Math.max(0, to.atMs - from.atMs));
}
east.stop();
west.stop();
latenciesMs.sort((a, b) => a - b);
const quantile = (q: number): string => (latenciesMs[Math.min(latenciesMs.length - 1, Math.ceil(q * latenciesMs.length) - 1)] ?? Number.NaN).toFixed(0);
process.stdout.write(`${CHANGES} changes: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms, longest ${quantile(1)} ms\n`);
