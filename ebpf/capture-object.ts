import path from 'node:path';

/** The linked object that `node ebpf/build.ts` makes of `programs/`; found from the agent's bundle as well, which is one folder below the root too. */
export const CAPTURE_OBJECT = path.join(import.meta.dirname, '../ebpf/dist/capture.bpf.o');

/** Part of every pin's path. Changes whenever a map's key, value or meaning does, so that two versions never share a map. */
export const CAPTURE_ABI = 5;
