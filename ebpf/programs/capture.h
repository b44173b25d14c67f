/* Layouts shared by the capture programs; ebpf/capture-layout.ts has them for the agent. */
#pragma once
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2

#define OUTBOUND_PORT 15001
#define PLAINTEXT_PORT 15006
#define HBONE_PORT 15008
/* Queries for names, by TCP, and by UDP at this one and those that follow it: one for each server that a socket asks at a time. */
#define DNS_PORT 15053
#define DNS_SERVERS 4

/* Where servers listen (RFC 1035, section 4.2). */
#define DOMAIN_PORT 53

/* LOOPBACK_IFINDEX of the kernel: the first interface of every network namespace. */
#define LOOPBACK_INDEX 1

/* An address and port; IPv4 as ::ffff:a.b.c.d, all in network order. */
struct endpoint {
	__be32 ip[4];
	__be16 port;
	__u16 pad;
};

/* A connection as its listener sees it: the pod's namespace and the source. */
struct flow {
	__u64 netns;
	struct endpoint source;
	__u32 pad;
};

/* A datagram with a query as the agent gets it: from a socket of the pod, to one of the ports at the pod's own address. */
struct dns_flow {
	struct endpoint to;
	struct endpoint source;
};

/* Those of datagrams are LISTENER_DNS_DATAGRAMS and the following, one for each port. */
enum listener_kind { LISTENER_HBONE = 0, LISTENER_PLAINTEXT = 1, LISTENER_OUTBOUND = 2, LISTENER_DNS = 3, LISTENER_DNS_DATAGRAMS = 4 };

struct listener_key {
	__be32 ip[4];
	__u32 kind;
};

/* The agent's dial to an application with the client's address as its own: the SYN as it arrives. */
struct dial {
	__be32 remote_ip[4];
	__be32 local_ip[4];
	__be16 remote_port;
	__be16 local_port;
};

/* The packet that a processor is receiving, where the kubelet sent it to a port that it probes; interface 0: another one. */
struct arrival {
	struct dial dial;
	__u32 interface;
};

struct probe_port {
	__be32 ip[4];
	__be16 port;
	__u16 pad;
};

/* Otherwise the agent's ports are kept in the pod, and nothing is redirected yet. */
#define POD_CAPTURED 1
/* Its queries for names come to the agent too. */
#define POD_DNS 2

/* A pod's own addresses; zero where it has none of the family. */
struct pod {
	__be32 ip4;
	__be32 ip6[4];
	__u32 flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u64); /* cgroup id */
	__type(value, __u64); /* when it was registered, bpf_ktime_get_ns() */
} agents SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* netns cookie */
	__type(value, struct pod);
} pods SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, struct endpoint);
} original_destinations SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536); /* each kind, by each address of 4096 pods */
	__type(key, struct listener_key);
	__type(value, __u64);
} listeners SEC(".maps") __weak;

/*
 * Which server each datagram was for. A socket may send many, and nobody says when it is closed: what is not asked any
 * more gives way to what is. An entry that outlived its pod is written anew before an address is used again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct dns_flow);
	__type(value, struct endpoint);
} dns_flows SEC(".maps") __weak;

/* Dials that are not connected yet; after that no packet asks for its listener. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct dial);
	__type(value, __u8);
} dials SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u64); /* cgroup id */
	__type(value, __u8);
} kubelets SEC(".maps") __weak;

/* Ports that captured pods ask the kubelet to probe; 0 for any of an address. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct probe_port);
	__type(value, __u8);
} probe_ports SEC(".maps") __weak;

/* From the way into the pod to the look-up of a socket a packet stays on its processor, and no other one comes between. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct arrival);
} arriving SEC(".maps") __weak;

static __always_inline struct arrival *arriving_probe(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&arriving, &key);
}

static __always_inline int is_loopback4(__be32 ip)
{
	return (bpf_ntohl(ip) >> 24) == 127;
}

static __always_inline int is_loopback6(const __be32 *ip)
{
	return !ip[0] && !ip[1] && !ip[2] && ip[3] == bpf_htonl(1);
}

/* :: */
static __always_inline int is_any6(const __be32 *ip)
{
	return !ip[0] && !ip[1] && !ip[2] && !ip[3];
}

static __always_inline int is_same_ip(const __be32 *a, const __be32 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/* ::ffff:0:0/96 */
static __always_inline int is_mapped(const __be32 *ip)
{
	return !ip[0] && !ip[1] && ip[2] == bpf_htonl(0xffff);
}

static __always_inline void set_mapped(__be32 *ip, __be32 ip4)
{
	ip[0] = 0;
	ip[1] = 0;
	ip[2] = bpf_htonl(0xffff);
	ip[3] = ip4;
}

static __always_inline int is_agent(void)
{
	__u64 cgroup = bpf_get_current_cgroup_id();

	return bpf_map_lookup_elem(&agents, &cgroup) != 0;
}
