/**
 * Clients of flow-server.ts: `host port first count`, connections numbered from `first` on. Ready once all are made and
 * have said who they are. At SIGHUP it writes the longest time from a question to its answer, and counts anew; at SIGUSR2
 * how many have failed, once each that asks was answered twice or has failed. At SIGTERM all finish, which it says, and
 * once all are over it writes {@link ClientReport}, with which it ends.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { waitFor } from '@landbridge/lab/wait.ts';
import { type EndReport, FlowEnd, hello, kindOf } from './flow-ends.ts';

export interface ClientReport {
  readonly ends: readonly EndReport[];
  readonly longestMs: number;
}

/** Connections that are made at once: the agent's listener holds as many back, and no test is about that. */
const AT_ONCE = 50;
/** For one that moves no more. */
const END_MS = 60_000;
const [host = '', port = '', first = '', count = ''] = process.argv.slice(2);
const ends: FlowEnd[] = [];

async function open(flow: number): Promise<void> {
  const socket = connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(hello(flow));
  ends.push(new FlowEnd(socket, 'client', flow, kindOf(flow)));
}

const numbers = Array.from({ length: Number(count) }, (_, i) => Number(first) + i);
for (let at = 0; at < numbers.length; at += AT_ONCE) await Promise.all(numbers.slice(at, at + AT_ONCE).map(open));

process.on('SIGHUP', () => {
  process.stdout.write(`${Math.max(0, ...ends.map(({ longestMs }) => longestMs))}\n`);
  for (const end of ends) end.longestMs = 0;
});
process.on('SIGUSR2', () => void heard());
process.on('SIGTERM', () => void finish());
// Nothing else keeps it alive where all have failed.
setInterval(() => {}, 1e6);
process.stdout.write('ready\n');

/** That connections go on is seen by those that ask. */
async function heard(): Promise<void> {
  const before = new Map(ends.map((end) => [end, end.answers]));
  const asking = ends.filter(({ kind }) => kind === 'chat');
  await waitFor(() => asking.every((end) => end.isOver || end.answers > (before.get(end) ?? 0) + 1) || undefined, { signal: new AbortController().signal, timeoutMs: END_MS, everyMs: 20, what: 'answers' });
  process.stdout.write(`${ends.filter(({ hasFailed }) => hasFailed).length}\n`);
}

async function finish(): Promise<void> {
  for (const end of ends) end.finish();
  process.stdout.write('finishing\n');
  await Promise.race([Promise.all(ends.map(({ over }) => over)), new Promise((resolve) => setTimeout(resolve, END_MS).unref())]);
  const report: ClientReport = { ends: ends.map((end) => (end.isOver ? end.report : { ...end.report, fault: 'does not end' })), longestMs: Math.max(0, ...ends.map(({ longestMs, waitsMs }) => Math.max(longestMs, waitsMs))) };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}
