// Made by bpf-linker-node from capture.bpf.o: changes are lost.
import { type Codec, array, be16, be32, i32, struct, u16, u32, u64, u8 } from 'bpf-linker-node/codec';

/** struct pod */
export interface Pod {
  readonly ip4: number;
  readonly ip6: readonly number[];
  readonly flags: number;
}
export const Pod: Codec<Pod> = struct(24, {
  ip4: [0, be32],
  ip6: [4, array(be32, 4)],
  flags: [20, u32],
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

/** struct dns_flow */
export interface DnsFlow {
  readonly to: Endpoint;
  readonly source: Endpoint;
}
export const DnsFlow: Codec<DnsFlow> = struct(40, {
  to: [0, Endpoint],
  source: [20, Endpoint],
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

/** struct probe_port */
export interface ProbePort {
  readonly ip: readonly number[];
  readonly port: number;
  readonly pad: number;
}
export const ProbePort: Codec<ProbePort> = struct(20, {
  ip: [0, array(be32, 4)],
  port: [16, be16],
  pad: [18, u16],
});

/** struct arrival */
export interface Arrival {
  readonly dial: Dial;
  readonly interface: number;
}
export const Arrival: Codec<Arrival> = struct(40, {
  dial: [0, Dial],
  interface: [36, u32],
});

/** struct direct_destination */
export interface DirectDestination {
  readonly netns: bigint;
  readonly address: Endpoint;
  readonly pad: number;
}
export const DirectDestination: Codec<DirectDestination> = struct(32, {
  netns: [0, u64],
  address: [8, Endpoint],
  pad: [28, u32],
});

/** struct direct_route */
export interface DirectRoute {
  readonly id: bigint;
  readonly backends: number;
  readonly is_retired: number;
}
export const DirectRoute: Codec<DirectRoute> = struct(16, {
  id: [0, u64],
  backends: [8, u32],
  is_retired: [12, u32],
});

/** struct direct_backend_key */
export interface DirectBackendKey {
  readonly route: bigint;
  readonly index: number;
  readonly pad: number;
}
export const DirectBackendKey: Codec<DirectBackendKey> = struct(16, {
  route: [0, u64],
  index: [8, u32],
  pad: [12, u32],
});

/** struct direct_backend */
export interface DirectBackend {
  readonly address: Endpoint;
  readonly threshold: number;
  readonly alias: number;
}
export const DirectBackend: Codec<DirectBackend> = struct(28, {
  address: [0, Endpoint],
  threshold: [20, u32],
  alias: [24, u32],
});

/** struct direct_counts */
export interface DirectCounts {
  readonly opened: bigint;
  readonly completed: bigint;
  readonly broken: bigint;
  readonly failed: bigint;
  readonly sent_bytes: bigint;
  readonly received_bytes: bigint;
}
export const DirectCounts: Codec<DirectCounts> = struct(48, {
  opened: [0, u64],
  completed: [8, u64],
  broken: [16, u64],
  failed: [24, u64],
  sent_bytes: [32, u64],
  received_bytes: [40, u64],
});

/** struct direct_lease */
export interface DirectLease {
  readonly first_id: bigint;
  readonly until_ns: bigint;
}
export const DirectLease: Codec<DirectLease> = struct(16, {
  first_id: [0, u64],
  until_ns: [8, u64],
});

/** struct direct_socket */
export interface DirectSocket {
  readonly destination: DirectDestination;
  readonly backend: DirectBackendKey;
  readonly address: Endpoint;
  readonly segments_out: number;
  readonly opened: number;
  readonly got_fin: number;
  readonly pad: readonly number[];
}
export const DirectSocket: Codec<DirectSocket> = struct(80, {
  destination: [0, DirectDestination],
  backend: [32, DirectBackendKey],
  address: [48, Endpoint],
  segments_out: [68, u32],
  opened: [72, u8],
  got_fin: [73, u8],
  pad: [74, array(u16, 3)],
});

/** struct dns_server */
export interface DnsServer {
  readonly address: Endpoint;
  readonly pad: number;
  readonly asked_ns: bigint;
}
export const DnsServer: Codec<DnsServer> = struct(32, {
  address: [0, Endpoint],
  pad: [20, u32],
  asked_ns: [24, u64],
});

/** struct dns_socket */
export interface DnsSocket {
  readonly servers: readonly DnsServer[];
}
export const DnsSocket: Codec<DnsSocket> = struct(128, {
  servers: [0, array(DnsServer, 4)],
});

/** Sizes are bytes; types and flags are those of linux/bpf.h. */
export const maps = {
  agents: { name: 'agents', type: 1, keyBytes: 8, valueBytes: 8, maxEntries: 16, flags: 0, isPinnedByName: false, key: u64, value: u64 },
  pods: { name: 'pods', type: 1, keyBytes: 8, valueBytes: 24, maxEntries: 4096, flags: 0, isPinnedByName: false, key: u64, value: Pod },
  original_destinations: { name: 'original_destinations', type: 9, keyBytes: 32, valueBytes: 20, maxEntries: 65536, flags: 0, isPinnedByName: false, key: Flow, value: Endpoint },
  listeners: { name: 'listeners', type: 18, keyBytes: 20, valueBytes: 8, maxEntries: 65536, flags: 0, isPinnedByName: false, key: ListenerKey, value: u64 },
  dns_flows: { name: 'dns_flows', type: 9, keyBytes: 40, valueBytes: 20, maxEntries: 65536, flags: 0, isPinnedByName: false, key: DnsFlow, value: Endpoint },
  dials: { name: 'dials', type: 9, keyBytes: 36, valueBytes: 1, maxEntries: 16384, flags: 0, isPinnedByName: false, key: Dial, value: u8 },
  kubelets: { name: 'kubelets', type: 1, keyBytes: 8, valueBytes: 1, maxEntries: 16, flags: 0, isPinnedByName: false, key: u64, value: u8 },
  probe_ports: { name: 'probe_ports', type: 1, keyBytes: 20, valueBytes: 1, maxEntries: 16384, flags: 1, isPinnedByName: false, key: ProbePort, value: u8 },
  arriving: { name: 'arriving', type: 6, keyBytes: 4, valueBytes: 40, maxEntries: 1, flags: 0, isPinnedByName: false, key: u32, value: Arrival },
  direct_routes: { name: 'direct_routes', type: 1, keyBytes: 32, valueBytes: 16, maxEntries: 16384, flags: 1, isPinnedByName: false, key: DirectDestination, value: DirectRoute },
  direct_backends: { name: 'direct_backends', type: 1, keyBytes: 16, valueBytes: 28, maxEntries: 32768, flags: 1, isPinnedByName: false, key: DirectBackendKey, value: DirectBackend },
  direct_counts: { name: 'direct_counts', type: 5, keyBytes: 16, valueBytes: 48, maxEntries: 32768, flags: 1, isPinnedByName: false, key: DirectBackendKey, value: DirectCounts },
  direct_lease: { name: 'direct_lease', type: 2, keyBytes: 4, valueBytes: 16, maxEntries: 1, flags: 0, isPinnedByName: false, key: u32, value: DirectLease },
  direct_grace: { name: 'direct_grace', type: 2, keyBytes: 4, valueBytes: 8, maxEntries: 1, flags: 0, isPinnedByName: false, key: u32, value: u64 },
  direct_sockets: { name: 'direct_sockets', type: 24, keyBytes: 4, valueBytes: 80, maxEntries: 0, flags: 1, isPinnedByName: false, key: i32, value: DirectSocket },
  original_of_socket: { name: 'original_of_socket', type: 24, keyBytes: 4, valueBytes: 20, maxEntries: 0, flags: 1, isPinnedByName: false, key: i32, value: Endpoint },
  dns_sockets: { name: 'dns_sockets', type: 24, keyBytes: 4, valueBytes: 128, maxEntries: 0, flags: 1, isPinnedByName: false, key: i32, value: DnsSocket },
  guard_drops: { name: 'guard_drops', type: 6, keyBytes: 4, valueBytes: 8, maxEntries: 1, flags: 0, isPinnedByName: false, key: u32, value: u64 },
  probes_passed: { name: 'probes_passed', type: 6, keyBytes: 4, valueBytes: 8, maxEntries: 1, flags: 0, isPinnedByName: false, key: u32, value: u64 },
} as const;

export const programs = {
  lb_direct_sockops: { name: 'lb_direct_sockops', section: 'sockops' },
  lb_dns_connect4: { name: 'lb_dns_connect4', section: 'cgroup/connect4' },
  lb_dns_connect6: { name: 'lb_dns_connect6', section: 'cgroup/connect6' },
  lb_dns_sendmsg4: { name: 'lb_dns_sendmsg4', section: 'cgroup/sendmsg4' },
  lb_dns_sendmsg6: { name: 'lb_dns_sendmsg6', section: 'cgroup/sendmsg6' },
  lb_dns_recvmsg4: { name: 'lb_dns_recvmsg4', section: 'cgroup/recvmsg4' },
  lb_dns_recvmsg6: { name: 'lb_dns_recvmsg6', section: 'cgroup/recvmsg6' },
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
  lb_probe: { name: 'lb_probe', section: 'tc' },
} as const;

/** By section, which libbpf makes a map of. */
export const globals = {
} as const;
