import koffi from 'koffi';

const library = koffi.load('libbpf.so.1');
const newLinker = library.func('void *bpf_linker__new(const char *file, void *options)');
const addFile = library.func('int bpf_linker__add_file(void *linker, const char *file, void *options)');
const finalize = library.func('int bpf_linker__finalize(void *linker)');
const free = library.func('void bpf_linker__free(void *linker)');

/**
 * Links compiled BPF objects into one with libbpf's own linker. Also a single object should go through it:
 * it fills in the offsets of BTF's data sections, which clang leaves at zero.
 * @throws Error naming the file that could not be written or linked
 */
export function linkObjects(output: string, inputs: readonly string[]): void {
  const linker: unknown = newLinker(output, null);
  if (linker === null) throw new Error(`${output} can not be written (errno ${koffi.errno()})`);
  try {
    for (const input of inputs) check(`${input} can not be linked`, addFile(linker, input, null) as number);
    check(`${output} can not be finished`, finalize(linker) as number);
  } finally {
    free(linker);
  }
}

function check(what: string, result: number): void {
  if (result < 0) throw new Error(`${what} (errno ${-result})`);
}
