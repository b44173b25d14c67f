/** Certificate requests and the openssl program, for tests. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs openssl with files that last as long as it does; `@name` in an argument is the path of the file. All its output is returned or thrown. */
export function openssl(args: readonly string[], files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'landbridge-openssl-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return execFileSync('openssl', args.map((argument) => argument.replace(/^@/, `${folder}/`)), { stdio: 'pipe', encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A request in PEM by a new key: `algorithm` as in `openssl req -newkey`, with `options` as in `-pkeyopt`. */
export function makeRequest(algorithm = 'ec', ...options: readonly string[]): string {
  const chosen = algorithm === 'ec' && options.length === 0 ? ['ec_paramgen_curve:P-256'] : options;
  return openssl(['req', '-new', '-newkey', algorithm, ...chosen.flatMap((option) => ['-pkeyopt', option]), '-nodes', '-keyout', '/dev/null', '-subj', '/CN=ignored']);
}

export function requestBytes(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}

export function requestPem(bytes: Uint8Array): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(bytes).toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}
