#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { makeAdminClient, tunnelToFederation } from './admin-client.ts';
import { openCluster } from './cluster-access.ts';
import { readKernelReport } from './node-kernels.ts';
import { observe } from './observe.ts';
import { runProgram } from './program.ts';

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => interrupt.abort(new LandbridgeError('interrupted', 'Interrupted.')));
}
// The reader of a pipe, such as head, may have enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };

process.exitCode = await runProgram(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  readStdin,
  signal: interrupt.signal,
  clock: () => Date.now(),
  version,
  admin: async (options) => makeAdminClient(tunnelToFederation(await openCluster(options))),
  observe: (options) => observe(options, interrupt.signal),
  kernelOf: async (node, options) => await readKernelReport(await openCluster(options), node, interrupt.signal),
});

async function readStdin(limitBytes: number): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin as AsyncIterable<string>) {
    text += chunk;
    if (text.length > limitBytes) break;
  }
  return text;
}
