import { release } from 'node:os';
import type { InterfaceHook } from '@landbridge/agent/capture/interface-program.ts';
import { isAtLeast, parseKernelRelease } from '@landbridge/lab/machine.ts';

const hasTcx = isAtLeast(parseKernelRelease(release()) ?? { major: 0, minor: 0 }, { major: 6, minor: 6 });

/** Ways to attach to interfaces, each with whether tests of it can run here: from Linux 6.6 on none of them is left out, whatever the kernel says. */
export const HOOKS: readonly { readonly hook: InterfaceHook; readonly runs: boolean }[] = [
  { hook: 'tcx', runs: hasTcx },
  { hook: 'clsact', runs: true },
];
