/*
 * Hands what two applications of one node say to each other from socket to socket, once the agent has joined them. The
 * bytes of one direction wait in one place at a time: in the receiver's queue of messages, or on their way through TCP
 * and the agent. docs/acceleration.md says why that is so, and what applications notice.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define OUTBOUND_PORT 15001

/* Bytes of one direction that the receiver may have unread past TCP; what comes on top goes the long way. */
#define MAX_UNREAD (1024 * 1024)

/* SK_USER_DATA_PTRMASK of the kernel: the low bits of sk_user_data are flags. */
#define SK_USER_DATA_PTRMASK (~7ull)

/* fcntl(2), on x86. */
#define O_NONBLOCK 04000

/* A socket by its namespace and IPv4 addresses, ports in host order. Of the agent's end of a captured connection only the port counts. */
struct socket_key {
	__u64 netns;
	__be32 local_ip;
	__be32 remote_ip;
	__u32 local_port;
	__u32 remote_port;
};

/* What one application sends to another. The agent makes both directions of a pair, and ends them. */
struct direction {
	struct socket_key receiver; /* without a namespace: not joined yet */
	__u64 sent; /* bytes past TCP; changed with the sender's socket locked */
	__u64 read; /* of them, those that the receiver was seen to have read */
	__u32 tcp_read; /* bytes by TCP that the receiver had read when it last sent something itself */
	__u8 is_known; /* whether tcp_read says anything */
	__u8 is_blocking; /* the sender's socket was found to block: it is not accelerated */
	__u16 pad;
};

/* Sequence numbers of a socket before its first byte. */
struct beginning {
	__u32 write_seq;
	__u32 copied_seq;
};

/* Fields of the kernel's own structures, found by their names where the programs are loaded. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct list_head {
	struct list_head *next;
};

struct sk_psock {
	struct list_head ingress_msg;
};

struct file {
	unsigned int f_flags;
};

struct socket {
	struct file *file;
};

struct sock {
	void *sk_user_data;
	struct socket *sk_socket;
};

struct inet_connection_sock {
	const void *icsk_ulp_ops;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 copied_seq;
	__u32 write_seq;
};

struct bpf_iter__sockmap {
	void *key;
	struct sock *sk;
};
#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* netns cookie */
	__type(value, __u8);
} accelerated_pods SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 32768);
	__type(key, struct socket_key);
	__type(value, __u64);
} sockets SEC(".maps");

/* By the sender. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct socket_key);
	__type(value, struct direction);
} directions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct beginning);
} beginnings SEC(".maps");

/* Whether an application has read all messages: the queue that sk_msg programs put them into. */
static __always_inline int has_read_all(void *user_data)
{
	struct sk_psock *psock = (void *)((__u64)user_data & SK_USER_DATA_PTRMASK);
	void *first = 0;

	if (!psock || bpf_core_read(&first, sizeof(first), &psock->ingress_msg.next))
		return 0;
	return first == (void *)__builtin_preserve_access_index(&psock->ingress_msg);
}

static __always_inline void name_remote(struct socket_key *key, __be32 ip, __be32 port)
{
	key->remote_port = bpf_ntohl(port);
	key->remote_ip = key->remote_port == OUTBOUND_PORT ? 0 : ip;
}

/* A recv() that waits in an accelerated socket comes back with EAGAIN when it is woken by anything but bytes (tcp_bpf_recvmsg() of the kernel). */
static __always_inline int is_blocking(struct sock *sk)
{
	struct socket *socket = 0;
	struct file *file = 0;
	unsigned int flags = 0;

	if (bpf_core_read(&socket, sizeof(socket), &sk->sk_socket) || !socket || bpf_core_read(&file, sizeof(file), &socket->file) || !file)
		return 1;
	return bpf_core_read(&flags, sizeof(flags), &file->f_flags) || !(flags & O_NONBLOCK);
}

/* Applications' sockets, before they can send: those that connect to the agent, and those that it connects to. */
SEC("sockops")
int lb_joinable(struct bpf_sock_ops *ctx)
{
	struct socket_key key = {};
	struct beginning *beginning;
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tcp;

	if ((ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) || !sk)
		return 1;
	key.netns = bpf_get_netns_cookie(ctx);
	if (!bpf_map_lookup_elem(&accelerated_pods, &key.netns))
		return 1;
	key.local_ip = ctx->local_ip4;
	/* An IPv6 socket has 127.0.0.6 here (LOOPBACK4_IPV6 of the kernel). */
	if ((bpf_ntohl(key.local_ip) >> 24) == 127)
		return 1;
	key.local_port = ctx->local_port;
	name_remote(&key, ctx->remote_ip4, ctx->remote_port);
	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) {
		/* Data with the SYN (RFC 7413) were sent already. */
		if (key.remote_port != OUTBOUND_PORT || ctx->data_segs_out)
			return 1;
	} else if (!bpf_map_lookup_elem(&directions, &key)) {
		return 1;
	}
	tcp = bpf_skc_to_tcp_sock(sk);
	/* One that is accepted blocks or not as the application says later. */
	if (!tcp || (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && is_blocking((struct sock *)tcp)))
		return 1;
	beginning = bpf_sk_storage_get(&beginnings, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!beginning)
		return 1;
	beginning->write_seq = tcp->write_seq;
	beginning->copied_seq = tcp->copied_seq;
	bpf_sock_hash_update(ctx, &sockets, &key, BPF_ANY);
	return 1;
}

SEC("sk_msg")
int lb_message(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct direction *out, *in;
	struct beginning *beginning;
	struct socket_key key = {};
	struct tcp_sock *tcp;

	if (!sk)
		return SK_PASS;
	key.netns = bpf_get_netns_cookie(msg);
	key.local_ip = msg->local_ip4;
	key.local_port = msg->local_port;
	name_remote(&key, msg->remote_ip4, msg->remote_port);
	out = bpf_map_lookup_elem(&directions, &key);
	if (!out || !out->receiver.netns)
		return SK_PASS;
	tcp = bpf_skc_to_tcp_sock(sk);
	beginning = bpf_sk_storage_get(&beginnings, sk, 0, 0);
	/* The kernel's TLS shows its plaintext here, which is not for the other end's ears. */
	if (!tcp || !beginning || tcp->inet_conn.icsk_ulp_ops)
		return SK_PASS;
	if (is_blocking((struct sock *)tcp)) {
		out->is_blocking = 1;
		return SK_PASS;
	}

	/* Who speaks shows how far it has listened. */
	in = bpf_map_lookup_elem(&directions, &out->receiver);
	if (in && has_read_all(((struct sock *)tcp)->sk_user_data)) {
		in->read = in->sent;
		in->tcp_read = tcp->copied_seq - beginning->copied_seq;
		in->is_known = 1;
	}

	/* Bytes are still on their way by TCP, or were not read yet: these ones follow them. */
	if (!out->is_known || tcp->write_seq - beginning->write_seq != out->tcp_read)
		return SK_PASS;
	if (out->sent - out->read + msg->size > MAX_UNREAD)
		return SK_PASS;
	if (bpf_msg_redirect_hash(msg, &sockets, &out->receiver, BPF_F_INGRESS) == SK_PASS)
		out->sent += msg->size;
	/* By TCP where the receiver is gone. */
	return SK_PASS;
}

/* Run by the agent over all sockets while it has bytes for one that must wait: looks who has read everything. */
SEC("iter/sockmap")
int lb_readers(struct bpf_iter__sockmap *ctx)
{
	struct sock *sk = ctx->sk;
	struct direction *out, *in;
	struct socket_key key;
	void *at = ctx->key;
	__u64 sent;

	if (!sk || !at)
		return 0;
	__builtin_memcpy(&key, at, sizeof(key));
	out = bpf_map_lookup_elem(&directions, &key);
	if (!out)
		return 0;
	in = bpf_map_lookup_elem(&directions, &out->receiver);
	if (!in)
		return 0;
	sent = in->sent;
	if (has_read_all(sk->sk_user_data))
		in->read = sent;
	return 0;
}

char _license[] SEC("license") = "GPL";
