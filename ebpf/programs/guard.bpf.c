/* Attached to the way out of a captured pod: what begins a TCP connection leaves only if it is the agent's, or needs none. */
#include "direct.h"
#include <linux/if_ether.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

/* The next program, or the network: TCX_NEXT of tcx, TC_ACT_UNSPEC of a classifier. */
#define PASS (-1)
#define DROP TC_ACT_SHOT

#define TCP_PORT_OFFSET 2
#define TCP_FLAGS_OFFSET 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10

#define FRAGMENT_OFFSET 0x1fff
/* Those that Linux itself sends, in the longest order (RFC 8200, section 4.1). */
#define MAX_EXTENSIONS 6

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} guard_drops SEC(".maps");

static __always_inline int drop(void)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&guard_drops, &key);

	if (count)
		(*count)++;
	return DROP;
}

/* By the control group of the socket that sent it, which a pod can not choose; packets that are forwarded, or made by hand, have none of an agent. */
static __always_inline int is_of_agent(struct __sk_buff *skb)
{
	__u64 cgroup = bpf_skb_cgroup_id(skb);

	return bpf_map_lookup_elem(&agents, &cgroup) != 0;
}

/* By what connect() has kept with the socket, where only it can write: packets that go elsewhere, whatever the pod did to them, do not get out. */
static __always_inline int is_direct(struct __sk_buff *skb, const struct endpoint *to)
{
	struct direct_socket *socket;
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	socket = direct_socket_of(sk);
	return socket && is_same_endpoint(&socket->address, to) && is_still_direct(socket);
}

/* A segment that no connection needs to exist for is one that begins one: SYN without ACK, whatever else is set. */
static __always_inline int tcp(struct __sk_buff *skb, __u32 offset, struct endpoint *to)
{
	__u8 flags;

	/* Cut before its flags: nothing but a try to hide them (RFC 1858). */
	if (bpf_skb_load_bytes_relative(skb, offset + TCP_FLAGS_OFFSET, &flags, sizeof(flags), BPF_HDR_START_NET))
		return drop();
	if ((flags & (TCP_SYN | TCP_ACK)) != TCP_SYN || is_of_agent(skb))
		return PASS;
	if (!bpf_skb_load_bytes_relative(skb, offset + TCP_PORT_OFFSET, &to->port, sizeof(to->port), BPF_HDR_START_NET) && is_direct(skb, to))
		return PASS;
	return drop();
}

static __always_inline int ipv4(struct __sk_buff *skb)
{
	struct endpoint to = {};
	struct iphdr ip;

	if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET))
		return drop();
	if (ip.protocol != IPPROTO_TCP)
		return PASS;
	/* The kernel's own TCP never sends fragments. */
	if ((bpf_ntohs(ip.frag_off) & FRAGMENT_OFFSET) || ip.ihl < 5)
		return drop();
	to.ip[2] = bpf_htonl(0xffff);
	to.ip[3] = ip.daddr;
	return tcp(skb, ip.ihl * 4, &to);
}

static __always_inline int ipv6(struct __sk_buff *skb)
{
	struct endpoint to = {};
	struct ipv6hdr ip;
	__u32 offset = sizeof(ip);
	__u8 next;
	int i;

	if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET))
		return drop();
	to.ip[0] = ip.daddr.s6_addr32[0];
	to.ip[1] = ip.daddr.s6_addr32[1];
	to.ip[2] = ip.daddr.s6_addr32[2];
	to.ip[3] = ip.daddr.s6_addr32[3];
	next = ip.nexthdr;
#pragma unroll
	for (i = 0; i <= MAX_EXTENSIONS; i++) {
		/* The next header, and a length that each kind counts in its own way. */
		__u8 extension[4];

		switch (next) {
		case IPPROTO_TCP:
			return tcp(skb, offset, &to);
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_AH:
		case IPPROTO_FRAGMENT:
			break;
		default:
			return PASS;
		}
		if (bpf_skb_load_bytes_relative(skb, offset, extension, sizeof(extension), BPF_HDR_START_NET))
			return drop();
		if (next == IPPROTO_FRAGMENT) {
			/* What is in a later fragment only the first one tells: of those that may hold TCP none passes. */
			if ((extension[2] << 8 | extension[3]) & 0xfff8)
				return extension[0] == IPPROTO_UDP || extension[0] == IPPROTO_ICMPV6 ? PASS : drop();
			offset += 8;
		} else if (next == IPPROTO_AH) {
			offset += (extension[1] + 2) * 4;
		} else {
			offset += (extension[1] + 1) * 8;
		}
		next = extension[0];
	}
	return drop();
}

SEC("tc")
int lb_guard(struct __sk_buff *skb)
{
	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		return ipv4(skb);
	case bpf_htons(ETH_P_IPV6):
		return ipv6(skb);
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		/* Pods send no tags; what is behind one is not looked at. */
		return drop();
	default:
		return PASS;
	}
}
