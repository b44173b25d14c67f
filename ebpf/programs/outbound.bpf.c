/* Redirects the TCP connections of captured pods to the pod's own address, where lb_inbound hands them to the agent's listener. */
#include "capture.h"
#include "direct-connect.h"

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
	return pod && pod->ip4 ? pod : 0;
}

static __always_inline int is_loopback4(__be32 ip)
{
	return (bpf_ntohl(ip) >> 24) == 127;
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

SEC("cgroup/connect4")
int lb_connect4(struct bpf_sock_addr *ctx)
{
	struct pod *pod = captured_pod(ctx);
	const struct endpoint *direct;
	struct endpoint original = {};

	if (!pod || is_loopback4(ctx->user_ip4) || ctx->user_ip4 == pod->ip4)
		return PROCEED;
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
	if (!ctx->sk->src_ip4) {
		/* Otherwise the kernel would choose 127.0.0.1, which the application would see as its own address. */
		struct {
			__u16 family;
			__be16 port;
			__be32 ip;
			__u64 zero;
		} source = { AF_INET, 0, pod->ip4, 0 };

		if (bpf_bind(ctx, (struct sockaddr *)&source, sizeof(source)))
			return REFUSE;
	}
	/* The pod's own address is the key by which lb_inbound finds the agent's listener, whatever source the socket is bound to. */
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

	if (!pod)
		return PROCEED;
	original.ip[0] = ctx->user_ip6[0];
	original.ip[1] = ctx->user_ip6[1];
	original.ip[2] = ctx->user_ip6[2];
	original.ip[3] = ctx->user_ip6[3];
	original.port = (__be16)ctx->user_port;
	if (!original.ip[0] && !original.ip[1]) {
		if (!original.ip[2] && original.ip[3] == bpf_htonl(1))
			return PROCEED;
		if (original.ip[2] == bpf_htonl(0xffff) && (is_loopback4(original.ip[3]) || original.ip[3] == pod->ip4))
			return PROCEED;
	}
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
	if (!ctx->sk->src_ip6[0] && !ctx->sk->src_ip6[1] && !ctx->sk->src_ip6[2] && !ctx->sk->src_ip6[3]) {
		struct {
			__u16 family;
			__be16 port;
			__be32 flow;
			__be32 ip[4];
			__u32 scope;
		} source = { AF_INET6, 0, 0, { 0, 0, bpf_htonl(0xffff), pod->ip4 }, 0 };

		if (bpf_bind(ctx, (struct sockaddr *)&source, sizeof(source)))
			return REFUSE;
	}
	/* As an IPv4-mapped address, so that one IPv4 listener serves both families. */
	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = bpf_htonl(0xffff);
	ctx->user_ip6[3] = pod->ip4;
	ctx->user_port = bpf_htons(OUTBOUND_PORT);
	return PROCEED;
}

/* The application asks whom it is connected to: whom it asked for. */
SEC("cgroup/getpeername4")
int lb_getpeername4(struct bpf_sock_addr *ctx)
{
	struct endpoint *original = bpf_sk_storage_get(&original_of_socket, ctx->sk, 0, 0);

	if (original) {
		ctx->user_ip4 = original->ip[3];
		ctx->user_port = original->port;
	}
	return PROCEED;
}

SEC("cgroup/getpeername6")
int lb_getpeername6(struct bpf_sock_addr *ctx)
{
	struct endpoint *original = bpf_sk_storage_get(&original_of_socket, ctx->sk, 0, 0);

	if (original) {
		ctx->user_ip6[0] = original->ip[0];
		ctx->user_ip6[1] = original->ip[1];
		ctx->user_ip6[2] = original->ip[2];
		ctx->user_ip6[3] = original->ip[3];
		ctx->user_port = original->port;
	}
	return PROCEED;
}

/* Runs before the SYN leaves, when the source port is known: publishes the original destination for the agent's accept. */
SEC("sockops")
int lb_sockops(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint *original;
	struct flow flow = {};

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB || !sk || direct_socket_of(sk))
		return 1;
	original = bpf_sk_storage_get(&original_of_socket, sk, 0, 0);
	if (!original)
		return 1;
	flow.netns = bpf_get_netns_cookie(ctx);
	flow.source.ip[2] = bpf_htonl(0xffff);
	/* Also set for a v4-mapped source. A branch on the family makes clang merge the loads of ctx, which the verifier refuses. */
	flow.source.ip[3] = ctx->local_ip4;
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
