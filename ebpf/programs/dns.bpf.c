/*
 * Redirects datagrams with queries of captured pods to the pod's own address, where lb_inbound hands them to the agent,
 * and lets the application see the server that it asked, in answers too. By TCP, lb_connect4 and lb_connect6 do so.
 */
#include "redirect.h"
#include <linux/in6.h>

/* The agent gives up sooner (agent/dns/forwarder.ts): from then on the same port may be another server's. */
#define ANSWER_NS (6 * 1000000000ull)

/* net.ipv4.ip_local_port_range as Linux has it; where it is another one, these are free ports all the same. */
#define FIRST_PORT 32768
#define PORTS 28232
#define BIND_TRIES 16

/* A server that a socket has asked, by the port in whose place its own stands. */
struct dns_server {
	struct endpoint address;
	__u32 pad;
	__u64 asked_ns; /* bpf_ktime_get_ns(); 0: none yet */
};

struct dns_socket {
	struct dns_server servers[DNS_SERVERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct dns_socket);
} dns_sockets SEC(".maps");

/* Without an agent: at once, rather than by the answer to a datagram, of which a socket that is not connected is not told. */
static __always_inline int is_served(const __be32 *pod, __u32 server)
{
	struct listener_key key = {};
	struct bpf_sock *listener;

	key.kind = LISTENER_DNS_DATAGRAMS + server;
	__builtin_memcpy(key.ip, pod, sizeof(key.ip));
	listener = bpf_map_lookup_elem(&listeners, &key);
	if (!listener)
		return 0;
	bpf_sk_release(listener);
	return 1;
}

/* The place of a server among those of a socket; negative where all are those of others that may still answer. */
static __always_inline int place_of(struct dns_socket *socket, const struct endpoint *address, __u64 now)
{
	__u64 oldest_ns = ~0ull;
	int oldest = 0;
	int i;

#pragma unroll
	for (i = 0; i < DNS_SERVERS; i++) {
		struct dns_server *server = &socket->servers[i];

		if (server->asked_ns && is_same_endpoint(&server->address, address)) {
			server->asked_ns = now;
			return i;
		}
		if (server->asked_ns < oldest_ns) {
			oldest_ns = server->asked_ns;
			oldest = i;
		}
	}
	if (oldest_ns && now - oldest_ns < ANSWER_NS)
		return -1;
#pragma unroll
	for (i = 0; i < DNS_SERVERS; i++) {
		if (i == oldest) {
			socket->servers[i].address = *address;
			socket->servers[i].asked_ns = now;
		}
	}
	return oldest;
}

/*
 * Publishes that datagrams of the flow's source are for a server, and completes the flow by where they are to go. Returns
 * PROCEED, or REFUSE with the error set.
 */
static __always_inline int publish(struct bpf_sock *sk, struct dns_flow *flow, const struct endpoint *server)
{
	struct dns_socket *socket = bpf_sk_storage_get(&dns_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	int place;

	if (!socket)
		return refuse(ENOMEM);
	place = place_of(socket, server, bpf_ktime_get_ns());
	if (place < 0)
		return refuse(ENOBUFS);
	if (!is_served(flow->to.ip, place))
		return refuse(ECONNREFUSED);
	flow->to.port = bpf_htons(DNS_PORT + place);
	return bpf_map_update_elem(&dns_flows, flow, server, BPF_ANY) ? refuse(ENOMEM) : PROCEED;
}

/* The address that a socket is bound to; where it is none, datagrams to the pod's own address come from that address. */
static __always_inline void read_source(struct bpf_sock *sk, struct dns_flow *flow)
{
	struct endpoint *source = &flow->source;

	if (sk->family == AF_INET) {
		set_mapped(source->ip, sk->src_ip4 ? sk->src_ip4 : flow->to.ip[3]);
	} else {
		source->ip[0] = sk->src_ip6[0];
		source->ip[1] = sk->src_ip6[1];
		source->ip[2] = sk->src_ip6[2];
		source->ip[3] = sk->src_ip6[3];
		if (is_any6(source->ip))
			__builtin_memcpy(source->ip, flow->to.ip, sizeof(source->ip));
	}
	source->port = bpf_htons((__u16)sk->src_port);
}

/* connect() would choose a port only after this: one is chosen here, so that the agent can be told whose datagrams come from it. */
static __always_inline int bind_port(struct bpf_sock_addr *ctx)
{
	struct sockaddr_in6 six = {};
	struct sockaddr_in four = {};
	int i;

	if (ctx->sk->src_port)
		return 0;
	four.sin_family = AF_INET;
	six.sin6_family = AF_INET6;
	four.sin_addr.s_addr = ctx->sk->src_ip4;
	six.sin6_addr.s6_addr32[0] = ctx->sk->src_ip6[0];
	six.sin6_addr.s6_addr32[1] = ctx->sk->src_ip6[1];
	six.sin6_addr.s6_addr32[2] = ctx->sk->src_ip6[2];
	six.sin6_addr.s6_addr32[3] = ctx->sk->src_ip6[3];
	for (i = 0; i < BIND_TRIES; i++) {
		__be16 port = bpf_htons(FIRST_PORT + bpf_get_prandom_u32() % PORTS);

		four.sin_port = port;
		six.sin6_port = port;
		if (!(ctx->sk->family == AF_INET ? bpf_bind(ctx, (struct sockaddr *)&four, sizeof(four)) : bpf_bind(ctx, (struct sockaddr *)&six, sizeof(six))))
			return 0;
	}
	return -1;
}

/* Of a socket that connects to a server: what it has yet to send is known by its port. */
static __always_inline int connect_to(struct bpf_sock_addr *ctx, struct dns_flow *flow, const struct endpoint *server)
{
	if (bind_port(ctx))
		return refuse(EADDRINUSE);
	read_source(ctx->sk, flow);
	if (publish(ctx->sk, flow, server) != PROCEED)
		return REFUSE;
	return remember(ctx->sk, server);
}

static __always_inline int is_query(struct bpf_sock_addr *ctx, const struct pod *pod)
{
	return is_dns(pod, (__be16)ctx->user_port) && ctx->protocol == IPPROTO_UDP;
}

SEC("cgroup/connect4")
int lb_dns_connect4(struct bpf_sock_addr *ctx)
{
	struct pod *pod = captured_pod(ctx, SOCK_DGRAM);
	struct endpoint server = {};
	struct dns_flow flow = {};

	if (!pod)
		return PROCEED;
	if (!is_query(ctx, pod) || is_local4(pod, ctx->user_ip4))
		return leave_alone(ctx->sk);
	if (!pod->ip4)
		return unreachable();
	read_asked4(ctx, &server);
	set_mapped(flow.to.ip, pod->ip4);
	if (connect_to(ctx, &flow, &server) != PROCEED)
		return REFUSE;
	tell4(ctx, &flow.to);
	return PROCEED;
}

SEC("cgroup/connect6")
int lb_dns_connect6(struct bpf_sock_addr *ctx)
{
	struct pod *pod = captured_pod(ctx, SOCK_DGRAM);
	struct endpoint server = {};
	struct dns_flow flow = {};

	if (!pod)
		return PROCEED;
	read_asked6(ctx, &server);
	if (!is_query(ctx, pod) || is_local6(pod, server.ip))
		return leave_alone(ctx->sk);
	if (is_mapped(server.ip)) {
		if (!pod->ip4)
			return unreachable();
		set_mapped(flow.to.ip, pod->ip4);
	} else {
		if (!pod->ip6[0] || is_link_local(server.ip))
			return unreachable();
		__builtin_memcpy(flow.to.ip, pod->ip6, sizeof(flow.to.ip));
	}
	if (connect_to(ctx, &flow, &server) != PROCEED)
		return REFUSE;
	tell6(ctx, &flow.to);
	return PROCEED;
}

/* What has an address of its own to go to, IPv4 of IPv6 sockets too. The kernel has chosen the port by now. */
SEC("cgroup/sendmsg4")
int lb_dns_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct endpoint server = {};
	struct dns_flow flow = {};
	struct pod *pod;

	if (ctx->user_port != bpf_htons(DOMAIN_PORT))
		return PROCEED;
	pod = captured_pod(ctx, SOCK_DGRAM);
	if (!pod || !is_query(ctx, pod) || is_local4(pod, ctx->user_ip4))
		return PROCEED;
	if (!pod->ip4)
		return unreachable();
	read_asked4(ctx, &server);
	set_mapped(flow.to.ip, pod->ip4);
	if (!ctx->msg_src_ip4)
		ctx->msg_src_ip4 = pod->ip4;
	set_mapped(flow.source.ip, ctx->msg_src_ip4);
	flow.source.port = bpf_htons((__u16)ctx->sk->src_port);
	if (publish(ctx->sk, &flow, &server) != PROCEED)
		return REFUSE;
	tell4(ctx, &flow.to);
	return PROCEED;
}

SEC("cgroup/sendmsg6")
int lb_dns_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct endpoint server = {};
	struct dns_flow flow = {};
	struct pod *pod;

	if (ctx->user_port != bpf_htons(DOMAIN_PORT))
		return PROCEED;
	pod = captured_pod(ctx, SOCK_DGRAM);
	if (!pod)
		return PROCEED;
	read_asked6(ctx, &server);
	if (!is_query(ctx, pod) || is_local6(pod, server.ip))
		return PROCEED;
	if (!pod->ip6[0] || is_link_local(server.ip))
		return unreachable();
	__builtin_memcpy(flow.to.ip, pod->ip6, sizeof(flow.to.ip));
	flow.source.ip[0] = ctx->msg_src_ip6[0];
	flow.source.ip[1] = ctx->msg_src_ip6[1];
	flow.source.ip[2] = ctx->msg_src_ip6[2];
	flow.source.ip[3] = ctx->msg_src_ip6[3];
	if (is_any6(flow.source.ip)) {
		__builtin_memcpy(flow.source.ip, pod->ip6, sizeof(flow.source.ip));
		ctx->msg_src_ip6[0] = flow.source.ip[0];
		ctx->msg_src_ip6[1] = flow.source.ip[1];
		ctx->msg_src_ip6[2] = flow.source.ip[2];
		ctx->msg_src_ip6[3] = flow.source.ip[3];
	}
	flow.source.port = bpf_htons((__u16)ctx->sk->src_port);
	if (publish(ctx->sk, &flow, &server) != PROCEED)
		return REFUSE;
	tell6(ctx, &flow.to);
	return PROCEED;
}

/* The server that an answer is from, by the port that it came from; 0 where it is none of the agent's. */
static __always_inline const struct endpoint *server_of_answer(struct bpf_sock_addr *ctx, const __be32 *from)
{
	__u32 place = bpf_ntohs((__u16)ctx->user_port) - DNS_PORT;
	struct dns_socket *socket;
	struct pod *pod;
	__u64 netns;
	int i;

	if (place >= DNS_SERVERS || !ctx->sk)
		return 0;
	socket = bpf_sk_storage_get(&dns_sockets, ctx->sk, 0, 0);
	if (!socket)
		return 0;
	netns = bpf_get_netns_cookie(ctx);
	pod = bpf_map_lookup_elem(&pods, &netns);
	/* Somebody else may have such a port too, elsewhere. */
	if (!pod || !is_own(pod, from))
		return 0;
#pragma unroll
	for (i = 0; i < DNS_SERVERS; i++) {
		if (i == place)
			return socket->servers[i].asked_ns ? &socket->servers[i].address : 0;
	}
	return 0;
}

SEC("cgroup/recvmsg4")
int lb_dns_recvmsg4(struct bpf_sock_addr *ctx)
{
	__be32 from[4] = { 0, 0, bpf_htonl(0xffff), ctx->user_ip4 };

	tell4(ctx, server_of_answer(ctx, from));
	return PROCEED;
}

/* IPv6 sockets are told of IPv4 by mapped addresses. */
SEC("cgroup/recvmsg6")
int lb_dns_recvmsg6(struct bpf_sock_addr *ctx)
{
	__be32 from[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

	tell6(ctx, server_of_answer(ctx, from));
	return PROCEED;
}
