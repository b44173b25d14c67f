/**
 * Time from a change of endpoints in east until west's import says the same: both API servers are watched, on one
 * clock. Needs the running lab. Usage: node bench/endpoint-latency.ts [CHANGES]
 */
import { kubectl } from '@landbridge/lab/kubectl.ts';
import { SliceWatch } from './slice-watch.ts';

const CHANGES = Number(process.argv[2] ?? 50);
const REPLICAS = [1, 3, 0, 2];

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
