import { release } from 'node:os';
import type { GuardKind } from '@landbridge/agent/capture/egress-guard.ts';
import { isAtLeast, parseKernelRelease } from '@landbridge/lab/machine.ts';

const hasTcx = isAtLeast(parseKernelRelease(release()) ?? { major: 0, minor: 0 }, { major: 6, minor: 6 });

/** Ways to guard, each with whether tests of it can run here: from Linux 6.6 on none of them is left out, whatever the kernel says. */
export const GUARDS: readonly { readonly guard: GuardKind; readonly runs: boolean }[] = [
  { guard: 'tcx', runs: hasTcx },
  { guard: 'clsact', runs: true },
];
