/** Anonymous memory that goes from one process to another as a descriptor: never on a disk by a name, gone with its last holder. */
import { fstatSync, readSync, writevSync } from 'node:fs';
import koffi from 'koffi';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { checkLibc } from './errno.ts';
import { FileDescriptor } from './libc.ts';

const library = koffi.load(null);
const callCreate = library.func('int memfd_create(const char *name, unsigned int flags)');
const callControl = library.func('int fcntl(int fd, int command, int64_t argument)');

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
/** F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE of fcntl(2): nobody changes it any more, nor may it end while it is read. */
const SEALS = 1 | 2 | 4 | 8;
/** IOV_MAX of writev(2). */
const MOST_AT_ONCE = 1024;

/** Memory with these bytes, one part behind the other, which nobody can change any more; closed on exec. @throws SystemCallError */
export function sealedMemory(parts: readonly Uint8Array[]): FileDescriptor {
  const memory = new FileDescriptor(checkLibc('memfd_create', callCreate('landbridge', MFD_CLOEXEC | MFD_ALLOW_SEALING) as number));
  try {
    writeParts(memory.number, parts);
    checkLibc('fcntl F_ADD_SEALS', callControl(memory.number, F_ADD_SEALS, SEALS) as number);
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

/** What sealed memory holds, as a copy. @throws SystemCallError, LandbridgeError `bad-handover` for what is not sealed, or longer than allowed */
export function readSealedMemory(memory: number, maxBytes: number): Buffer {
  const seals = checkLibc('fcntl F_GET_SEALS', callControl(memory, F_GET_SEALS, 0) as number);
  if ((seals & SEALS) !== SEALS) throw new LandbridgeError('bad-handover', 'memory that came is not sealed: its sender could change it still');
  const { size } = fstatSync(memory);
  if (size > maxBytes) throw new LandbridgeError('bad-handover', `memory that came has ${size} bytes, more than ${maxBytes}`);
  // Not of Buffer's shared pool: whoever erases it must leave nothing elsewhere.
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let at = 0; at < size; ) {
    const count = readSync(memory, bytes, at, size - at, at);
    if (count === 0) throw new LandbridgeError('bad-handover', 'memory that came ends early');
    at += count;
  }
  return bytes;
}
