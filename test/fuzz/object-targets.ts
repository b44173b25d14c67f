/** Parsers of what compilers make. */
import { existsSync, readFileSync } from 'node:fs';
import { BpfLinkerError, describeObject, generateSkeleton } from 'bpf-linker-node';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { CAPTURE_OBJECT } from '@landbridge/ebpf/capture-object.ts';
import { expect, type FuzzTarget, hex, utf8 } from './fuzz-target.ts';

if (!existsSync(CAPTURE_OBJECT)) buildCaptureObject();

const bpfObject: FuzzTarget = {
  name: 'bpf-object',
  examples: [Uint8Array.from(readFileSync(CAPTURE_OBJECT))],
  dictionary: [hex('7f454c46'), hex('9feb0100'), hex('ffffffff'), hex('00000080'), hex('01000004'), hex('00000003'), utf8('.maps\0'), utf8('.BTF\0'), utf8('.rodata\0')],
  check: (input) => {
    const described = describeObject(input);
    if (!described.ok) return void expect(described.error.length < 1000, 'reason is too long');
    try {
      const text = generateSkeleton(described.value, { of: 'x.o' });
      expect(text === generateSkeleton(described.value, { of: 'x.o' }), 'the same object gives another text');
    } catch (thrown) {
      // A refusal, which names the type.
      if (!(thrown instanceof BpfLinkerError)) throw thrown;
    }
  },
};

export const OBJECT_TARGETS: readonly FuzzTarget[] = [bpfObject];
