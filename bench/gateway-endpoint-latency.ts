/**
 * Time from a change of an endpoint in east until clients in west, in another network, are led by it: from the event in
 * which east's own EndpointSlice says that an endpoint of a service is ready until the first call that it answers, and
 * from the event that it is not until the last one. All on one clock. No pod starts or ends: a readiness gate is set.
 * With OTHERS, so many further endpoints are ready all the time, and calls meet the one that changes by chance.
 * Needs the running lab: npm run lab -- up --clusters 2 --networks 2.
 * Usage: node bench/gateway-endpoint-latency.ts [CHANGES] [OTHERS]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { loadavg } from 'node:os';
import { createInterface } from 'node:readline';
import { DEMO_NAMESPACE } from '@landbridge/lab/demo.ts';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { apply, clusterEnvironment, kubectl, kubectlCommand } from '@landbridge/lab/kubectl.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { SliceWatch } from './slice-watch.ts';

/** In each direction. */
const CHANGES = Number(process.argv[2] ?? 50);
const OTHERS = Number(process.argv[3] ?? 0);
const NAME = 'gated';
const GATE = 'lab.local/open';
/** So many calls in a row that the endpoint does not answer, after the event, and it is believed that it answers none. */
const UNANSWERED = 40;
const CHANGE_TIMEOUT_MS = 60_000;
const { signal } = new AbortController();

const labels = { app: NAME };

function deployment(part: string, replicas: number, readinessGates: readonly object[]): object {
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: part, namespace: DEMO_NAMESPACE },
    spec: {
      replicas,
      selector: { matchLabels: { ...labels, part } },
      template: {
        metadata: { labels: { ...labels, part } },
        spec: { serviceAccountName: NAME, terminationGracePeriodSeconds: 1, readinessGates, containers: [{ name: NAME, image: DEMO_IMAGE, args: ['serve'], env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }], ports: [{ name: 'http', containerPort: 8080 }] }] },
      },
    },
  };
}

const manifests: readonly object[] = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: NAME, namespace: DEMO_NAMESPACE } },
  { apiVersion: 'v1', kind: 'Service', metadata: { name: NAME, namespace: DEMO_NAMESPACE }, spec: { selector: labels, ports: [{ name: 'http', port: 8080, targetPort: 'http' }] } },
  { apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceExport', metadata: { name: NAME, namespace: DEMO_NAMESPACE } },
  deployment(NAME, 1, [{ conditionType: GATE }]),
  deployment(`${NAME}-others`, OTHERS, []),
];

/** Calls of one client without end, each on a connection of its own. */
class Follower {
  readonly #child: ChildProcess;
  #listener: ((atMs: number, isAnswered: boolean) => void) | undefined;
  calls = 0;
  /** That nobody answered. */
  unanswered = 0;

  /** `pod`: the one whose answers count. */
  constructor(cluster: string, url: string, pod: string) {
    const [command = '', ...args] = kubectlCommand(['-n', DEMO_NAMESPACE, 'exec', '-i', 'deploy/client', '--', '/bin/demo', 'follow', url]);
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...clusterEnvironment(cluster) } });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const [at, who] = line.split(' ');
      this.calls++;
      if (who === '-') this.unanswered++;
      this.#listener?.(Number(at), who === pod);
    });
  }

  /** Of the first call from now on that is answered. */
  async first(): Promise<number> {
    return await this.#until((atMs, isAnswered) => (isAnswered ? atMs : undefined));
  }

  /** Of the last call that was answered, once `after` has come and many in a row were not. */
  async last(after: Promise<number>): Promise<number> {
    let eventMs = Number.POSITIVE_INFINITY;
    void after.then((atMs) => (eventMs = atMs));
    let lastMs = 0;
    let unanswered = 0;
    return await this.#until((atMs, isAnswered) => {
      if (isAnswered) lastMs = atMs;
      unanswered = isAnswered || atMs < eventMs ? 0 : unanswered + 1;
      return unanswered === UNANSWERED ? lastMs : undefined;
    });
  }

  async #until(found: (atMs: number, isAnswered: boolean) => number | undefined): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    const timer = setTimeout(() => {
      process.stderr.write(`not seen in ${CHANGE_TIMEOUT_MS / 1000} s\n`);
      process.exit(1);
    }, CHANGE_TIMEOUT_MS);
    this.#listener = (atMs, isAnswered) => {
      const value = found(atMs, isAnswered);
      if (value !== undefined) resolve(value);
    };
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#listener = undefined;
    }
  }

  stop(): void {
    this.#child.stdin?.end();
  }
}

async function setGate(pod: string, isOpen: boolean): Promise<void> {
  const status = { status: { conditions: [{ type: GATE, status: isOpen ? 'True' : 'False' }] } };
  await kubectl('east', ['-n', DEMO_NAMESPACE, 'patch', 'pod', pod, '--subresource=status', '--type=strategic', '-p', JSON.stringify(status)], { signal });
}

const count = (addresses: string): number => (addresses === '' ? 0 : addresses.split(' ').length);
const get = async (cluster: string, ...args: readonly string[]): Promise<string> => (await kubectl(cluster, ['-n', DEMO_NAMESPACE, 'get', ...args], { signal })).trim();

function print(what: string, times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const quantile = (q: number): string => (sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN).toFixed(0);
  process.stdout.write(`${times.length} changes, ${what}: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms, longest ${quantile(1)} ms\n`);
}

await apply('east', manifests, signal);
const slices = new SliceWatch('east', `kubernetes.io/service-name=${NAME}`);
try {
  const pod = await waitFor(async () => (await get('east', 'pods', '-l', `part=${NAME}`, '--field-selector=status.phase=Running', '-o', 'jsonpath={.items[*].metadata.name}')) || undefined, { signal, timeoutMs: CHANGE_TIMEOUT_MS, what: 'the pod to run' });
  await setGate(pod, false);
  const ip = await waitFor(async () => (await get('west', 'serviceimports', '-o', `jsonpath={.items[?(@.metadata.name=="${NAME}")].spec.ips[0]}`)) || undefined, { signal, timeoutMs: CHANGE_TIMEOUT_MS, what: 'the import to have an address' });
  if (OTHERS > 0) await kubectl('east', ['-n', DEMO_NAMESPACE, 'rollout', 'status', `deployment/${NAME}-others`, '--timeout=60s'], { signal });
  const client = new Follower('west', `http://${ip}:8080`, pod);
  const began = performance.now();
  const times = { ready: [] as number[], notReady: [] as number[] };
  try {
    for (let i = 0; i < CHANGES; i++) {
      const ready = slices.at((addresses) => count(addresses) === OTHERS + 1);
      const first = client.first();
      await setGate(pod, true);
      times.ready.push((await first) - (await ready).atMs);
      const notReady = slices.at((addresses) => count(addresses) === OTHERS);
      const last = client.last(notReady.then(({ atMs }) => atMs));
      await setGate(pod, false);
      times.notReady.push((await last) - (await notReady).atMs);
    }
  } finally {
    client.stop();
  }
  print('ready until the first call that it answers', times.ready);
  print('not ready until the last call that it answers', times.notReady);
  process.stdout.write(`${client.calls} calls, one in ${((performance.now() - began) / client.calls).toFixed(1)} ms, of which ${client.unanswered} had no answer; load average ${loadavg()[0]?.toFixed(1)}\n`);
} finally {
  slices.stop();
  await kubectl('east', ['-n', DEMO_NAMESPACE, 'delete', `serviceexport/${NAME}`, `service/${NAME}`, `deployment/${NAME}`, `deployment/${NAME}-others`, `serviceaccount/${NAME}`, '--wait=false'], { signal });
}
