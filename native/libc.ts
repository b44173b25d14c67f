import koffi from 'koffi';
import { checkLibc } from './errno.ts';

const library = koffi.load('libc.so.6');

export const libc = {
  open: library.func('int open(const char *path, int flags)'),
  close: library.func('int close(int fd)'),
  fcntl: library.func('int fcntl(int fd, int command, int64_t argument)'),
  socket: library.func('int socket(int domain, int type, int protocol)'),
  bind: library.func('int bind(int fd, const void *address, uint32_t length)'),
  listen: library.func('int listen(int fd, int backlog)'),
  setns: library.func('int setns(int fd, int type)'),
  setsockopt: library.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
  getsockopt: library.func('int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)'),
  vsnprintf: library.func('int vsnprintf(_Out_ char *text, size_t size, const char *format, void *arguments)'),
} as const;

const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;

const F_DUPFD_CLOEXEC = 1030;

/** Another descriptor of the same file, with the lowest free number that is not below `least`. @throws SystemCallError */
export function duplicate(fd: number, least = 0): number {
  return checkLibc('fcntl F_DUPFD_CLOEXEC', libc.fcntl(fd, F_DUPFD_CLOEXEC, least));
}

/** A file descriptor that is closed when it is disposed of. */
export class FileDescriptor implements Disposable {
  #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  get number(): number {
    return this.#number;
  }

  /** Gives the descriptor to an owner that closes it. */
  release(): number {
    const number = this.#number;
    this.#number = -1;
    return number;
  }

  [Symbol.dispose](): void {
    if (this.#number >= 0) libc.close(this.release());
  }
}

/** Opens a file or directory for reading. @throws SystemCallError */
export function openForReading(path: string): FileDescriptor {
  return new FileDescriptor(checkLibc(`open ${path}`, libc.open(path, O_RDONLY | O_CLOEXEC)));
}
