// Made by bpf-linker-node from capture.bpf.o: changes are lost.
import { type Codec, array, be16, be32, i32, struct, u16, u32, u64, u8 } from 'bpf-linker-node/codec';

/** struct pod */
export interface Pod {
  readonly ip4: number;
}
export const Pod: Codec<Pod> = struct(4, {
  ip4: [0, be32],
});

/** struct endpoint */
export interface Endpoint {
  readonly ip: readonly number[];
  readonly port: number;
  readonly pad: number;
}
export const Endpoint: Codec<Endpoint> = struct(20, {
  ip: [0, array(be32, 4)],
  port: [16, be16],
  pad: [18, u16],
});

/** struct flow */
export interface Flow {
  readonly netns: bigint;
  readonly source: Endpoint;
  readonly pad: number;
}
export const Flow: Codec<Flow> = struct(32, {
  netns: [0, u64],
  source: [8, Endpoint],
  pad: [28, u32],
});

/** struct listener_key */
export interface ListenerKey {
  readonly ip: readonly number[];
  readonly kind: number;
}
export const ListenerKey: Codec<ListenerKey> = struct(20, {
  ip: [0, array(be32, 4)],
  kind: [16, u32],
});

/** struct dial */
export interface Dial {
  readonly remote_ip: readonly number[];
  readonly local_ip: readonly number[];
  readonly remote_port: number;
  readonly local_port: number;
}
export const Dial: Codec<Dial> = struct(36, {
  remote_ip: [0, array(be32, 4)],
  local_ip: [16, array(be32, 4)],
  remote_port: [32, be16],
  local_port: [34, be16],
});

/** Sizes are bytes; types and flags are those of linux/bpf.h. */
export const maps = {
  agents: { name: 'agents', type: 1, keyBytes: 8, valueBytes: 8, maxEntries: 16, flags: 0, isPinnedByName: false, key: u64, value: u64 },
  pods: { name: 'pods', type: 1, keyBytes: 8, valueBytes: 4, maxEntries: 4096, flags: 0, isPinnedByName: false, key: u64, value: Pod },
  original_destinations: { name: 'original_destinations', type: 9, keyBytes: 32, valueBytes: 20, maxEntries: 65536, flags: 0, isPinnedByName: false, key: Flow, value: Endpoint },
  listeners: { name: 'listeners', type: 18, keyBytes: 20, valueBytes: 8, maxEntries: 8192, flags: 0, isPinnedByName: false, key: ListenerKey, value: u64 },
  dials: { name: 'dials', type: 9, keyBytes: 36, valueBytes: 1, maxEntries: 16384, flags: 0, isPinnedByName: false, key: Dial, value: u8 },
  guard_drops: { name: 'guard_drops', type: 6, keyBytes: 4, valueBytes: 8, maxEntries: 1, flags: 0, isPinnedByName: false, key: u32, value: u64 },
  original_of_socket: { name: 'original_of_socket', type: 24, keyBytes: 4, valueBytes: 20, maxEntries: 0, flags: 1, isPinnedByName: false, key: i32, value: Endpoint },
} as const;

export const programs = {
  lb_guard: { name: 'lb_guard', section: 'tc' },
  lb_inbound: { name: 'lb_inbound', section: 'sk_lookup' },
  lb_connect4: { name: 'lb_connect4', section: 'cgroup/connect4' },
  lb_connect6: { name: 'lb_connect6', section: 'cgroup/connect6' },
  lb_getpeername4: { name: 'lb_getpeername4', section: 'cgroup/getpeername4' },
  lb_getpeername6: { name: 'lb_getpeername6', section: 'cgroup/getpeername6' },
  lb_sockops: { name: 'lb_sockops', section: 'sockops' },
  lb_register_agent: { name: 'lb_register_agent', section: 'syscall' },
  lb_post_bind4: { name: 'lb_post_bind4', section: 'cgroup/post_bind4' },
  lb_post_bind6: { name: 'lb_post_bind6', section: 'cgroup/post_bind6' },
} as const;

/** By section, which libbpf makes a map of. */
export const globals = {
} as const;
