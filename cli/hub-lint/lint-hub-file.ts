import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { CheckResult } from '../checks.ts';
import { lintHub } from './hub-rules.ts';
import { MAX_CONFIG_BYTES, parseNatsConfig } from './nats-config-file.ts';

const VERSION_TIMEOUT_MS = 10_000;

/** @throws LandbridgeError `hub-config-unreadable` */
export async function lintHubFile(file: string, server: string, signal: AbortSignal): Promise<CheckResult[]> {
  let text: string;
  try {
    text = await readFile(file, { encoding: 'utf8', signal });
  } catch (thrown) {
    signal.throwIfAborted();
    throw unreadable(file, `it can not be opened (${(thrown as NodeJS.ErrnoException).code ?? 'unknown'})`, thrown);
  }
  const parsed = parseNatsConfig(text);
  if (!parsed.ok) throw unreadable(file, parsed.error);
  return lintHub(parsed.value, await versionOf(server, signal));
}

/** Undefined where there is no such program here: the hub may run elsewhere. */
async function versionOf(server: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(server, ['--version'], { signal, timeout: VERSION_TIMEOUT_MS, maxBuffer: 64 * 1024 });
    return /v?\d+\.\d+\.\d+\S*/.exec(stdout)?.[0];
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

function unreadable(file: string, reason: string, cause?: unknown): LandbridgeError {
  return new LandbridgeError('hub-config-unreadable', `${file} can not be read as a configuration of nats-server: ${reason}.`, { hint: `nats-server -c ${file} -t says more. At most ${MAX_CONFIG_BYTES} bytes are read.`, cause });
}
