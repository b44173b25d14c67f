import { checkLibc } from './errno.ts';
import { libc } from './libc.ts';
import { SOL_SOCKET } from './socket-options.ts';

const SO_PEERCRED = 17;
/** struct ucred: process, user and group, of 32 bits each. */
const CREDENTIAL_BYTES = 12;

export interface PeerCredentials {
  /** Undefined where the process is in no namespace that this one sees into. */
  readonly pid: number | undefined;
  readonly uid: number;
  readonly gid: number;
}

/** Who is at the other end of a unix socket, as the kernel knew it when the peer connected or began to listen (unix(7)). @throws SystemCallError */
export function peerCredentials(socket: number): PeerCredentials {
  const value = Buffer.alloc(CREDENTIAL_BYTES);
  const length = Buffer.from([CREDENTIAL_BYTES, 0, 0, 0]);
  checkLibc('getsockopt SO_PEERCRED', libc.getsockopt(socket, SOL_SOCKET, SO_PEERCRED, value, length) as number);
  const pid = value.readInt32LE(0);
  return { pid: pid === 0 ? undefined : pid, uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
}
