/* Redirects the TCP connections of captured pods to the pod's own address, where lb_inbound hands them to the agent's listener. */
#include "capture.h"
#include "direct-connect.h"
#include "redirect.h"

SEC("cgroup/connect4")
int lb_connect4(struct bpf_sock_addr *ctx)
{
	struct pod *pod = captured_pod(ctx, SOCK_STREAM);
	const struct endpoint *direct;
	struct endpoint original = {};
	int is_query;

	if (!pod)
		return PROCEED;
	if (is_local4(pod, ctx->user_ip4))
		return leave_alone(ctx->sk);
	if (!pod->ip4)
		return unreachable();
	read_asked4(ctx, &original);
	if (!remember(ctx->sk, &original))
		return REFUSE;
	is_query = is_dns(pod, original.port);
	direct = is_query ? 0 : direct_address(ctx, &original);
	if (direct) {
		tell4(ctx, direct);
		return PROCEED;
	}
	/*
	 * The pod's own address is the key by which lb_inbound finds the agent's listener, whatever source the socket is
	 * bound to. Otherwise the kernel lets the connection come from this address too, so that the application sees
	 * itself as it would without capture; also where it has bound a port, or an interface.
	 */
	ctx->user_ip4 = pod->ip4;
	ctx->user_port = bpf_htons(is_query ? DNS_PORT : OUTBOUND_PORT);
	return PROCEED;
}

SEC("cgroup/connect6")
int lb_connect6(struct bpf_sock_addr *ctx)
{
	struct pod *pod = captured_pod(ctx, SOCK_STREAM);
	const struct endpoint *direct;
	struct endpoint original = {};
	int is_ip4, is_query;

	if (!pod)
		return PROCEED;
	read_asked6(ctx, &original);
	is_ip4 = is_mapped(original.ip);
	if (is_local6(pod, original.ip))
		return leave_alone(ctx->sk);
	/* Without its interface, which a program is not told, nobody can say where a link-local address is. */
	if (is_ip4 ? !pod->ip4 : !pod->ip6[0] || is_link_local(original.ip))
		return unreachable();
	if (!remember(ctx->sk, &original))
		return REFUSE;
	is_query = is_dns(pod, original.port);
	direct = is_query ? 0 : direct_address(ctx, &original);
	if (direct) {
		tell6(ctx, direct);
		return PROCEED;
	}
	ctx->user_ip6[0] = is_ip4 ? 0 : pod->ip6[0];
	ctx->user_ip6[1] = is_ip4 ? 0 : pod->ip6[1];
	ctx->user_ip6[2] = is_ip4 ? bpf_htonl(0xffff) : pod->ip6[2];
	ctx->user_ip6[3] = is_ip4 ? pod->ip4 : pod->ip6[3];
	ctx->user_port = bpf_htons(is_query ? DNS_PORT : OUTBOUND_PORT);
	return PROCEED;
}

/*
 * connect() of MPTCP is told of its first subflow, getpeername() of the MPTCP socket. Both have the same addresses: the
 * subflow is who gets what the listener sends to them. It must be released.
 */
static __always_inline struct bpf_sock *subflow(struct bpf_sock_addr *ctx, const __be32 *listener, const __be32 *own)
{
	struct bpf_sock_tuple tuple = {};

	if (is_mapped(listener)) {
		tuple.ipv4.saddr = listener[3];
		tuple.ipv4.daddr = own[3];
		tuple.ipv4.sport = (__be16)ctx->user_port;
		tuple.ipv4.dport = bpf_htons((__u16)ctx->sk->src_port);
		return bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, listener, sizeof(tuple.ipv6.saddr));
	__builtin_memcpy(tuple.ipv6.daddr, own, sizeof(tuple.ipv6.daddr));
	tuple.ipv6.sport = (__be16)ctx->user_port;
	tuple.ipv6.dport = bpf_htons((__u16)ctx->sk->src_port);
	return bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* The application asks whom it is connected to: whom it asked for. */
SEC("cgroup/getpeername4")
int lb_getpeername4(struct bpf_sock_addr *ctx)
{
	__be32 listener[4] = { 0, 0, bpf_htonl(0xffff), ctx->user_ip4 };
	__be32 own[4] = { 0, 0, 0, ctx->sk->src_ip4 };
	struct bpf_sock *first;

	if (ctx->protocol != IPPROTO_MPTCP) {
		tell4(ctx, bpf_sk_storage_get(&original_of_socket, ctx->sk, 0, 0));
		return PROCEED;
	}
	first = subflow(ctx, listener, own);
	if (first) {
		tell4(ctx, bpf_sk_storage_get(&original_of_socket, first, 0, 0));
		bpf_sk_release(first);
	}
	return PROCEED;
}

SEC("cgroup/getpeername6")
int lb_getpeername6(struct bpf_sock_addr *ctx)
{
	__be32 listener[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
	__be32 own[4] = { ctx->sk->src_ip6[0], ctx->sk->src_ip6[1], ctx->sk->src_ip6[2], ctx->sk->src_ip6[3] };
	struct bpf_sock *first;

	if (ctx->protocol != IPPROTO_MPTCP) {
		tell6(ctx, bpf_sk_storage_get(&original_of_socket, ctx->sk, 0, 0));
		return PROCEED;
	}
	first = subflow(ctx, listener, own);
	if (first) {
		tell6(ctx, bpf_sk_storage_get(&original_of_socket, first, 0, 0));
		bpf_sk_release(first);
	}
	return PROCEED;
}

/* Runs before the SYN leaves, when the source port is known: publishes the original destination for the agent's accept. */
SEC("sockops")
int lb_sockops(struct bpf_sock_ops *ctx)
{
	/* All are read whatever the family is: clang merges loads of two branches into one at an address that is not known, which the verifier refuses. */
	volatile struct bpf_sock_ops *fields = ctx;
	struct bpf_sock *sk = ctx->sk;
	struct endpoint *original;
	struct flow flow = {};
	__be32 ip4;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB || !sk || direct_socket_of(sk))
		return 1;
	original = bpf_sk_storage_get(&original_of_socket, sk, 0, 0);
	if (!original)
		return 1;
	flow.netns = bpf_get_netns_cookie(ctx);
	ip4 = fields->local_ip4;
	flow.source.ip[0] = fields->local_ip6[0];
	flow.source.ip[1] = fields->local_ip6[1];
	flow.source.ip[2] = fields->local_ip6[2];
	flow.source.ip[3] = fields->local_ip6[3];
	if (fields->family == AF_INET)
		set_mapped(flow.source.ip, ip4);
	flow.source.port = bpf_htons((__u16)ctx->local_port);
	bpf_map_update_elem(&original_destinations, &flow, original, BPF_ANY);
	return 1;
}

/* Run once by the agent: its own cgroup, whose sockets are never redirected. */
SEC("syscall")
int lb_register_agent(void *ctx)
{
	__u64 cgroup = bpf_get_current_cgroup_id();
	__u64 now = bpf_ktime_get_ns();

	return (int)bpf_map_update_elem(&agents, &cgroup, &now, BPF_ANY);
}

char _license[] SEC("license") = "GPL";
