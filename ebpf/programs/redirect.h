/* What redirection of a socket's traffic to the pod's own address takes, for streams and datagrams. */
#pragma once
#include "direct.h"
#include <linux/errno.h>

#define PROCEED 1
#define REFUSE 0

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct endpoint);
} original_of_socket SEC(".maps") __weak;

/* The captured pod that a socket of a type sends from; none for others, and for the agent itself. */
static __always_inline struct pod *captured_pod(struct bpf_sock_addr *ctx, __u32 type)
{
	struct pod *pod;
	__u64 netns;

	if (ctx->type != type || !ctx->sk || is_agent())
		return 0;
	netns = bpf_get_netns_cookie(ctx);
	pod = bpf_map_lookup_elem(&pods, &netns);
	return pod && pod->flags & POD_CAPTURED ? pod : 0;
}

/*
 * What stays in the pod: loopback, which "any address" is to connect(), and the pod's own address. Multicast and
 * broadcast the kernel refuses by itself; of what is reserved beside them, Istio takes addresses for hosts without any.
 */
static __always_inline int is_local4(const struct pod *pod, __be32 ip)
{
	return !ip || is_loopback4(ip) || ip == pod->ip4 || (bpf_ntohl(ip) >> 28) == 14 || ip == 0xffffffff;
}

static __always_inline int is_own(const struct pod *pod, const __be32 *ip)
{
	if (is_mapped(ip))
		return pod->ip4 && ip[3] == pod->ip4;
	return is_same_ip(ip, pod->ip6);
}

static __always_inline int is_local6(const struct pod *pod, const __be32 *ip)
{
	if (is_mapped(ip))
		return is_local4(pod, ip[3]);
	if (is_loopback6(ip) || is_any6(ip))
		return 1;
	if (is_own(pod, ip))
		return 1;
	return (bpf_ntohl(ip[0]) >> 24) == 0xff;
}

/* Whether a port is that of servers whose queries come to the agent. */
static __always_inline int is_dns(const struct pod *pod, __be16 port)
{
	return pod->flags & POD_DNS && port == bpf_htons(DOMAIN_PORT);
}

/* fe80::/10 */
static __always_inline int is_link_local(const __be32 *ip)
{
	return (bpf_ntohl(ip[0]) >> 22) == 0xfe80 >> 6;
}

static __always_inline int refuse(int error)
{
	bpf_set_retval(-error);
	return REFUSE;
}

/* As where there is no route. */
static __always_inline int unreachable(void)
{
	return refuse(ENETUNREACH);
}

/* Keeps where the connection was to go with its socket; refused where that fails: it would go somewhere unknown. */
static __always_inline int remember(struct bpf_sock *sk, const struct endpoint *original)
{
	struct endpoint *stored = bpf_sk_storage_get(&original_of_socket, sk, (void *)original, BPF_SK_STORAGE_GET_F_CREATE);

	if (!stored)
		return REFUSE;
	*stored = *original;
	return PROCEED;
}

/* A socket may have been connected before (connect(2), AF_UNSPEC): what was kept of that is not of this connection. */
static __always_inline int leave_alone(struct bpf_sock *sk)
{
	bpf_sk_storage_delete(&original_of_socket, sk);
	bpf_sk_storage_delete(&direct_sockets, sk);
	return PROCEED;
}

/* Where the application wants its connection or datagram to go. */
static __always_inline void read_asked4(struct bpf_sock_addr *ctx, struct endpoint *asked)
{
	set_mapped(asked->ip, ctx->user_ip4);
	asked->port = (__be16)ctx->user_port;
}

static __always_inline void read_asked6(struct bpf_sock_addr *ctx, struct endpoint *asked)
{
	asked->ip[0] = ctx->user_ip6[0];
	asked->ip[1] = ctx->user_ip6[1];
	asked->ip[2] = ctx->user_ip6[2];
	asked->ip[3] = ctx->user_ip6[3];
	asked->port = (__be16)ctx->user_port;
}

/* Has it go there instead, or be told of that as its peer; nothing without one. */
static __always_inline void tell4(struct bpf_sock_addr *ctx, const struct endpoint *instead)
{
	if (!instead)
		return;
	ctx->user_ip4 = instead->ip[3];
	ctx->user_port = instead->port;
}

static __always_inline void tell6(struct bpf_sock_addr *ctx, const struct endpoint *instead)
{
	if (!instead)
		return;
	ctx->user_ip6[0] = instead->ip[0];
	ctx->user_ip6[1] = instead->ip[1];
	ctx->user_ip6[2] = instead->ip[2];
	ctx->user_ip6[3] = instead->ip[3];
	ctx->user_port = instead->port;
}
