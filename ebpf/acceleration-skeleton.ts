// Made by bpf-linker-node from acceleration.bpf.o: changes are lost.
import { type Codec, be32, i32, struct, u16, u32, u64, u8 } from 'bpf-linker-node/codec';

/** struct socket_key */
export interface SocketKey {
  readonly netns: bigint;
  readonly local_ip: number;
  readonly remote_ip: number;
  readonly local_port: number;
  readonly remote_port: number;
}
export const SocketKey: Codec<SocketKey> = struct(24, {
  netns: [0, u64],
  local_ip: [8, be32],
  remote_ip: [12, be32],
  local_port: [16, u32],
  remote_port: [20, u32],
});

/** struct direction */
export interface Direction {
  readonly receiver: SocketKey;
  readonly sent: bigint;
  readonly read: bigint;
  readonly tcp_read: number;
  readonly is_known: number;
  readonly is_blocking: number;
  readonly pad: number;
}
export const Direction: Codec<Direction> = struct(48, {
  receiver: [0, SocketKey],
  sent: [24, u64],
  read: [32, u64],
  tcp_read: [40, u32],
  is_known: [44, u8],
  is_blocking: [45, u8],
  pad: [46, u16],
});

/** struct beginning */
export interface Beginning {
  readonly write_seq: number;
  readonly copied_seq: number;
}
export const Beginning: Codec<Beginning> = struct(8, {
  write_seq: [0, u32],
  copied_seq: [4, u32],
});

/** Sizes are bytes; types and flags are those of linux/bpf.h. */
export const maps = {
  accelerated_pods: { name: 'accelerated_pods', type: 1, keyBytes: 8, valueBytes: 1, maxEntries: 4096, flags: 0, isPinnedByName: false, key: u64, value: u8 },
  directions: { name: 'directions', type: 1, keyBytes: 24, valueBytes: 48, maxEntries: 32768, flags: 1, isPinnedByName: false, key: SocketKey, value: Direction },
  beginnings: { name: 'beginnings', type: 24, keyBytes: 4, valueBytes: 8, maxEntries: 0, flags: 1, isPinnedByName: false, key: i32, value: Beginning },
  sockets: { name: 'sockets', type: 18, keyBytes: 24, valueBytes: 8, maxEntries: 32768, flags: 0, isPinnedByName: false, key: SocketKey, value: u64 },
} as const;

export const programs = {
  lb_joinable: { name: 'lb_joinable', section: 'sockops' },
  lb_message: { name: 'lb_message', section: 'sk_msg' },
  lb_readers: { name: 'lb_readers', section: 'iter/sockmap' },
} as const;

/** By section, which libbpf makes a map of. */
export const globals = {
} as const;
