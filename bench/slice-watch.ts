import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { clusterEnvironment, kubectlCommand } from '@landbridge/lab/kubectl.ts';
import { now } from './control-plane/clock.ts';

const CHANGE_TIMEOUT_MS = 60_000;

interface SliceEvent {
  readonly type: string;
  readonly object: { readonly metadata: { readonly name: string }; readonly endpoints?: readonly { readonly addresses: readonly string[]; readonly conditions: { readonly ready?: boolean } }[] | null };
}

interface Found {
  readonly atMs: number;
  /** Ready ones, sorted, with spaces between them. */
  readonly addresses: string;
}

/** Follows the slices of a selector in a cluster of the lab; `at` resolves with the time at which their ready addresses met a condition. */
export class SliceWatch {
  readonly #slices = new Map<string, readonly string[]>();
  readonly #child: ChildProcess;
  #waiting: { readonly meets: (addresses: string) => boolean; readonly resolve: (found: Found) => void } | undefined;

  constructor(cluster: string, selector: string) {
    const [command = '', ...args] = kubectlCommand(['-n', 'demo', 'get', 'endpointslices', '-l', selector, '-w', '-o', 'json', '--output-watch-events']);
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...clusterEnvironment(cluster) } });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#apply(JSON.parse(line) as SliceEvent, now());
    });
  }

  get addresses(): string {
    return [...this.#slices.values()].flat().sort().join(' ');
  }

  async at(meets: (addresses: string) => boolean): Promise<Found> {
    if (meets(this.addresses)) return { atMs: now(), addresses: this.addresses };
    const { promise, resolve } = Promise.withResolvers<Found>();
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
