import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { MeshPod } from './mesh-pod.ts';

const MAPS = ['pods', 'listeners', 'dials'] as const;

/** What the capture of a pod leaves in the kernel, to be compared before and after. */
export interface CaptureTraces {
  readonly rules: readonly string[];
  /** Of table 100, which only the capture uses. */
  readonly routes: readonly string[];
  /** Elements in each of the maps whose entries live as long as the capture of a pod. */
  readonly maps: Readonly<Record<(typeof MAPS)[number], number>>;
}

/** `pins`: the directory with `maps` in it. */
export function captureTraces({ netns }: MeshPod, pins: string): CaptureTraces {
  const both = (...args: readonly string[]): string[] => ['-4', '-6'].flatMap((family) => lines('ip', [family, '-n', netns, ...args]));
  return {
    rules: both('rule', 'show'),
    routes: both('route', 'show', 'table', 'all').filter((line) => line.includes(' table 100')),
    maps: Object.fromEntries(MAPS.map((name) => [name, elements(path.join(pins, 'maps', name))])) as CaptureTraces['maps'],
  };
}

const elements = (pin: string): number => (JSON.parse(execFileSync('bpftool', ['-j', 'map', 'dump', 'pinned', pin], { encoding: 'utf8' })) as unknown[]).length;
const lines = (command: string, args: readonly string[]): string[] => execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n');
