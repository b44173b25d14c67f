import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { LandbridgeError } from '@landbridge/core/errors.ts';

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Written to the standard input, which is empty otherwise. */
  readonly input?: string;
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** More than this of a command's output is dropped from its beginning. */
const OUTPUT_LIMIT_CHARACTERS = 16 * 1024 * 1024;

/** Runs a command to its end and returns what it wrote; a non-zero status is an outcome, not an error. */
export async function outcomeOf(argv: readonly string[], options: RunOptions): Promise<Outcome> {
  const child = start(argv, {
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: options.signal,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  // A command that ends without reading its input closes the pipe; its status tells the rest.
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input ?? '');
  const [code, killedBy] = await ended(child, argv, options.signal);
  return { status: code ?? (killedBy === null ? 1 : 128), stdout: stdout(), stderr: stderr() };
}

/** Runs a command and returns its standard output. @throws LandbridgeError `command-failed` with its last words. */
export async function run(argv: readonly string[], options: RunOptions): Promise<string> {
  const outcome = await outcomeOf(argv, options);
  if (outcome.status === 0) return outcome.stdout;
  const words = (outcome.stderr.trim() || outcome.stdout.trim()).split('\n').slice(-6).join('\n');
  throw new LandbridgeError('command-failed', `${argv.slice(0, 4).join(' ')} ended with status ${outcome.status}: ${words}`);
}

/** Runs a command on this process' own terminal and returns its exit status (128 + signal number where killed). */
export async function runInForeground(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  // The terminal sends Ctrl-C to the command as well: the command decides what it means.
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  try {
    const child = start(argv, { stdio: 'inherit', env: { ...process.env, ...env } });
    const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
    process.on('SIGTERM', forward);
    const [code, killedBy] = await ended(child, argv, new AbortController().signal);
    process.off('SIGTERM', forward);
    return code ?? (killedBy === 'SIGINT' ? 130 : killedBy === 'SIGKILL' ? 137 : 143);
  } finally {
    process.off('SIGINT', ignore);
  }
}

function start(argv: readonly string[], options: SpawnOptions): ChildProcess {
  const [command, ...rest] = argv;
  if (command === undefined) throw new LandbridgeError('internal', 'a command line without a command');
  return spawn(command, rest, options);
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > OUTPUT_LIMIT_CHARACTERS) text = text.slice(-OUTPUT_LIMIT_CHARACTERS / 2);
  });
  return () => text;
}

async function ended(child: ChildProcess, argv: readonly string[], signal: AbortSignal): Promise<[number | null, NodeJS.Signals | null]> {
  try {
    return (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  } catch (thrown) {
    signal.throwIfAborted();
    throw new LandbridgeError('command-failed', `${argv[0]} could not be started`, {
      hint: 'Install it, or run the lab again so that it installs what is missing.',
      cause: thrown,
    });
  }
}
