/**
 * Runs the kernel tests on the oldest kernel that is claimed, in a virtual machine: node test/kernels/run.ts. Not a
 * part of `npm test`: without KVM everything takes about twenty times as long.
 */
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { buildAccelerationObject, buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { installPackages } from '@landbridge/lab/machine.ts';
import { STATE } from '@landbridge/lab/paths.ts';
import { NO_TIER_UP, REPOSITORY } from '../command.ts';
import { fetchDebianKernel, type KernelImage, unpackKernel } from './debian-kernel.ts';
import { initialRoot } from './initial-root.ts';
import { type Accelerator, GUEST_OUTPUT, runMachine } from './virtual-machine.ts';

const USAGE = `usage: node test/kernels/run.ts [--package FILE] [--accelerator kvm|tcg] [--log FILE] [FILE]...
  --package      a Debian package of a kernel; default: the kernel of this Debian, which apt fetches
  --accelerator  default: KVM, and emulation where that does not work
  --log          where to write what the guest says
  FILE           tests to run; default: all *.kernel.test.ts
`;
const PACKAGES = { 'qemu-system-x86': ['/usr/bin/qemu-system-x86_64'], 'busybox-static': ['/usr/share/doc/busybox-static'], kmod: ['/usr/sbin/depmod', '/sbin/depmod'] };
/** Of all: the tests take minutes with KVM, and most of an hour without. */
const MAX_RUN_MS = 90 * 60_000;
/** Waits of the tests are made for a machine that is not emulated (lab/wait.ts). */
const PATIENCE = { kvm: 1, tcg: 20 } as const;
/** Of what runs on a processor that is emulated. What was compiled once need not be compiled again by the next of many processes. */
const EMULATED = { NODE_OPTIONS: NO_TIER_UP, NODE_COMPILE_CACHE: '/tmp/compile-cache' } as const;
/** Folders of tests that are many connections or hundreds of pods for seconds, or three clusters and a hub at real times. */
const LOAD_TESTS: readonly string[] = ['test/federation-faults', 'test/footprint', 'test/replacement'];
/** The last line of the guest begins with it; the exit status of the tests follows. */
const END = '== ended with status';

interface Wanted {
  readonly package?: string;
  readonly accelerators: readonly Accelerator[];
  readonly log?: string;
  readonly files: readonly string[];
}

function readArguments(): Wanted | undefined {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { package: { type: 'string' }, accelerator: { type: 'string' }, log: { type: 'string' } } });
    const accelerators = (['kvm', 'tcg'] as const).filter((each) => (values.accelerator === undefined ? each === 'tcg' || existsSync('/dev/kvm') : each === values.accelerator));
    if (accelerators.length === 0 || positionals.some((file) => /\s/.test(file))) return undefined;
    return { ...values, accelerators, files: positionals };
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

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

async function runIn(kernel: KernelImage, accelerator: Accelerator, files: readonly string[], signal: AbortSignal): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-kernel-'));
  try {
    const values = { OUTPUT: GUEST_OUTPUT, REPOSITORY, STATE, FILES: files.join(' '), END, HOME: process.env['HOME'] ?? '/root', LANDBRIDGE_PATIENCE: String(PATIENCE[accelerator]), ...(accelerator === 'tcg' ? EMULATED : {}) };
    const script = `${Object.entries(values).map(([name, value]) => `export ${name}=${quoted(value)}\n`).join('')}${readFileSync(path.join(import.meta.dirname, 'guest.sh'), 'utf8')}`;
    const initial = path.join(directory, 'initial-root');
    writeFileSync(initial, await initialRoot(kernel, script, signal));
    onLine(`== Linux ${kernel.release} with ${accelerator}`);
    await runMachine({ kernel, initialRoot: initial, accelerator, directory, signal, onLine });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Whether all tests passed. */
async function main({ package: file, accelerators, files }: Wanted, signal: AbortSignal): Promise<boolean> {
  await installPackages(PACKAGES, signal);
  const kernel = file === undefined ? await fetchDebianKernel(signal) : await unpackKernel(file, signal);
  buildAccelerationObject();
  buildCaptureObject();
  for (const accelerator of accelerators) {
    try {
      await runIn(kernel, accelerator, files.length === 0 && accelerator === 'tcg' ? testsWithoutLoad() : files, signal);
      break;
    } catch (thrown) {
      if (!(thrown instanceof LandbridgeError) || thrown.code !== 'no-boot' || accelerator === accelerators.at(-1)) throw thrown;
      process.stdout.write(`${thrown.message}\n`);
      lines.length = 0;
    }
  }
  if (lines.at(-1)?.startsWith(END) !== true) onLine('the guest ended before its tests did');
  return lines.at(-1) === `${END} 0`;
}

/** Without what an emulated processor can not stand. */
function testsWithoutLoad(): string[] {
  onLine(`== not run, because they put load on a processor that is emulated: ${LOAD_TESTS.join(' ')}`);
  return globSync('*/**/*.kernel.test.ts', { cwd: REPOSITORY, exclude: (name) => name === 'node_modules' }).filter((file) => !LOAD_TESTS.some((folder) => file.startsWith(folder))).sort();
}

const wanted = readArguments();
if (wanted === undefined) {
  process.stderr.write(USAGE);
  process.exit(64);
}
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort(new LandbridgeError('interrupted', `interrupted by ${name}`)));
const deadline = AbortSignal.timeout(MAX_RUN_MS);
try {
  process.exitCode = (await main(wanted, AbortSignal.any([interrupted.signal, deadline]))) ? 0 : 1;
} catch (thrown) {
  onLine(`the tests could not go on: ${interrupted.signal.aborted ? 'interrupted' : deadline.aborted ? `they took more than ${MAX_RUN_MS / 60_000} minutes` : LandbridgeError.from(thrown).message}`);
  process.exitCode = 1;
}
if (wanted.log !== undefined) writeFileSync(wanted.log, `${lines.join('\n')}\n`);
