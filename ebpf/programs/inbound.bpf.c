/* Attached to a captured pod's network namespace: hands what arrives, and what connect() redirected, to the agent's listeners in it. */
#include "capture.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} probes_passed SEC(".maps");

static __always_inline int is_same(const struct dial *a, const struct dial *b)
{
	return a->remote_port == b->remote_port && a->local_port == b->local_port &&
	       is_same_ip(a->remote_ip, b->remote_ip) && is_same_ip(a->local_ip, b->local_ip);
}

/* Whether the packet is one that lb_probe has just seen come from the kubelet. */
static __always_inline int is_probe(struct bpf_sk_lookup *ctx, const struct dial *dial)
{
	struct arrival *arriving = arriving_probe();
	__u32 key = 0;
	__u64 *count;

	if (!arriving || !arriving->interface || arriving->interface != ctx->ingress_ifindex || !is_same(&arriving->dial, dial))
		return 0;
	count = bpf_map_lookup_elem(&probes_passed, &key);
	if (count)
		(*count)++;
	return 1;
}

/* No agent: refuse rather than let it pass by. */
static __always_inline int hand_over(struct bpf_sk_lookup *ctx, const struct listener_key *key)
{
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, key);
	long failed;

	if (!listener)
		return SK_DROP;
	failed = bpf_sk_assign(ctx, listener, 0);
	bpf_sk_release(listener);
	return failed ? SK_DROP : SK_PASS;
}

static __always_inline __u32 kind_of(__u32 port)
{
	switch (port) {
	case OUTBOUND_PORT:
		return LISTENER_OUTBOUND;
	case DNS_PORT:
		return LISTENER_DNS;
	case HBONE_PORT:
		return LISTENER_HBONE;
	default:
		return LISTENER_PLAINTEXT;
	}
}

/*
 * Queries that lb_dns_* have let go there: of each the server is known that it was for. Whatever else comes to these
 * ports is refused, from other pods too, so that nobody's agent answers the names of somebody else.
 */
static __always_inline int datagram(struct bpf_sk_lookup *ctx)
{
	/* As in lb_sockops: all are read whatever the family is. */
	volatile struct bpf_sk_lookup *fields = ctx;
	__u32 server = ctx->local_port - DNS_PORT;
	struct listener_key key = {};
	struct dns_flow flow = {};
	__be32 to, source;

	if (server >= DNS_SERVERS)
		return SK_PASS;
	to = fields->local_ip4;
	source = fields->remote_ip4;
	flow.to.ip[0] = fields->local_ip6[0];
	flow.to.ip[1] = fields->local_ip6[1];
	flow.to.ip[2] = fields->local_ip6[2];
	flow.to.ip[3] = fields->local_ip6[3];
	flow.source.ip[0] = fields->remote_ip6[0];
	flow.source.ip[1] = fields->remote_ip6[1];
	flow.source.ip[2] = fields->remote_ip6[2];
	flow.source.ip[3] = fields->remote_ip6[3];
	if (fields->family == AF_INET) {
		set_mapped(flow.to.ip, to);
		set_mapped(flow.source.ip, source);
	}
	flow.to.port = bpf_htons((__u16)ctx->local_port);
	flow.source.port = ctx->remote_port;
	if (!bpf_map_lookup_elem(&dns_flows, &flow))
		return SK_DROP;
	__builtin_memcpy(key.ip, flow.to.ip, sizeof(key.ip));
	key.kind = LISTENER_DNS_DATAGRAMS + server;
	return hand_over(ctx, &key);
}

SEC("sk_lookup")
int lb_inbound(struct bpf_sk_lookup *ctx)
{
	struct listener_key key = {};
	struct dial dial = {};
	int is_redirected;

	if (ctx->protocol == IPPROTO_UDP)
		return datagram(ctx);
	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	/*
	 * Only the agent may hold these ports in the pod, so that nobody else is asked for here. One that was not redirected
	 * is refused by the agent, which does not find where it was to go.
	 */
	is_redirected = ctx->local_port == OUTBOUND_PORT || ctx->local_port == DNS_PORT;
	if (ctx->family == AF_INET) {
		__be32 local = ctx->local_ip4;

		/*
		 * Pod-local. ingress_ifindex does not tell: to the pod's own address it is eth0's, over lo too. What says to
		 * come from loopback, and does not, the kernel has dropped before; it would not be answered either.
		 */
		if (!is_redirected && (local == ctx->remote_ip4 || is_loopback4(local) || is_loopback4(ctx->remote_ip4)))
			return SK_PASS;
		key.ip[2] = bpf_htonl(0xffff);
		key.ip[3] = local;
		dial.remote_ip[2] = bpf_htonl(0xffff);
		dial.remote_ip[3] = ctx->remote_ip4;
	} else {
		key.ip[0] = ctx->local_ip6[0];
		key.ip[1] = ctx->local_ip6[1];
		key.ip[2] = ctx->local_ip6[2];
		key.ip[3] = ctx->local_ip6[3];
		dial.remote_ip[0] = ctx->remote_ip6[0];
		dial.remote_ip[1] = ctx->remote_ip6[1];
		dial.remote_ip[2] = ctx->remote_ip6[2];
		dial.remote_ip[3] = ctx->remote_ip6[3];
		if (!is_redirected && (is_same_ip(key.ip, dial.remote_ip) || is_loopback6(key.ip) || is_loopback6(dial.remote_ip)))
			return SK_PASS;
	}
	/*
	 * From a socket of the pod that is bound to lo, as those of the agent are that dial the application with a foreign
	 * address. What comes from outside never arrives here, whatever tuple it has. A dial that is not known is refused
	 * and not captured: the agent would dial again for it, without end.
	 */
	dial.local_ip[0] = key.ip[0];
	dial.local_ip[1] = key.ip[1];
	dial.local_ip[2] = key.ip[2];
	dial.local_ip[3] = key.ip[3];
	dial.remote_port = ctx->remote_port;
	dial.local_port = bpf_htons((__u16)ctx->local_port);
	if (!is_redirected && ctx->ingress_ifindex == LOOPBACK_INDEX)
		return bpf_map_lookup_elem(&dials, &dial) ? SK_PASS : SK_DROP;
	/* To the application, whatever policies say and whether there is an agent: a pod under a strict policy must be probed all the same. */
	if (!is_redirected && is_probe(ctx, &dial))
		return SK_PASS;
	key.kind = kind_of(ctx->local_port);
	return hand_over(ctx, &key);
}
