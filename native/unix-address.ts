import { LandbridgeError } from '@landbridge/core/errors.ts';

const AF_UNIX = 1;
/** `sun_path` of unix(7), with the zero at its end. */
const MAX_PATH_BYTES = 108;

/** struct sockaddr_un of a file. @throws LandbridgeError `bad-config` for a path that is longer than addresses can be */
export function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length >= MAX_PATH_BYTES || bytes.includes(0)) throw new LandbridgeError('bad-config', `${path} is no path of a socket: it has ${bytes.length} bytes`, { hint: `A socket's path has at most ${MAX_PATH_BYTES - 1} bytes.` });
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  address.set(bytes, 2);
  return address;
}
