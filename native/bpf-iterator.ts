/** Runs of BPF iterators by the descriptor of their link: for data threads too. */
import koffi from 'koffi';
import { checkLibbpf, checkLibc } from './errno.ts';
import { FileDescriptor } from './libc.ts';

const callCreate = koffi.load('libbpf.so.1').func('int bpf_iter_create(int link)');
const callRead = koffi.load(null).func('int64_t read(int fd, void *bytes, int64_t size)');

/** What the program writes is not wanted. */
const scratch = Buffer.alloc(64);

/** Runs the program of a link over all elements of its map. @throws SystemCallError */
export function runIterator(link: number): void {
  using iterator = new FileDescriptor(checkLibbpf('bpf_iter_create', callCreate(link) as number));
  while (checkLibc('read of an iterator', callRead(iterator.number, scratch, scratch.length) as number) > 0) {
    // Until the last element.
  }
}
