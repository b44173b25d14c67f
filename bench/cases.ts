import { idleConnections, OPEN_FILES } from './open-files.ts';

/** What is done to a path, by the name that `--only` takes. */
export type Case =
  | { readonly kind: 'bulk'; readonly name: string; readonly direction: 'up' | 'down'; readonly connections: number }
  | { readonly kind: 'requests'; readonly name: string; readonly bytes: number; readonly connections: number }
  | { readonly kind: 'connections'; readonly name: string; readonly connections: number }
  | { readonly kind: 'handshakes'; readonly name: string; readonly connections: number }
  | { readonly kind: 'first-byte'; readonly name: string }
  | { readonly kind: 'idle'; readonly name: string; readonly connections: number };

/** One number of a case. The first of a case is what the case is about. */
export interface Metric {
  readonly name: 'rate' | 'p50' | 'p99' | 'cpu' | 'rss' | 'time' | 'memory';
  readonly unit: string;
  readonly better: 'more' | 'less';
}

const bulk = (direction: 'up' | 'down', connections: number): Case => ({ kind: 'bulk', name: `${direction}-${connections}`, direction, connections });
const requests = (bytes: number, connections: number): Case => ({ kind: 'requests', name: `requests-${bytes}-${connections}`, bytes, connections });

export const CASES: readonly Case[] = [
  ...(['up', 'down'] as const).flatMap((direction) => [1, 16, 256].map((connections) => bulk(direction, connections))),
  ...[64, 1024, 16_384].flatMap((bytes) => [1, 32].map((connections) => requests(bytes, connections))),
  { kind: 'connections', name: 'connections-32', connections: 32 },
  { kind: 'handshakes', name: 'handshakes-32', connections: 32 },
  { kind: 'first-byte', name: 'first-byte' },
  { kind: 'idle', name: 'idle', connections: idleConnections(OPEN_FILES) },
];

const RSS: Metric = { name: 'rss', unit: 'MiB', better: 'less' };
const P50: Metric = { name: 'p50', unit: 'µs', better: 'less' };
const P99: Metric = { name: 'p99', unit: 'µs', better: 'less' };
const cpu = (unit: string): Metric => ({ name: 'cpu', unit, better: 'less' });
const rate = (unit: string): Metric => ({ name: 'rate', unit, better: 'more' });

export const METRICS: Readonly<Record<Case['kind'], readonly Metric[]>> = {
  bulk: [rate('GiB/s'), cpu('s/GiB'), RSS],
  requests: [rate('1/s'), P50, P99, cpu('µs each'), RSS],
  connections: [rate('1/s'), P50, P99, cpu('µs each'), RSS],
  handshakes: [rate('1/s'), cpu('µs each'), RSS],
  'first-byte': [{ name: 'time', unit: 'ms', better: 'less' }],
  idle: [{ name: 'memory', unit: 'KiB each', better: 'less' }, cpu('% idle'), RSS],
};

/** What a case measures, in words. */
export function describe(one: Case): string {
  switch (one.kind) {
    case 'bulk':
      return `${one.direction}, ${count(one.connections)}`;
    case 'requests':
      return `requests of ${one.bytes < 1024 ? `${one.bytes} B` : `${one.bytes / 1024} KiB`}, ${count(one.connections)}`;
    case 'connections':
      return `new connections, ${one.connections} at once`;
    case 'handshakes':
      return `full TLS handshakes, ${one.connections} at once`;
    case 'first-byte':
      return 'first byte without a tunnel';
    case 'idle':
      return `${one.connections} idle connections`;
    default:
      return one satisfies never;
  }
}

const count = (connections: number): string => (connections === 1 ? '1 connection' : `${connections} connections`);
