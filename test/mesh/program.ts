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
  /** The next line that it writes, the one that said that it is ready left out. */
  line(): Promise<string>;
}

/**
 * Enters the control group before it becomes the program, so that the program has never been outside. It ends with
 * this process, however that ends: who waits for the end of its error output would wait for ever otherwise.
 */
function launch({ netns, group }: Place, argv: readonly string[]): ChildProcess {
  return spawn('sh', ['-ec', 'echo $$ > "$0"; exec setpriv --pdeathsig KILL "$@"', group, ...inNetwork(netns, argv)], { stdio: ['ignore', 'pipe', 'inherit'] });
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
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const next = await lines.next();
    if (next.done === true) throw new Error(`${argv.join(' ').slice(0, 200)} ended`);
    return next.value;
  };
  await line();
  return {
    pid: child.pid ?? 0,
    line,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
