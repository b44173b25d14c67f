/* Attached to a captured pod's network namespace: hands what arrives, and what connect() redirected, to the agent's listeners in it. */
#include "capture.h"

SEC("sk_lookup")
int lb_inbound(struct bpf_sk_lookup *ctx)
{
	struct listener_key key = {};
	struct dial dial = {};
	struct bpf_sock *listener;
	long failed;
	int is_redirected;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	/*
	 * Only the agent may hold this port in the pod, so that nobody else is asked for here. One that was not redirected
	 * is refused by the agent, which does not find where it was to go.
	 */
	is_redirected = ctx->local_port == OUTBOUND_PORT;
	if (ctx->family == AF_INET) {
		__be32 local = ctx->local_ip4;

		/* Pod-local. ingress_ifindex does not tell: to the pod's own address it is eth0's, over lo too. */
		if (!is_redirected && (local == ctx->remote_ip4 || (bpf_ntohl(local) >> 24) == 127))
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
		if (!is_redirected && key.ip[0] == ctx->remote_ip6[0] && key.ip[1] == ctx->remote_ip6[1] && key.ip[2] == ctx->remote_ip6[2] && key.ip[3] == ctx->remote_ip6[3])
			return SK_PASS;
		if (!key.ip[0] && !key.ip[1] && !key.ip[2] && key.ip[3] == bpf_htonl(1))
			return SK_PASS;
		dial.remote_ip[0] = ctx->remote_ip6[0];
		dial.remote_ip[1] = ctx->remote_ip6[1];
		dial.remote_ip[2] = ctx->remote_ip6[2];
		dial.remote_ip[3] = ctx->remote_ip6[3];
	}
	/*
	 * From a socket of the pod that is bound to lo, as those of the agent are that dial the application with a foreign
	 * address. What comes from outside never arrives here, whatever tuple it has. A dial that is not known is refused
	 * and not captured: the agent would dial again for it, without end.
	 */
	if (!is_redirected && ctx->ingress_ifindex == LOOPBACK_INDEX) {
		dial.local_ip[0] = key.ip[0];
		dial.local_ip[1] = key.ip[1];
		dial.local_ip[2] = key.ip[2];
		dial.local_ip[3] = key.ip[3];
		dial.remote_port = ctx->remote_port;
		dial.local_port = bpf_htons((__u16)ctx->local_port);
		return bpf_map_lookup_elem(&dials, &dial) ? SK_PASS : SK_DROP;
	}
	key.kind = is_redirected ? LISTENER_OUTBOUND : ctx->local_port == HBONE_PORT ? LISTENER_HBONE : LISTENER_PLAINTEXT;
	listener = bpf_map_lookup_elem(&listeners, &key);
	/* No agent: refuse rather than let the connection pass by it. */
	if (!listener)
		return SK_DROP;
	failed = bpf_sk_assign(ctx, listener, 0);
	bpf_sk_release(listener);
	return failed ? SK_DROP : SK_PASS;
}
