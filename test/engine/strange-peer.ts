import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { CACHE } from '@landbridge/lab/paths.ts';
import { run } from '@landbridge/lab/run.ts';
import type { PeerCertificate } from './node-peers.ts';

const FOLDER = path.join(import.meta.dirname, 'tlslite');
const REQUIREMENTS = path.join(FOLDER, 'requirements.txt');

/** Python with the pinned TLS implementation in it; another folder for other versions. */
function environment(): string {
  return path.join(CACHE, `tlslite-${createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)}`);
}

/** Installs what {@link StrangePeer} needs, once. */
export async function installStrangePeer(signal: AbortSignal): Promise<void> {
  const target = environment();
  if (existsSync(target)) return;
  const building = `${target}.building`;
  await rm(building, { recursive: true, force: true });
  await mkdir(CACHE, { recursive: true });
  await run(['python3', '-m', 'venv', building], { signal });
  await run([path.join(building, 'bin/python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary', ':all:', '--require-hashes', '--requirement', REQUIREMENTS], { signal });
  await rename(building, target);
}

export interface Outcome {
  /** What the engine said to it, 0 for close_notify; null: it only closed. */
  readonly alert: number | null;
  /** Whether it went on with it. */
  readonly answered?: boolean;
}

/** A TLS 1.3 peer that breaks one rule at a time. */
export class StrangePeer implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'landbridge-strange-peer-'));

  constructor(own: PeerCertificate) {
    const python = path.join(environment(), 'bin/python');
    if (!existsSync(python)) throw new Error(`there is no ${python}: run the tests with npm test, which installs it`);
    const [chain, key] = [path.join(this.#directory, 'own.crt'), path.join(this.#directory, 'own.key')];
    writeFileSync(chain, own.chainPem);
    writeFileSync(key, own.keyPem);
    this.#child = spawn(python, [path.join(FOLDER, 'strange-peer.py'), chain, key], { stdio: 'pipe' });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async #next(): Promise<Outcome & { readonly port?: number; readonly error?: string }> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the peer ended: ${this.#child.stderr.read()}`);
    const said = JSON.parse(value) as Outcome & { readonly port?: number; readonly error?: string };
    if (said.error !== undefined) throw new Error(`the peer failed: ${said.error}`);
    return said;
  }

  /** Connects to a port and does what the case says. */
  async asClient(port: number, what: string): Promise<Outcome> {
    this.#child.stdin.write(`client ${port} ${what}\n`);
    return await this.#next();
  }

  /** Waits for a connection and does what the case says. */
  async asServer(what: string, connect: (port: number) => Promise<unknown>): Promise<Outcome> {
    this.#child.stdin.write(`server 0 ${what}\n`);
    const { port = 0 } = await this.#next();
    const [outcome] = await Promise.all([this.#next(), connect(port)]);
    return outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.kill();
    await closed;
    rmSync(this.#directory, { recursive: true });
  }
}
