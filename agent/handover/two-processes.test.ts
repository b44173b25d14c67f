import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { waitFor } from '@landbridge/lab/wait.ts';
import { CONNECTIONS_PER_BATCH } from './handed-batch.ts';
import type { Giving } from './give-connections.ts';
import type { Taking } from './take-connections.ts';
import { CounterClient } from './test-counter-clients.ts';
import type { Moment, Told } from './test-counter-process.ts';

/** Four batches, the last of them smaller. */
const CONNECTIONS = 3 * CONNECTIONS_PER_BATCH + 5;
const PROGRAM = path.join(import.meta.dirname, 'test-counter-process.ts');
const WAIT_MS = 30_000;
/** Where the deadline is not what is tried: the machine may be busy. */
const PATIENT = { batchMs: 20_000 };
/** Where it is. */
const BRIEF = { batchMs: 2000 };
const never = new AbortController().signal;

type Answer = { readonly listens: true } | { readonly result: object } | { readonly error: string };

/** A process of its own, and what it says. */
class Agent {
  readonly child: ChildProcess;

  constructor(t: ExecutionContext, maxFiles?: number) {
    const command = maxFiles === undefined ? [process.execPath, PROGRAM] : ['prlimit', `--nofile=${maxFiles}:${maxFiles}`, process.execPath, PROGRAM];
    this.child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    t.teardown(() => this.child.kill('SIGKILL'));
  }

  tell(message: Told): void {
    this.child.send(message);
  }

  /** The next thing it says; undefined where it ends without a word. */
  async hear(): Promise<Answer | undefined> {
    const heard = new AbortController();
    const signal = AbortSignal.any([heard.signal, AbortSignal.timeout(WAIT_MS)]);
    const waits = [once(this.child, 'message', { signal }), once(this.child, 'exit', { signal }).then(() => [undefined])];
    try {
      const [answer] = await Promise.race(waits);
      return answer as Answer | undefined;
    } finally {
      heard.abort();
      await Promise.allSettled(waits);
    }
  }

  async ask<T>(message: Told): Promise<T> {
    this.tell(message);
    const answer = await this.hear();
    if (answer === undefined || !('result' in answer)) throw new Error(JSON.stringify(answer));
    return answer.result as T;
  }

  /** Begins to listen for a hand-over; what came of it is heard later. */
  async beginTaking(message: Extract<Told, { readonly kind: 'take' }>): Promise<{ readonly taking: Promise<Taking | undefined> }> {
    this.tell(message);
    await this.hear();
    return { taking: this.hear().then((answer) => (answer !== undefined && 'result' in answer ? (answer.result as Taking) : undefined)) };
  }

  async isStopped(): Promise<void> {
    await waitFor(() => /^State:\s+T/m.test(readFileSync(`/proc/${this.child.pid}/status`, 'latin1')) || undefined, { signal: never, timeoutMs: WAIT_MS, everyMs: 5, what: 'a process to stop' });
  }
}

interface Scene {
  readonly old: Agent;
  readonly clients: readonly CounterClient[];
  readonly socket: string;
}

async function scene(t: ExecutionContext, connections = CONNECTIONS): Promise<Scene> {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-handover-'));
  const old = new Agent(t);
  const { port } = await old.ask<{ readonly port: number }>({ kind: 'listen' });
  const clients = await Promise.all(Array.from({ length: connections }, async () => await CounterClient.open(port)));
  t.teardown(() => {
    for (const client of clients) client.close();
    rmSync(directory, { recursive: true });
  });
  for (const client of clients) await client.settled();
  return { old, clients, socket: path.join(directory, 's') };
}

async function outcomes(t: ExecutionContext, clients: readonly CounterClient[]): Promise<{ readonly goOn: number; readonly closed: number }> {
  const ends = await Promise.all(clients.map(async (client) => await client.settled()));
  t.deepEqual(clients.map(({ fault }) => fault).filter((fault) => fault !== ''), []);
  return { goOn: ends.filter((end) => end === 'goes-on').length, closed: ends.filter((end) => end === 'closed').length };
}

const sizeOf = async (agent: Agent): Promise<number> => (await agent.ask<{ readonly size: number }>({ kind: 'count' })).size;

/** A hand-over of which one side ends or stops itself. `given`: what the old process says of it, where it can. */
async function handOver(t: ExecutionContext, { at, of, ...more }: { readonly at?: Moment; readonly of?: 'old' | 'successor'; readonly batchMs?: number; readonly prepareMs?: number; readonly refuses?: boolean; readonly maxFiles?: number }, on?: Scene) {
  const { old, clients, socket } = on ?? (await scene(t));
  const successor = new Agent(t, more.maxFiles);
  const { taking } = await successor.beginTaking({ kind: 'take', path: socket, ...(of === 'successor' && at !== undefined ? { at } : {}), ...more });
  old.tell({ kind: 'give', path: socket, ...(of === 'old' && at !== undefined ? { at } : {}), ...more });
  return { old, successor, clients, socket, taking, giving: old.hear() };
}

const gave = async (giving: Promise<Answer | undefined>): Promise<Giving> => {
  const answer = await giving;
  if (answer === undefined || !('result' in answer)) throw new Error(JSON.stringify(answer));
  return answer.result as Giving;
};

test.serial('all connections move, and each goes on with its next number', async (t) => {
  const { old, successor, clients, taking, giving } = await handOver(t, PATIENT);
  t.like(await gave(giving), { outcome: { kind: 'complete' }, batches: 4, connections: CONNECTIONS });
  t.like(await taking, { outcome: { kind: 'complete' }, batches: 4, connections: CONNECTIONS });
  t.deepEqual(await outcomes(t, clients), { goOn: CONNECTIONS, closed: 0 });
  t.deepEqual([await sizeOf(old), await sizeOf(successor)], [0, CONNECTIONS]);
  old.child.kill('SIGKILL');
  await once(old.child, 'exit');
  t.deepEqual(await outcomes(t, clients), { goOn: CONNECTIONS, closed: 0 });
});

/** By the moment at which the successor is killed: how many connections have gone there, and end with it. */
const SUCCESSOR_KILLED: readonly (readonly [kind: string, number: number | undefined, lost: number])[] = [
  ['greeting', undefined, 0],
  ['waiting', undefined, 0],
  ['rehearsing', undefined, 0],
  ['preparing', 2, CONNECTIONS_PER_BATCH],
  ['saying', 2, CONNECTIONS_PER_BATCH],
  ['starting', 2, 2 * CONNECTIONS_PER_BATCH],
  ['preparing', 4, 3 * CONNECTIONS_PER_BATCH],
];
for (const [kind, number, lost] of SUCCESSOR_KILLED) {
  test.serial(`a successor that is killed before ${kind} ${number ?? ''} takes no more with it than it had taken`, async (t) => {
    const { old, clients, giving } = await handOver(t, { ...PATIENT, of: 'successor', at: { kind, signal: 'SIGKILL', ...(number === undefined ? {} : { number }) } });
    t.is((await gave(giving)).outcome.kind, 'successor-gone');
    t.deepEqual(await outcomes(t, clients), { goOn: CONNECTIONS - lost, closed: lost });
    t.is(await sizeOf(old), CONNECTIONS - lost);
  });
}

/** By the moment at which the old process is killed: how many connections the successor has then. */
const OLD_KILLED: readonly (readonly [kind: string, number: number | undefined, taken: number])[] = [
  ['greeting', undefined, 0],
  ['rehearsing', undefined, 0],
  ['watching', undefined, 0],
  ['asking', 1, 0],
  ['asking', 3, 2 * CONNECTIONS_PER_BATCH],
  ['sending', 2, CONNECTIONS_PER_BATCH],
  // Whole, and standing still: nobody else moves it.
  ['offered', 2, 2 * CONNECTIONS_PER_BATCH],
  ['settling', 2, 2 * CONNECTIONS_PER_BATCH],
  ['parting', undefined, CONNECTIONS],
];
for (const [kind, number, count] of OLD_KILLED) {
  test.serial(`an old process that is killed before ${kind} ${number ?? ''} leaves what it had given`, async (t) => {
    const { successor, clients, taking, giving } = await handOver(t, { ...PATIENT, of: 'old', at: { kind, signal: 'SIGKILL', ...(number === undefined ? {} : { number }) } });
    await giving;
    t.is((await taking)?.connections, count);
    t.deepEqual(await outcomes(t, clients), { goOn: count, closed: CONNECTIONS - count });
    t.is(await sizeOf(successor), count);
  });
}

for (const [kind, number] of [['preparing', 2], ['saying', 3]] as const) {
  test.serial(`a successor that stops before ${kind} ${number} costs a pause, and lets go when it goes on`, async (t) => {
    const { old, successor, clients, taking, giving } = await handOver(t, { ...BRIEF, of: 'successor', at: { kind, number, signal: 'SIGSTOP' } });
    await successor.isStopped();
    const taken = (number - 1) * CONNECTIONS_PER_BATCH;
    t.is((await gave(giving)).outcome.kind, 'not-taken');
    t.is(await sizeOf(old), CONNECTIONS - taken);
    successor.child.kill('SIGCONT');
    t.like(await taking, { outcome: { kind: 'aborted' }, connections: taken });
    t.deepEqual(await outcomes(t, clients), { goOn: CONNECTIONS, closed: 0 });
    t.is(await sizeOf(successor), taken);
  });
}

test.serial('a successor that had said take before it stopped has the batch', async (t) => {
  const { old, successor, clients, taking, giving } = await handOver(t, { ...BRIEF, of: 'successor', at: { kind: 'starting', number: 2, signal: 'SIGSTOP' } });
  await successor.isStopped();
  t.is((await gave(giving)).outcome.kind, 'not-taken');
  successor.child.kill('SIGCONT');
  t.is((await taking)?.connections, 2 * CONNECTIONS_PER_BATCH);
  t.deepEqual(await outcomes(t, clients), { goOn: CONNECTIONS, closed: 0 });
  t.deepEqual([await sizeOf(old), await sizeOf(successor)], [CONNECTIONS - 2 * CONNECTIONS_PER_BATCH, 2 * CONNECTIONS_PER_BATCH]);
});

test.serial('a successor with too few descriptors gets nothing, and nothing is lost', async (t) => {
  const { old, clients, taking, giving } = await handOver(t, { ...PATIENT, maxFiles: 40 });
  t.is((await gave(giving)).outcome.kind, 'successor-gone');
  const { outcome } = (await taking) as Taking;
  t.like(outcome, { kind: 'given-up' });
  t.regex((outcome as { readonly reason: string }).reason, /RLIMIT_NOFILE/);
  t.deepEqual(await outcomes(t, clients), { goOn: CONNECTIONS, closed: 0 });
  t.is(await sizeOf(old), CONNECTIONS);
});

test.serial('a successor that can not read the batches leaves all where it is', async (t) => {
  const { old, clients, taking, giving } = await handOver(t, { ...PATIENT, refuses: true });
  t.like(await gave(giving), { outcome: { kind: 'complete' }, connections: 0, staying: { refused: CONNECTIONS } });
  t.like(await taking, { outcome: { kind: 'complete' }, connections: 0 });
  t.deepEqual(await outcomes(t, clients), { goOn: CONNECTIONS, closed: 0 });
  t.is(await sizeOf(old), CONNECTIONS);
});

test.serial('what is left of a hand-over that broke goes to the next successor', async (t) => {
  const first = await handOver(t, { ...BRIEF, of: 'successor', at: { kind: 'preparing', number: 3, signal: 'SIGSTOP' } });
  t.is((await gave(first.giving)).outcome.kind, 'not-taken');
  const second = await handOver(t, PATIENT, first);
  t.like(await gave(second.giving), { outcome: { kind: 'complete' }, connections: CONNECTIONS - 2 * CONNECTIONS_PER_BATCH });
  first.successor.child.kill('SIGCONT');
  t.is((await first.taking)?.connections, 2 * CONNECTIONS_PER_BATCH);
  t.deepEqual(await outcomes(t, first.clients), { goOn: CONNECTIONS, closed: 0 });
  t.is(await sizeOf(first.old), 0);
});

test.serial('where take races with the deadline, every connection has one owner', async (t) => {
  const ROUNDS = 40;
  const { old, clients, socket } = await scene(t, 4 * CONNECTIONS_PER_BATCH);
  let [from, to] = [old, new Agent(t)];
  const seen: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round++) {
    const { taking } = await to.beginTaking({ kind: 'take', path: socket, prepareMs: round % 4 });
    from.tell({ kind: 'give', path: socket, batchMs: 1 + (round % 7) });
    const { outcome } = await gave(from.hear());
    seen[outcome.kind] = (seen[outcome.kind] ?? 0) + 1;
    await taking;
    t.is((await sizeOf(from)) + (await sizeOf(to)), clients.length);
    if ((await sizeOf(from)) === 0) [from, to] = [to, from];
  }
  t.log(JSON.stringify(seen));
  t.deepEqual(await outcomes(t, clients), { goOn: clients.length, closed: 0 });
});
