/** Descriptors as another process would have them, for tests in one process. */
import koffi from 'koffi';
import { checkLibc } from './errno.ts';

const callFcntl = koffi.load(null).func('int fcntl(int fd, int command, int least)');
const F_DUPFD_CLOEXEC = 1030;

/** A second descriptor of the same socket, as SCM_RIGHTS would make it. @throws SystemCallError */
export const duplicate = (fd: number): number => checkLibc('fcntl F_DUPFD_CLOEXEC', callFcntl(fd, F_DUPFD_CLOEXEC, 0) as number);
