/**
 * Serves flow-client.ts: `port`. Ready when it listens. At SIGHUP those that have nothing to wait for say their last
 * words, and it writes an array of {@link EndReport} once all are over: of those since the last time.
 */
import { createServer, type Socket } from 'node:net';
import { type EndReport, FlowEnd, HELLO_BYTES, readHello } from './flow-ends.ts';

/* Who says anything else than a client of flow-client.ts does is answered with the same. */

const END_MS = 60_000;
const [port = ''] = process.argv.slice(2);
let ends: FlowEnd[] = [];

function serve(socket: Socket): void {
  const begin = (): void => {
    const bytes = socket.read(HELLO_BYTES) as Buffer | null;
    if (bytes === null) return;
    socket.off('readable', begin);
    socket.off('error', ignore);
    const { flow, kind } = readHello(bytes);
    if (kind !== undefined) return void ends.push(new FlowEnd(socket, 'server', flow, kind));
    socket.write(bytes);
    socket.on('error', ignore).pipe(socket);
  };
  const ignore = (): void => {
    // One that has not said who it is is nobody's.
  };
  socket.on('error', ignore);
  socket.on('readable', begin);
}

async function finish(): Promise<void> {
  const those = ends;
  ends = [];
  for (const end of those) end.finish();
  await Promise.race([Promise.all(those.map(({ over }) => over)), new Promise((resolve) => setTimeout(resolve, END_MS).unref())]);
  const reports: EndReport[] = those.map((end) => (end.isOver ? end.report : { ...end.report, fault: 'does not end' }));
  process.stdout.write(`${JSON.stringify(reports)}\n`);
}

process.on('SIGHUP', () => void finish());
createServer({ allowHalfOpen: true, noDelay: true }, serve).listen({ port: Number(port), host: '0.0.0.0', backlog: 1024 }, () => process.stdout.write('ready\n'));
