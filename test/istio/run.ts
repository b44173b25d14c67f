/**
 * Tries our programs with the real istiod and ztunnel: node test/istio/run.ts --ztunnel FILE. Not a part of `npm test`,
 * as the two take longer to build than all else to run.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { installPackages } from '@landbridge/lab/machine.ts';
import { buildTools } from '@landbridge/lab/tools.ts';
import { REPOSITORY } from '../command.ts';
import { runTrials } from '../stages.ts';
import { buildIstiod, programsOf } from './istio-programs.ts';

const USAGE = `usage: node test/istio/run.ts [--ztunnel FILE] [--istiod FILE] [--log FILE] [TEST]...
  --ztunnel  the program; default: what the environment variable ZTUNNEL names
  --istiod   the program; default: it is built from its Go module, once
  --log      where to write what the tests say
  TEST       tests to run; default: all *.istio.test.ts
The environment variable LANDBRIDGE_KEEP_LOGS keeps what the programs wrote, and says where.
`;
const PACKAGES = { nftables: ['/usr/sbin/nft'], tcpdump: ['/usr/bin/tcpdump', '/usr/sbin/tcpdump'], 'busybox-static': ['/usr/share/doc/busybox-static'] };
const MAX_RUN_MS = 120 * 60_000;

interface Wanted {
  readonly ztunnel: string;
  readonly istiod?: string;
  readonly log?: string;
  readonly files: readonly string[];
}

function readArguments(): Wanted | undefined {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { ztunnel: { type: 'string' }, istiod: { type: 'string' }, log: { type: 'string' } } });
    const { ztunnel = process.env['ZTUNNEL'] } = values;
    return ztunnel === undefined ? undefined : { ...values, ztunnel: path.resolve(ztunnel), files: positionals };
  } catch {
    // An unknown option.
    return undefined;
  }
}

const lines: string[] = [];
function onLine(line: string): void {
  lines.push(line);
  process.stdout.write(`${line}\n`);
}

/** Whether all tests passed. */
async function main({ ztunnel, istiod, files }: Wanted, signal: AbortSignal): Promise<boolean> {
  await installPackages(PACKAGES, signal);
  await buildTools(signal);
  process.env['ISTIOD'] = istiod === undefined ? await buildIstiod(signal) : path.resolve(istiod);
  process.env['ZTUNNEL'] = ztunnel;
  const { versions } = await programsOf(process.env, signal);
  onLine(`== ${versions}`);
  const { passed, failed } = await runTrials({ signal, print: onLine }, files.map((file) => path.relative(REPOSITORY, file)));
  onLine(`== ${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0;
}

const wanted = readArguments();
if (wanted === undefined) {
  process.stderr.write(USAGE);
  process.exit(64);
}
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort(new LandbridgeError('interrupted', `interrupted by ${name}`)));
try {
  process.exitCode = (await main(wanted, AbortSignal.any([interrupted.signal, AbortSignal.timeout(MAX_RUN_MS)]))) ? 0 : 1;
} catch (thrown) {
  onLine(`the tests could not go on: ${LandbridgeError.from(thrown).message}`);
  process.exitCode = 1;
}
if (wanted.log !== undefined) writeFileSync(wanted.log, `${lines.join('\n')}\n`);
