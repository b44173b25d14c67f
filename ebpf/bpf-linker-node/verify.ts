import { BpfLinkerError } from './error.ts';
import { errorName, lastErrorName, libbpf, takeMessages } from './libbpf.ts';

/**
 * Has the running kernel verify all programs of an object, and forgets them again: nothing is attached or pinned. Needs
 * the capabilities that loading needs (CAP_BPF, and CAP_NET_ADMIN for programs of the network).
 *
 * @throws BpfLinkerError `load` with what libbpf said and the verifier's log in full, `no-libbpf`
 */
export function verifyObject(file: string): void {
  const { objectOpen, objectLoad, objectClose } = libbpf();
  takeMessages();
  const object: unknown = objectOpen(file, null);
  if (object === null) throw refused(`${file} can not be opened`, lastErrorName());
  try {
    const result = objectLoad(object) as number;
    if (result < 0) throw refused(`${file} is refused`, errorName(result));
  } finally {
    objectClose(object);
    takeMessages();
  }
}

function refused(what: string, error: string): BpfLinkerError {
  const hint = error === 'EPERM' || error === 'EACCES' ? { hint: 'Loading needs root, or CAP_BPF and CAP_NET_ADMIN.' } : {};
  return new BpfLinkerError('load', [`${what}: ${error}`, ...takeMessages()].join('\n'), hint);
}
