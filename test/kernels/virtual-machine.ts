import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { KernelImage } from './debian-kernel.ts';
import { HOST_TAG, MODULES_TAG } from './initial-root.ts';

export type Accelerator = 'kvm' | 'tcg';

export interface MachineOptions {
  readonly kernel: KernelImage;
  /** File of the initial root. */
  readonly initialRoot: string;
  readonly accelerator: Accelerator;
  /** For what the guest's kernel writes. */
  readonly directory: string;
  /** Whatever is not over when it aborts is ended. */
  readonly signal: AbortSignal;
  /** How long a guest under KVM may take for its first line, in milliseconds. */
  readonly kvmBootMs?: number;
  /** For each line that the guest writes to {@link GUEST_OUTPUT}. */
  readonly onLine: (line: string) => void;
}

/** What the guest writes its lines to. The kernel's own messages go to ttyS0. */
export const GUEST_OUTPUT = '/dev/ttyS1';

const PROCESSORS = 2;
const MEMORY = '4G';
/** AVX, which qemu 7.2 of Debian 12 is the first to emulate, is left out: Node.js uses what is there. */
const EMULATED_PROCESSOR = 'max,avx=off,avx2=off,f16c=off,fma=off,vaes=off,vpclmulqdq=off';
/** Where KVM is there and does not work, as in some virtual machines, the guest says nothing, or qemu ends. Under KVM it takes a second. */
const KVM_BOOT_MS = 30_000;
const KERNEL_WORDS = 20;

/** Boots a kernel and lets it run until it powers itself off. @throws LandbridgeError `no-boot` where the guest never wrote a line */
export async function runMachine({ kernel, initialRoot, accelerator, directory, signal, kvmBootMs = KVM_BOOT_MS, onLine }: MachineOptions): Promise<void> {
  const console = path.join(directory, `console-${accelerator}`);
  const lends = (tag: string, where: string): string[] => ['-fsdev', `local,id=${tag},path=${where},security_model=none,readonly=on,multidevs=remap`, '-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`];
  const booting = new AbortController();
  const deadline = accelerator === 'kvm' ? setTimeout(() => booting.abort(), kvmBootMs) : undefined;
  let hasBooted = false;
  // It ends with this process, however that ends.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64',
    ...(accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi,tb-size=512', '-cpu', EMULATED_PROCESSOR]),
    '-smp', String(PROCESSORS), '-m', MEMORY, '-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none',
    '-kernel', kernel.image, '-initrd', initialRoot, '-append', 'console=ttyS0 quiet panic=-1 mitigations=off',
    '-serial', `file:${console}`, '-serial', 'stdio',
    ...lends(HOST_TAG, '/'), ...lends(MODULES_TAG, kernel.modules)], { stdio: ['ignore', 'pipe', 'pipe'], signal: AbortSignal.any([signal, booting.signal]), killSignal: 'SIGKILL' });
  // Its end is waited for below, where it tells more.
  child.on('error', () => {});
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(-2000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    hasBooted = true;
    clearTimeout(deadline);
    onLine(line);
  });
  // Not by once(), which the error of an end by the signal rejects before.
  await new Promise<void>((resolve) => child.on('close', () => resolve()));
  clearTimeout(deadline);
  signal.throwIfAborted();
  if (hasBooted) return;
  const kernelWords = existsSync(console) ? readFileSync(console, 'latin1').split('\n').slice(-KERNEL_WORDS).join('\n') : '';
  throw new LandbridgeError('no-boot', `the guest did not come up with ${accelerator}: ${`${words}\n${kernelWords}`.trim()}`);
}
