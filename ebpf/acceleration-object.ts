import path from 'node:path';

/** What `node ebpf/build.ts` makes of `programs/acceleration.bpf.c`: an object of its own, which is loaded once a pod asks for it. */
export const ACCELERATION_OBJECT = path.join(import.meta.dirname, '../ebpf/dist/acceleration.bpf.o');
