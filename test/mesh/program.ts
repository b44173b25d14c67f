import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { inNetwork } from '@landbridge/lab/network.ts';

/** Where a program runs: as on a node, which processes of pods and the agent's are told apart by control group. */
export interface Place {
  readonly netns: string;
  /** The file to write a process id to. */
  readonly group: string;
}

/** A program that runs until it is disposed of. */
export interface Program extends AsyncDisposable {
  readonly pid: number;
  /** What it wrote first, when it was ready. */
  readonly ready: string;
}

/** Enters the control group before it becomes the program, so that the program has never been outside. */
function launch({ netns, group }: Place, argv: readonly string[]): ChildProcess {
  return spawn('sh', ['-ec', `echo $$ > "$0"; exec "$@"`, group, ...inNetwork(netns, argv)], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Runs a program to its end and returns what it wrote. */
export async function runProgram(place: Place, argv: readonly string[]): Promise<string> {
  const child = launch(place, argv);
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(child, 'close');
  return Buffer.concat(chunks).toString().trim();
}

/** Starts a program and waits for its first line. */
export async function startProgram(place: Place, argv: readonly string[]): Promise<Program> {
  const child = launch(place, argv);
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
  const first = await Promise.race([once(lines, 'line'), closed.then(() => undefined)]);
  if (first === undefined || child.pid === undefined) throw new Error(`${argv.join(' ').slice(0, 200)} ended before it was ready`);
  return {
    pid: child.pid,
    ready: String(first[0]),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
