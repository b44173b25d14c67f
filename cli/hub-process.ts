/** Starts a real nats-server over the files of a new hub, for tests. */
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '@landbridge/lab/free-ports.ts';
import { parse } from 'yaml';
import { type HubAuthority, parseHubAuthority } from '@landbridge/federation/join/credentials.ts';
import { makeHub, writeHub } from './hub-init.ts';
import { parseHubUrl } from './hub-url.ts';

export interface RunningHub extends AsyncDisposable {
  readonly authority: HubAuthority;
  readonly url: string;
  readonly directory: string;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** From LANDBRIDGE_NATS_SERVER, or else the newest that the lab has built. */
export function natsServerBinary(): string {
  const named = process.env['LANDBRIDGE_NATS_SERVER'];
  if (named) {
    if (!existsSync(named)) throw new Error(`LANDBRIDGE_NATS_SERVER is ${named}, which does not exist.`);
    return named;
  }
  const cache = process.env['LANDBRIDGE_CACHE'] || path.join(homedir(), '.cache', 'landbridge');
  const found = globSync(path.join(cache, 'tools', 'nats-server-*', 'nats-server')).sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (found[0] === undefined) throw new Error('There is no nats-server to test with: build the lab’s tools with `npm run lab`, or set LANDBRIDGE_NATS_SERVER to the program.');
  return found[0];
}

export async function startHub(): Promise<RunningHub> {
  const binary = natsServerBinary();
  const port = await freePort();
  const directory = path.join(mkdtempSync(path.join(tmpdir(), 'landbridge-hub-')), 'hub');
  const url = `tls://127.0.0.1:${port}`;
  const parsed = parseHubUrl(url);
  if (!parsed.ok) throw new Error(parsed.error);
  const files = await makeHub({ urls: [parsed.value], sans: ['localhost'], directory, namespace: 'landbridge-system' }, new Date());
  await writeHub(directory, files);
  const secret = parse(files.get('authority-secret.yaml') as string) as { stringData: { 'hub.json': string } };
  const authority = parseHubAuthority(secret.stringData['hub.json']);
  if (!authority.ok) throw new Error(authority.error);

  let stopServer: (() => Promise<void>) | undefined;
  const stop = async (): Promise<void> => {
    await stopServer?.();
    stopServer = undefined;
  };
  const start = async (): Promise<void> => {
    stopServer = await startNatsServer(binary, path.join(directory, 'nats.conf'));
  };
  await start();
  return {
    authority: authority.value,
    url,
    directory,
    stop,
    start,
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(path.dirname(directory), { recursive: true, force: true });
    },
  };
}

/** @returns what stops it, however often that is called */
export async function startNatsServer(binary: string, config: string): Promise<() => Promise<void>> {
  // The address is the test's choice; a real hub listens on all.
  const child = spawn(binary, ['-c', config, '-a', '127.0.0.1'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-16_384);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.once('error', (error) => {
    log += error.message;
  });
  for (let waited = 0; !log.includes('Server is ready'); waited += 20) {
    if (child.exitCode !== null || waited > 10_000) {
      child.kill('SIGKILL');
      throw new Error(`nats-server did not start:\n${log}`);
    }
    await delay(20);
  }
  return async () => {
    child.kill('SIGTERM');
    await ended;
  };
}
