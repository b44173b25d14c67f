/** Anonymous memory that goes from one process to another as a descriptor: never on a disk by a name, gone with its last holder. */
import { fstatSync, writevSync } from 'node:fs';
import koffi from 'koffi';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { checkLibc } from './errno.ts';
import { FileDescriptor, libc } from './libc.ts';
import { viewMemory } from './memory.ts';

const library = koffi.load(null);
const callCreate = library.func('int memfd_create(const char *name, unsigned int flags)');
const callMap = library.func('int64_t mmap(uintptr_t address, uint64_t length, int protection, int flags, int fd, int64_t offset)');
const callUnmap = library.func('int munmap(uintptr_t address, uint64_t length)');

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
/** F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE of fcntl(2): nobody changes it any more, nor may it end while it is read. */
const SEALS = 1 | 2 | 4 | 8;
const PROT_READ = 1;
const MAP_PRIVATE = 2;
const MAP_POPULATE = 0x8000;
/** IOV_MAX of writev(2). */
const MOST_AT_ONCE = 1024;

/** Memory with these bytes, one part behind the other, which nobody can change any more; closed on exec. @throws SystemCallError */
export function sealedMemory(parts: readonly Uint8Array[]): FileDescriptor {
  const memory = new FileDescriptor(checkLibc('memfd_create', callCreate('landbridge', MFD_CLOEXEC | MFD_ALLOW_SEALING) as number));
  try {
    writeParts(memory.number, parts);
    checkLibc('fcntl F_ADD_SEALS', libc.fcntl(memory.number, F_ADD_SEALS, SEALS));
    return memory;
  } catch (thrown) {
    memory[Symbol.dispose]();
    throw thrown;
  }
}

function writeParts(fd: number, parts: readonly Uint8Array[]): void {
  let written = 0;
  for (let first = 0; first < parts.length; ) {
    const some = parts.slice(first, first + MOST_AT_ONCE);
    let count = writevSync(fd, some, written);
    written += count;
    let whole = 0;
    for (; whole < some.length && count >= (some[whole] as Uint8Array).length; whole++) count -= (some[whole] as Uint8Array).length;
    first += whole;
    // The kernel took the beginning of one: its rest is next.
    if (whole < some.length) parts = parts.with(first, (parts[first] as Uint8Array).subarray(count));
  }
}

/** What sealed memory holds, at an address of this process. */
export class MappedMemory implements Disposable {
  readonly #address: number;
  readonly #view: ArrayBuffer;
  /** Not to be written to. Empty from the end of the mapping on, as are all parts of it. */
  readonly bytes: Buffer;

  /** The descriptor may be closed while this lives. @throws SystemCallError, LandbridgeError `bad-handover` for what is not sealed, or longer than allowed */
  constructor(memory: number, maxBytes: number) {
    const seals = checkLibc('fcntl F_GET_SEALS', libc.fcntl(memory, F_GET_SEALS, 0));
    if ((seals & SEALS) !== SEALS) throw new LandbridgeError('bad-handover', 'memory that came is not sealed: its sender could change it still');
    const { size } = fstatSync(memory);
    if (size > maxBytes) throw new LandbridgeError('bad-handover', `memory that came has ${size} bytes, more than ${maxBytes}`);
    // Populated at once: a fault for each of its pages takes several times as long.
    this.#address = size === 0 ? 0 : checkLibc('mmap', Number(callMap(0, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, memory, 0)));
    this.#view = size === 0 ? new ArrayBuffer(0) : viewMemory(this.#address, size);
    this.bytes = Buffer.from(this.#view);
  }

  [Symbol.dispose](): void {
    const size = this.#view.byteLength;
    if (size === 0) return;
    // A part that somebody has kept is empty from now on, and not an address of nothing.
    this.#view.transfer();
    checkLibc('munmap', callUnmap(this.#address, size) as number);
  }
}
