/**
 * Runs the kernel tests on the oldest kernel that is claimed, in a virtual machine: node test/kernels/run.ts. Not a
 * part of `npm test`: without KVM everything takes about twenty times as long.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { installPackages } from '@landbridge/lab/machine.ts';
import { REPOSITORY } from '../command.ts';
import { fetchDebianKernel, unpackKernel } from './debian-kernel.ts';
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
/** The last line of the guest begins with it; the exit status of the tests follows. */
const END = '== ended with status';

function readArguments(): { readonly package?: string; readonly accelerators: readonly Accelerator[]; readonly log?: string; readonly files: readonly string[] } | undefined {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { package: { type: 'string' }, accelerator: { type: 'string' }, log: { type: 'string' } } });
    const accelerators = (['kvm', 'tcg'] as const).filter((each) => values.accelerator === undefined || each === values.accelerator);
    if (accelerators.length === 0 || positionals.some((file) => /\s/.test(file))) return undefined;
    return { ...values, accelerators, files: positionals };
  } catch {
    // An unknown option.
    return undefined;
  }
}

const wanted = readArguments();
if (wanted === undefined) {
  process.stderr.write(USAGE);
  process.exit(64);
}
const signal = AbortSignal.any([AbortSignal.timeout(MAX_RUN_MS), ...(['SIGINT', 'SIGTERM'] as const).map((name) => {
  const interrupted = new AbortController();
  process.once(name, () => interrupted.abort(new LandbridgeError('interrupted', `interrupted by ${name}`)));
  return interrupted.signal;
})]);

await installPackages(PACKAGES, signal);
const kernel = wanted.package === undefined ? await fetchDebianKernel(signal) : await unpackKernel(wanted.package, signal);
buildCaptureObject();
const lines: string[] = [];
const onLine = (line: string): void => {
  lines.push(line);
  process.stdout.write(`${line}\n`);
};
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-kernel-'));
try {
  for (const accelerator of wanted.accelerators) {
    if (accelerator === 'kvm' && !existsSync('/dev/kvm')) continue;
    const values = { OUTPUT: GUEST_OUTPUT, REPOSITORY, FILES: wanted.files.join(' '), END, HOME: process.env['HOME'] ?? '/root', LANDBRIDGE_PATIENCE: String(PATIENCE[accelerator]) };
    const script = `${Object.entries(values).map(([name, value]) => `export ${name}=${quoted(value)}\n`).join('')}${readFileSync(path.join(import.meta.dirname, 'guest.sh'), 'utf8')}`;
    const initial = path.join(directory, 'initial-root');
    writeFileSync(initial, await initialRoot(kernel, script, signal));
    process.stdout.write(`== booting Linux ${kernel.release} with ${accelerator}\n`);
    try {
      await runMachine({ kernel, initialRoot: initial, accelerator, directory, signal, onLine });
      break;
    } catch (thrown) {
      if (!(thrown instanceof LandbridgeError) || thrown.code !== 'no-boot' || accelerator === wanted.accelerators.at(-1)) throw thrown;
      process.stdout.write(`${thrown.message}\n`);
    }
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
if (wanted.log !== undefined) writeFileSync(wanted.log, `${lines.join('\n')}\n`);
const last = lines.at(-1);
if (last?.startsWith(END) !== true) process.stdout.write('the guest ended before its tests did\n');
process.exitCode = last === `${END} 0` ? 0 : 1;
