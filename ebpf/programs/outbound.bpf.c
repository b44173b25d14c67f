/* Redirects the TCP connections of captured pods to the pod's own address, where lb_inbound hands them to the agent's listener. */
#include "capture.h"
#include "direct-connect.h"
#include <linux/errno.h>

#define PROCEED 1
#define REFUSE 0

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct endpoint);
} original_of_socket SEC(".maps");

/* The captured pod that a socket connects from; none for others, for the agent itself, and for what is no stream. */
static __always_inline struct pod *captured_pod(struct bpf_sock_addr *ctx)
{
	struct pod *pod;
	__u64 netns;

	if (ctx->type != SOCK_STREAM || !ctx->sk || is_agent())
		return 0;
	netns = bpf_get_netns_cookie(ctx);
	pod = bpf_map_lookup_elem(&pods, &netns);
	return pod && pod->flags & POD_CAPTURED ? pod : 0;
}

/*
 * What stays in the pod: loopback, which "any address" is to connect(), and the pod's own address. Multicast the kernel
 * refuses by itself.
 */
static __always_inline int is_local4(const struct pod *pod, __be32 ip)
{
	return !ip || is_loopback4(ip) || ip == pod->ip4 || (bpf_ntohl(ip) >> 28) >= 14;
}

static __always_inline int is_local6(const struct pod *pod, const __be32 *ip)
{
	if (is_mapped(ip))
		return is_local4(pod, ip[3]);
	if (is_loopback6(ip) || (!ip[0] && !ip[1] && !ip[2] && !ip[3]))
		return 1;
	if (ip[0] == pod->ip6[0] && ip[1] == pod->ip6[1] && ip[2] == pod->ip6[2] && ip[3] == pod->ip6[3])
		return 1;
	return (bpf_ntohl(ip[0]) >> 24) == 0xff;
}

/* fe80::/10 */
static __always_inline int is_link_local(const __be32 *ip)
{
	return (bpf_ntohl(ip[0]) >> 22) == 0xfe80 >> 6;
}

/* As where there is no route. */
static __always_inline int unreachable(void)
{
	bpf_set_retval(-ENETUNREACH);
	return REFUSE;
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

SEC("cgroup/connect4")
int lb_connect4(struct bpf_sock_addr *ctx)
{
	struct pod *pod = captured_pod(ctx);
	const struct endpoint *direct;
	struct endpoint original = {};

	if (!pod)
		return PROCEED;
	if (is_local4(pod, ctx->user_ip4))
		return leave_alone(ctx->sk);
	if (!pod->ip4)
		return unreachable();
	original.ip[2] = bpf_htonl(0xffff);
	original.ip[3] = ctx->user_ip4;
	original.port = (__be16)ctx->user_port;
	if (!remember(ctx->sk, &original))
		return REFUSE;
	direct = direct_address(ctx, &original);
	if (direct) {
		ctx->user_ip4 = direct->ip[3];
		ctx->user_port = direct->port;
		return PROCEED;
	}
	/*
	 * The pod's own address is the key by which lb_inbound finds the agent's listener, whatever source the socket is
	 * bound to. Otherwise the kernel lets the connection come from this address too, so that the application sees
	 * itself as it would without capture; also where it has bound a port, or an interface.
	 */
	ctx->user_ip4 = pod->ip4;
	ctx->user_port = bpf_htons(OUTBOUND_PORT);
	return PROCEED;
}

SEC("cgroup/connect6")
int lb_connect6(struct bpf_sock_addr *ctx)
{
	struct pod *pod = captured_pod(ctx);
	const struct endpoint *direct;
	struct endpoint original = {};
	int is_ip4;

	if (!pod)
		return PROCEED;
	original.ip[0] = ctx->user_ip6[0];
	original.ip[1] = ctx->user_ip6[1];
	original.ip[2] = ctx->user_ip6[2];
	original.ip[3] = ctx->user_ip6[3];
	original.port = (__be16)ctx->user_port;
	is_ip4 = is_mapped(original.ip);
	if (is_local6(pod, original.ip))
		return leave_alone(ctx->sk);
	/* Without its interface, which a program is not told, nobody can say where a link-local address is. */
	if (is_ip4 ? !pod->ip4 : !pod->ip6[0] || is_link_local(original.ip))
		return unreachable();
	if (!remember(ctx->sk, &original))
		return REFUSE;
	direct = direct_address(ctx, &original);
	if (direct) {
		ctx->user_ip6[0] = direct->ip[0];
		ctx->user_ip6[1] = direct->ip[1];
		ctx->user_ip6[2] = direct->ip[2];
		ctx->user_ip6[3] = direct->ip[3];
		ctx->user_port = direct->port;
		return PROCEED;
	}
	ctx->user_ip6[0] = is_ip4 ? 0 : pod->ip6[0];
	ctx->user_ip6[1] = is_ip4 ? 0 : pod->ip6[1];
	ctx->user_ip6[2] = is_ip4 ? bpf_htonl(0xffff) : pod->ip6[2];
	ctx->user_ip6[3] = is_ip4 ? pod->ip4 : pod->ip6[3];
	ctx->user_port = bpf_htons(OUTBOUND_PORT);
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

static __always_inline void tell4(struct bpf_sock_addr *ctx, const struct endpoint *original)
{
	if (!original)
		return;
	ctx->user_ip4 = original->ip[3];
	ctx->user_port = original->port;
}

static __always_inline void tell6(struct bpf_sock_addr *ctx, const struct endpoint *original)
{
	if (!original)
		return;
	ctx->user_ip6[0] = original->ip[0];
	ctx->user_ip6[1] = original->ip[1];
	ctx->user_ip6[2] = original->ip[2];
	ctx->user_ip6[3] = original->ip[3];
	ctx->user_port = original->port;
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
	if (fields->family == AF_INET) {
		flow.source.ip[0] = 0;
		flow.source.ip[1] = 0;
		flow.source.ip[2] = bpf_htonl(0xffff);
		flow.source.ip[3] = ip4;
	}
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
