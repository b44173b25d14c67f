import path from 'node:path';
import { REPOSITORY } from '@landbridge/lab/paths.ts';
import type { Path } from '../path.ts';
import { sameNode } from './same-node.ts';
import { tunnelPair } from './tunnel-pair.ts';

interface Variant {
  readonly name: string;
  readonly description: string;
  readonly make: typeof tunnelPair;
  readonly more: readonly string[];
  readonly isOurs: boolean;
}

/** One row for each way in which an agent can be set up. */
const VARIANTS: readonly Variant[] = [
  { name: 'landbridge', description: 'a pair of agents with one worker thread each', make: tunnelPair, more: ['--workers', '1'], isOurs: true },
  { name: 'landbridge-2-workers', description: 'a pair of agents with two worker threads each', make: tunnelPair, more: ['--workers', '2'], isOurs: true },
  { name: 'landbridge-same-node', description: 'one agent for callers and application of one node', make: sameNode, more: ['--workers', '1', '--same-node', 'relay'], isOurs: true },
  // Nobody would have it so: what the one before is compared with.
  { name: 'landbridge-same-node-tls', description: 'the same agent with mutual TLS between the two pods, as between nodes', make: sameNode, more: ['--workers', '1', '--same-node', 'tls'], isOurs: false },
];

const AGENT = path.join(REPOSITORY, 'bench/paths/landbridge-agent.ts');

export const landbridge: readonly Path[] = VARIANTS.map(({ name, description, make, more, isOurs }) => ({
  ...make({ name, description, more, prepare: async () => ({ program: [process.execPath, AGENT], version: `Node.js ${process.versions.node}` }) }),
  isOurs,
}));
