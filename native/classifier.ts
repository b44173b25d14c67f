/** BPF programs as classifiers of the queueing discipline `clsact` (tc-bpf(8)), for kernels without tcx. */
import koffi from 'koffi';
import { checkLibbpf, errnoOf } from './errno.ts';

const library = koffi.load('libbpf.so.1');
const createHook = library.func('int bpf_tc_hook_create(void *hook)');
const attach = library.func('int bpf_tc_attach(const void *hook, _Inout_ void *options)');
const detach = library.func('int bpf_tc_detach(const void *hook, const void *options)');

export type Direction = 'ingress' | 'egress';

/** enum bpf_tc_attach_point of libbpf.h. */
const ATTACH_POINT: Readonly<Record<Direction, number>> = { ingress: 1, egress: 2 };
const BPF_TC_F_REPLACE = 1;
/** The first of all, by which it is found again. */
const FIRST = 1;
const GONE: ReadonlySet<number> = new Set(['ENOENT', 'ENODEV', 'EINVAL'].map((name) => -errnoOf(name)));

/** struct bpf_tc_hook of libbpf.h: its size, interface, attach point, parent. */
function hook(interfaceIndex: number, direction: Direction): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(BigInt(bytes.length), 0);
  bytes.writeInt32LE(interfaceIndex, 8);
  bytes.writeInt32LE(ATTACH_POINT[direction], 12);
  return bytes;
}

/** struct bpf_tc_opts of libbpf.h: its size, program, flags, id, handle, priority. */
function options(program: number, flags: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeBigUInt64LE(BigInt(bytes.length), 0);
  bytes.writeInt32LE(program, 8);
  bytes.writeUInt32LE(flags, 12);
  bytes.writeUInt32LE(FIRST, 20);
  bytes.writeUInt32LE(FIRST, 24);
  return bytes;
}

/** Puts a program on an interface's way in or out, in place of the one of before; it lives as long as the interface. Within the interface's namespace. @throws SystemCallError */
export function attachClassifier(interfaceIndex: number, direction: Direction, program: number): void {
  const created = createHook(hook(interfaceIndex, direction)) as number;
  if (created !== -errnoOf('EEXIST')) checkLibbpf('clsact', created);
  checkLibbpf('attach of a classifier', attach(hook(interfaceIndex, direction), options(program, BPF_TC_F_REPLACE)) as number);
}

/** Within the interface's namespace. Nothing where there is none. @throws SystemCallError */
export function detachClassifier(interfaceIndex: number, direction: Direction): void {
  const result = detach(hook(interfaceIndex, direction), options(0, 0)) as number;
  if (!GONE.has(result)) checkLibbpf('detach of a classifier', result);
}
