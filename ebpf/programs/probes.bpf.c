/*
 * Attached to the way into a captured pod: tells lb_inbound of each packet whether it is the kubelet's. A packet between
 * namespaces of one node still has the socket that sent it (since Linux 4.19), and so that socket's control group, which
 * the kernel knows and no header tells: addresses, ports and sequence numbers may be forged as one likes.
 */
#include "capture.h"
#include <linux/if_ether.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

/* The next program, or the network: TCX_NEXT of tcx, TC_ACT_UNSPEC of a classifier. */
#define PASS (-1)

/* More fragments, or an offset. */
#define FRAGMENT 0x3fff

static __always_inline int is_of_kubelet(struct __sk_buff *skb)
{
	__u64 cgroup;

	/* As all packets from other nodes, for which nothing else is to be done. */
	if (!skb->sk)
		return 0;
	cgroup = bpf_skb_cgroup_id(skb);
	return bpf_map_lookup_elem(&kubelets, &cgroup) != 0;
}

/* 0 where the packet is no TCP, or not as the kernel's own TCP sends it: without fragments or extension headers. */
static __always_inline int read_connection(struct __sk_buff *skb, struct dial *dial)
{
	__be16 ports[2];
	__u32 offset;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;

		if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET))
			return 0;
		if (ip.protocol != IPPROTO_TCP || ip.ihl < 5 || (bpf_ntohs(ip.frag_off) & FRAGMENT))
			return 0;
		offset = ip.ihl * 4;
		dial->remote_ip[2] = bpf_htonl(0xffff);
		dial->remote_ip[3] = ip.saddr;
		dial->local_ip[2] = bpf_htonl(0xffff);
		dial->local_ip[3] = ip.daddr;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET))
			return 0;
		if (ip.nexthdr != IPPROTO_TCP)
			return 0;
		offset = sizeof(ip);
		__builtin_memcpy(dial->remote_ip, &ip.saddr, sizeof(dial->remote_ip));
		__builtin_memcpy(dial->local_ip, &ip.daddr, sizeof(dial->local_ip));
	} else {
		return 0;
	}
	if (bpf_skb_load_bytes_relative(skb, offset, ports, sizeof(ports), BPF_HDR_START_NET))
		return 0;
	dial->remote_port = ports[0];
	dial->local_port = ports[1];
	return 1;
}

SEC("tc")
int lb_probe(struct __sk_buff *skb)
{
	struct arrival *arriving = arriving_probe();
	struct dial dial = {};
	struct probe_port port = {};

	if (!arriving)
		return PASS;
	/* Of another packet, which has been received or was dropped. */
	arriving->interface = 0;
	if (!is_of_kubelet(skb) || !read_connection(skb, &dial))
		return PASS;
	__builtin_memcpy(port.ip, dial.local_ip, sizeof(port.ip));
	port.port = dial.local_port;
	if (!bpf_map_lookup_elem(&probe_ports, &port)) {
		port.port = 0;
		if (!bpf_map_lookup_elem(&probe_ports, &port))
			return PASS;
	}
	arriving->dial = dial;
	arriving->interface = skb->ifindex;
	return PASS;
}
