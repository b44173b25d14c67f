export type { Btf, BtfMember, BtfType, TypeId } from './btf.ts';
export { BpfLinkerError, type BpfLinkerErrorCode } from './error.ts';
export { linkObjects } from './link.ts';
export { describeObject, type GlobalsDescription, type MapDescription, type ObjectDescription, type ProgramDescription, type VariableDescription } from './object-description.ts';
export { readObject } from './object-file.ts';
export { generateSkeleton } from './skeleton.ts';
export { verifyObject } from './verify.ts';
