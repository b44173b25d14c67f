import { readFileSync } from 'node:fs';
import { BpfLinkerError, fileFailure } from './error.ts';
import { describeObject, type ObjectDescription } from './object-description.ts';

/** @throws BpfLinkerError `file` */
export function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (thrown) {
    throw fileFailure(file, 'read', thrown);
  }
}

/** @throws BpfLinkerError `file`, `bad-object` */
export function readObject(file: string): ObjectDescription {
  const described = describeObject(readBytes(file));
  if (!described.ok) throw new BpfLinkerError('bad-object', `${file}: ${described.error}`);
  return described.value;
}
