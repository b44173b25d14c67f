import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

export const REPOSITORY = path.resolve(import.meta.dirname, '..');

/** Runs a command in the repository and returns its exit status. What it writes to its standard error passes through. */
export async function runLines(argv: readonly [string, ...string[]], options: { readonly signal: AbortSignal; readonly onLine: (line: string) => void }): Promise<number> {
  const [command, ...args] = argv;
  const child = spawn(command, args, {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: options.signal,
    // Programs of npm packages ask for `node` by name, and the one of the system may be too old.
    env: { ...process.env, PATH: `${path.join(REPOSITORY, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1', TERM: 'dumb' },
  });
  createInterface({ input: child.stdout }).on('line', options.onLine);
  const [status] = (await once(child, 'close')) as [number | null];
  options.signal.throwIfAborted();
  return status ?? 1;
}
