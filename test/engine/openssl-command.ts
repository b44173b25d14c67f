import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PeerCertificate } from './node-peers.ts';

const PATIENCE_MS = 60_000;

/** `openssl s_client` or `s_server`, with its input and what it has said so far. */
export class OpensslCommand implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #directory: string;
  readonly #ended: Promise<unknown>;
  #output = '';
  /** What was waited for is before it. */
  #at = 0;
  #changed = Promise.withResolvers<void>();

  constructor(command: 's_client' | 's_server', own: PeerCertificate | undefined, rootsPem: string, args: readonly string[]) {
    this.#directory = mkdtempSync(path.join(tmpdir(), 'landbridge-openssl-'));
    const file = (name: string, text: string): string => {
      const at = path.join(this.#directory, name);
      writeFileSync(at, text);
      return at;
    };
    const certificate = own === undefined ? [] : ['-cert', file('own.crt', own.chainPem), '-key', file('own.key', own.keyPem)];
    this.#child = spawn('openssl', [command, ...certificate, '-CAfile', file('ca.crt', rootsPem), ...args], { stdio: 'pipe' });
    this.#ended = once(this.#child, 'close').then(() => this.#said('', true));
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.setEncoding('latin1').on('data', (text: string) => this.#said(text));
    this.#child.stdin.on('error', () => {
      // It has ended, as its output tells.
    });
  }

  #said(text: string, isLast = false): void {
    this.#output += text;
    const { resolve } = this.#changed;
    if (!isLast) this.#changed = Promise.withResolvers();
    resolve();
  }

  get output(): string {
    return this.#output;
  }

  write(bytes: Uint8Array | string): void {
    this.#child.stdin.write(bytes);
  }

  /** Waits until it has said so, after what was waited for before. @throws with what it said instead */
  async says(pattern: RegExp): Promise<void> {
    const tooLate = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const found = pattern.exec(this.#output.slice(this.#at));
      if (found !== null) {
        this.#at += found.index + found[0].length;
        return;
      }
      if (tooLate.aborted || this.#child.exitCode !== null) throw new Error(`openssl did not say ${pattern}: ${this.#output.slice(this.#at)}`);
      await Promise.race([this.#changed.promise, once(tooLate, 'abort')]);
    }
  }

  async ended(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#ended;
    rmSync(this.#directory, { recursive: true });
  }
}
