/** libbpf 1.x of the system, loaded when it is first needed: reading objects and generating code goes without. */
import koffi from 'koffi';
import { BpfLinkerError } from './error.ts';

/** libbpf(7): the ABI is stable within a major version. */
const LIBRARY = 'libbpf.so.1';
const MESSAGE_BYTES = 1024 * 1024;
/** Lines of a verifier's log that are kept: the last ones tell why. */
const MAX_LINES = 5000;

export type Pointer = object;

const lines: string[] = [];

function load() {
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load(LIBRARY);
  } catch (thrown) {
    throw new BpfLinkerError('no-libbpf', `${LIBRARY} can not be loaded`, { cause: thrown, hint: 'Install libbpf 1.0 or newer; on Debian and Ubuntu the package is libbpf1.' });
  }
  const format = koffi.load(null).func('int vsnprintf(void *text, size_t size, const char *format, void *values)');
  const callback = koffi.pointer(koffi.proto('int bpf_linker_node_print(int level, const char *format, void *values)'));
  const print = koffi.register((_level: number, pattern: string, values: unknown) => {
    const text = Buffer.alloc(MESSAGE_BYTES);
    const length = format(text, text.length, pattern, values) as number;
    lines.push(...text.toString('latin1', 0, Math.min(Math.max(length, 0), text.length - 1)).split('\n').filter((line) => line !== ''));
    if (lines.length > MAX_LINES) lines.splice(0, lines.length - MAX_LINES);
    return 0;
  }, callback);
  library.func('void *libbpf_set_print(bpf_linker_node_print *print)')(print);
  return {
    linkerNew: library.func('void *bpf_linker__new(const char *file, void *options)'),
    linkerAdd: library.func('int bpf_linker__add_file(void *linker, const char *file, void *options)'),
    linkerFinalize: library.func('int bpf_linker__finalize(void *linker)'),
    linkerFree: library.func('void bpf_linker__free(void *linker)'),
    objectOpen: library.func('void *bpf_object__open_file(const char *path, void *options)'),
    objectLoad: library.func('int bpf_object__load(void *object)'),
    objectClose: library.func('void bpf_object__close(void *object)'),
  } as const;
}

let loaded: ReturnType<typeof load> | undefined;

/** @throws BpfLinkerError `no-libbpf` */
export const libbpf = (): ReturnType<typeof load> => (loaded ??= load());

/** What libbpf has said since the last call, the verifier's log among it. */
export function takeMessages(): readonly string[] {
  return lines.splice(0);
}

const NAMES = new Map(Object.entries(koffi.os.errno as Record<string, number>).map(([name, number]) => [number, name]));

/** Name of the error that a negative result of libbpf 1.x is (libbpf.h, LIBBPF_STRICT_DIRECT_ERRS). */
export const errorName = (result: number): string => NAMES.get(-result) ?? `errno ${-result}`;

/** The same of a call that returned NULL. */
export const lastErrorName = (): string => NAMES.get(koffi.errno()) ?? `errno ${koffi.errno()}`;
