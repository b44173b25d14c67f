/** Descriptors that came with a message: SCM_RIGHTS of unix(7), in the layout of cmsg(3) on 64-bit machines. */
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** struct cmsghdr: length of 64 bits, level and type of 32. */
const HEADER_BYTES = 16;
const DESCRIPTOR_BYTES = 4;
const ALIGNMENT = 8;
/** SCM_MAX_FD: of more in one message the kernel says EINVAL. */
export const MAX_PASSED_DESCRIPTORS = 253;

/** CMSG_SPACE of so many descriptors. */
export function descriptorSpace(count: number): number {
  return HEADER_BYTES + Math.ceil((count * DESCRIPTOR_BYTES) / ALIGNMENT) * ALIGNMENT;
}

/** The control message that passes descriptors on; nothing for none. */
export function encodeDescriptors(descriptors: readonly number[]): Buffer {
  if (descriptors.length === 0) return Buffer.alloc(0);
  const control = Buffer.alloc(descriptorSpace(descriptors.length));
  control.writeBigUInt64LE(BigInt(HEADER_BYTES + descriptors.length * DESCRIPTOR_BYTES), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [i, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, HEADER_BYTES + i * DESCRIPTOR_BYTES);
  return control;
}

/** All descriptors of the control messages of one packet. Whoever has them must close them. */
export function parseDescriptors(control: Buffer): number[] {
  const descriptors: number[] = [];
  for (let at = 0; at + HEADER_BYTES <= control.length; ) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < HEADER_BYTES || at + length > control.length) break;
    if (control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS) {
      for (let fd = at + HEADER_BYTES; fd + DESCRIPTOR_BYTES <= at + length; fd += DESCRIPTOR_BYTES) descriptors.push(control.readInt32LE(fd));
    }
    at += Math.ceil(length / ALIGNMENT) * ALIGNMENT;
  }
  return descriptors;
}
