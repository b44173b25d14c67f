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
  /** A command that prints nothing for so long is ended: it waits for what does not come. */
  readonly silentMs?: number;
}

/** For a command that was told to end, to say how far it was. */
const LAST_WORDS_MS = 30_000;

/** Runs a command in the repository and returns its exit status; 1 where it was ended by a signal, or for its silence. */
export async function runLines(argv: readonly [string, ...string[]], { signal, onLine, onErrorLine, env = {}, silentMs }: LineOptions): Promise<number> {
  const [command, ...args] = argv;
  using over = new DisposableStack();
  const child = spawn(command, args, {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'pipe'],
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
  // As a terminal does it: ava tells then what failed, and what it was at.
  const end = (): void => {
    child.kill('SIGINT');
    const killing = setTimeout(() => child.kill('SIGKILL'), LAST_WORDS_MS);
    over.defer(() => clearTimeout(killing));
  };
  signal.addEventListener('abort', end, { once: true });
  over.defer(() => signal.removeEventListener('abort', end));
  if (signal.aborted) end();
  const silence = silentMs === undefined ? undefined : setTimeout(() => {
    process.stderr.write(`${path.basename(command)} ${args.join(' ')} printed nothing for ${silentMs / 1000} s, and is ended\n`);
    end();
  }, silentMs);
  over.defer(() => clearTimeout(silence));
  createInterface({ input: child.stdout }).on('line', (line) => {
    silence?.refresh();
    onLine(line);
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    silence?.refresh();
    process.stderr.write(`${line}\n`);
    onErrorLine?.(line);
  });
  const [status] = (await once(child, 'close')) as [number | null];
  signal.throwIfAborted();
  return status ?? 1;
}
