/* Keeps the agents' ports in captured pods for agents: with SO_REUSEPORT any process of their user id could share one's listeners. */
#include "capture.h"

static __always_inline int is_of_streams(__u32 port)
{
	return port == OUTBOUND_PORT || port == PLAINTEXT_PORT || port == HBONE_PORT || port == DNS_PORT;
}

static __always_inline int is_of_datagrams(__u32 port)
{
	return port - DNS_PORT < DNS_SERVERS;
}

static __always_inline int may_hold(struct bpf_sock *ctx)
{
	__u64 netns;

	if (!(ctx->type == SOCK_STREAM ? is_of_streams(ctx->src_port) : ctx->type == SOCK_DGRAM && is_of_datagrams(ctx->src_port)))
		return 1;
	if (is_agent())
		return 1;
	netns = bpf_get_netns_cookie(ctx);
	return !bpf_map_lookup_elem(&pods, &netns);
}

/* After bind(), when the port is known, whether it was asked for or chosen by the kernel. */
SEC("cgroup/post_bind4")
int lb_post_bind4(struct bpf_sock *ctx)
{
	return may_hold(ctx);
}

SEC("cgroup/post_bind6")
int lb_post_bind6(struct bpf_sock *ctx)
{
	return may_hold(ctx);
}
