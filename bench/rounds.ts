import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { say } from '@landbridge/lab/progress.ts';
import type { Case } from './cases.ts';
import type { Certificates } from './certificates.ts';
import { measure, type Measuring, type Sample } from './measure.ts';
import type { Path, RunningPath } from './path.ts';

/** All that was found about one path in one case. */
export interface Cell {
  readonly topology: string;
  readonly path: string;
  readonly one: Case;
  readonly samples: readonly Sample[];
  /** Why there are no more samples. */
  readonly failure: string | undefined;
}

export interface Pace {
  readonly seconds: number;
  readonly rounds: number;
  /** Times that a sample is taken at most, while others disturb it. */
  readonly tries: number;
}

export interface Run extends Measuring {
  readonly certificatesOf: Certificates;
  readonly directory: string;
  readonly pace: Pace;
}

/** Ports of each path, below those that the kernel gives to connections. */
const FIRST_PORT = 7000;
const PORTS_FOR_EACH = 10;
const TUNNEL_OFFSET = 5;

const WARM_SECONDS = 0.25;
/** Many connections fill their buffers first. */
const CROWD = { connections: 256, warmSeconds: 1 };
/** Before the first round: caches, compilers and allocators of all paths get as long as they need. */
const FIRST_WARM_SECONDS = 4;
const WARMING_UP: Pace = { seconds: 0.1, rounds: 1, tries: 1 };
/** A process' memory is looked at when its garbage has had time to go. */
const IDLE_WARM_SECONDS = 1.5;
/** Share of the machine that others may take in a sample. */
const DISTURBED = 0.08;
/** Lines. */
const LAST_WORDS = 8;

type Contender = { readonly path: Path; readonly samples: Sample[]; running: RunningPath | undefined; failure: string | undefined };

/** Measures one case on all paths in turn, round after round, so that what the machine does meanwhile hits all alike. */
export async function runCase(one: Case, paths: readonly Path[], run: Run): Promise<readonly Cell[]> {
  const contenders = paths.map((each): Contender => ({ path: each, samples: [], running: undefined, failure: undefined }));
  const begin = async (contender: Contender): Promise<void> => {
    contender.running = await startPath(contender.path, contenders.indexOf(contender), run);
  };
  const end = async (contender: Contender): Promise<void> => {
    await contender.running?.stop();
    contender.running = undefined;
  };
  // An idle connection's memory can be seen only in a process that has not had others before.
  const isFresh = one.kind === 'idle';
  try {
    if (!isFresh) {
      for (const contender of contenders) {
        await attempt(contender, run, async () => {
          await begin(contender);
          if (one.kind !== 'first-byte') await sampleOf(one, contender, FIRST_WARM_SECONDS, { ...run, pace: WARMING_UP });
        });
      }
    }
    // Memory hardly varies, and the connections take long to be opened.
    const rounds = isFresh ? Math.ceil(run.pace.rounds / 2) : run.pace.rounds;
    for (let round = 0; round < rounds; round++) {
      // Another one begins each time: no path is always the one after the same.
      for (let i = 0; i < contenders.length; i++) {
        const contender = contenders[(i + round) % contenders.length];
        if (contender === undefined || contender.failure !== undefined) continue;
        await attempt(contender, run, async () => {
          if (isFresh) await begin(contender);
          contender.samples.push(await sampleOf(one, contender, warmSecondsOf(one), run));
          if (isFresh) await end(contender);
        });
      }
    }
  } finally {
    for (const contender of contenders) await end(contender);
  }
  return contenders.map(({ path: { name }, samples, failure }) => ({ topology: run.topology.name, path: name, one, samples, failure }));
}

function warmSecondsOf(one: Case): number {
  if (one.kind === 'idle') return IDLE_WARM_SECONDS;
  return one.kind === 'bulk' && one.connections >= CROWD.connections ? CROWD.warmSeconds : WARM_SECONDS;
}

/** A path that fails is out of the case; the others go on. */
async function attempt(contender: Contender, run: Run, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (thrown) {
    run.signal.throwIfAborted();
    contender.failure = LandbridgeError.from(thrown).message;
    await contender.running?.stop();
    contender.running = undefined;
    say(`${contender.path.name} failed: ${contender.failure}${await lastWords(directoryOf(contender.path, run))}`);
  }
}

/** What the processes of a path have written last, for whoever looks for the reason. */
async function lastWords(directory: string): Promise<string> {
  const logs = (await readdir(directory)).filter((file) => file.endsWith('.log'));
  const texts = await Promise.all(logs.map(async (file) => ({ file, text: (await readFile(path.join(directory, file), 'utf8')).trim() })));
  return texts.filter(({ text }) => text !== '').map(({ file, text }) => `\n${file}: ${text.split('\n').slice(-LAST_WORDS).join('\n')}`).join('');
}

const directoryOf = ({ name }: Path, run: Run): string => path.join(run.directory, name);

async function startPath(one: Path, index: number, run: Run): Promise<RunningPath> {
  const { topology, load, certificatesOf, signal } = run;
  const directory = directoryOf(one, run);
  await mkdir(directory, { recursive: true });
  const listenPort = FIRST_PORT + index * PORTS_FOR_EACH;
  const running = await one.start({ topology, listenPort, tunnelPort: listenPort + TUNNEL_OFFSET, application: load.local, certificates: certificatesOf, directory, signal });
  try {
    // What does not carry bytes as they are is not worth to be measured.
    await load.run('check', { target: running.clientAddress, signal });
    return running;
  } catch (thrown) {
    await running.stop();
    throw thrown;
  }
}

/** The least disturbed one of as many samples as the pace allows. */
async function sampleOf(one: Case, { running }: Contender, warmSeconds: number, run: Run): Promise<Sample> {
  if (running === undefined) throw new LandbridgeError('internal', 'a path is measured that does not run');
  let best: Sample | undefined;
  for (let i = 0; i < run.pace.tries; i++) {
    const sample = await measure(one, running, run.pace.seconds, warmSeconds, run);
    if (best === undefined || sample.foreign < best.foreign) best = sample;
    if (!(best.foreign > DISTURBED) || one.kind === 'idle') break;
  }
  return best as Sample;
}
