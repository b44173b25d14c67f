/* Follows the connections that need no agent: counts them when they open and when they end, nothing in between. */
#include "direct.h"

#define SOL_TCP 6
#define TCP_SYNCNT 7

/* Sequence numbers that FIN and SYN took are no bytes of anybody. */
static __always_inline void count_end(struct bpf_sock_ops *ctx, struct direct_socket *socket, struct direct_counts *counts, __u32 from)
{
	__u64 sent = ctx->bytes_acked;
	__u64 received = ctx->bytes_received;
	__u32 una = ctx->snd_una;
	__u32 next = ctx->snd_nxt;

	if (sent)
		sent--;
	if (from == BPF_TCP_FIN_WAIT2 || ((from == BPF_TCP_LAST_ACK || from == BPF_TCP_CLOSING) && una == next))
		sent -= sent > 0;
	/* A FIN is answered at once; without one the kernel stops waiting for it, and sends nothing. */
	if (socket->got_fin || (from == BPF_TCP_FIN_WAIT2 && ctx->segs_out != socket->segments_out))
		received -= received > 0;
	__sync_fetch_and_add(&counts->sent_bytes, sent);
	__sync_fetch_and_add(&counts->received_bytes, received);
	if (from == BPF_TCP_FIN_WAIT2 || from == BPF_TCP_CLOSING || from == BPF_TCP_LAST_ACK)
		__sync_fetch_and_add(&counts->completed, 1);
	else
		__sync_fetch_and_add(&counts->broken, 1);
}

static __always_inline void change_state(struct bpf_sock_ops *ctx, struct direct_socket *socket, __u32 from, __u32 to)
{
	struct direct_backend_key key = socket->backend;
	struct direct_counts *counts;

	switch (to) {
	case BPF_TCP_CLOSE_WAIT:
	case BPF_TCP_CLOSING:
		socket->got_fin = 1;
		return;
	case BPF_TCP_FIN_WAIT2:
		socket->segments_out = ctx->segs_out;
		return;
	case BPF_TCP_ESTABLISHED:
	case BPF_TCP_CLOSE:
		break;
	default:
		return;
	}
	/* Nothing is counted any more for an agent that is gone. */
	counts = bpf_map_lookup_elem(&direct_counts, &key);
	if (!counts)
		return;
	if (to == BPF_TCP_ESTABLISHED) {
		socket->opened = 1;
		__sync_fetch_and_add(&counts->opened, 1);
	} else if (socket->opened) {
		socket->opened = 0;
		count_end(ctx, socket, counts, from);
	} else {
		__sync_fetch_and_add(&counts->failed, 1);
	}
}

/* The guard lets no SYN out by a route that is gone: after this one TCP gives up, instead of trying for two minutes. */
static __always_inline void repeat_syn(struct bpf_sock_ops *ctx, const struct direct_socket *socket)
{
	int once = 1;

	if (!is_still_direct(socket))
		bpf_setsockopt(ctx, SOL_TCP, TCP_SYNCNT, &once, sizeof(once));
}

SEC("sockops")
int lb_direct_sockops(struct bpf_sock_ops *ctx)
{
	struct direct_socket *socket;
	struct bpf_sock *sk;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB && ctx->op != BPF_SOCK_OPS_STATE_CB && ctx->op != BPF_SOCK_OPS_RTO_CB)
		return 1;
	sk = ctx->sk;
	if (!sk)
		return 1;
	socket = direct_socket_of(sk);
	if (!socket)
		return 1;
	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG | BPF_SOCK_OPS_RTO_CB_FLAG);
	else if (ctx->op == BPF_SOCK_OPS_STATE_CB)
		change_state(ctx, socket, ctx->args[0], ctx->args[1]);
	else if (ctx->state == BPF_TCP_SYN_SENT)
		repeat_syn(ctx, socket);
	return 1;
}
