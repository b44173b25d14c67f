import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

export const REPOSITORY = path.resolve(import.meta.dirname, '..');

/** For NODE_OPTIONS of whatever runs sources of the repository: why is in no-tier-up.js. */
export const NO_TIER_UP = `--import=${pathToFileURL(path.join(import.meta.dirname, 'no-tier-up.js')).href}`;

export interface LineOptions {
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
  /** Of the standard error, which passes through in any case. */
  readonly onErrorLine?: (line: string) => void;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command in the repository and returns its exit status. */
export async function runLines(argv: readonly [string, ...string[]], { signal, onLine, onErrorLine, env = {} }: LineOptions): Promise<number> {
  const [command, ...args] = argv;
  const child = spawn(command, args, {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    env: {
      ...process.env,
      ...env,
      // Programs of npm packages ask for `node` by name, and the one of the system may be too old.
      PATH: `${path.join(REPOSITORY, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
      NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} ${NO_TIER_UP}`.trim(),
      NO_COLOR: '1',
      TERM: 'dumb',
    },
  });
  createInterface({ input: child.stdout }).on('line', onLine);
  createInterface({ input: child.stderr }).on('line', (line) => {
    process.stderr.write(`${line}\n`);
    onErrorLine?.(line);
  });
  const [status] = (await once(child, 'close')) as [number | null];
  signal.throwIfAborted();
  return status ?? 1;
}
