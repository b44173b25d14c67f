/* The choice of a backend in connect(). */
#pragma once
#include "direct.h"

/* A backend of the route by its weight (Vose, "A linear algorithm for generating random numbers with a given distribution"). */
static __always_inline struct direct_backend *draw(__u32 backends, struct direct_backend_key *key)
{
	struct direct_backend *backend;

	key->index = ((__u64)bpf_get_prandom_u32() * backends) >> 32;
	backend = bpf_map_lookup_elem(&direct_backends, key);
	if (!backend || backend->alias == key->index || bpf_get_prandom_u32() < backend->threshold)
		return backend;
	key->index = backend->alias;
	return bpf_map_lookup_elem(&direct_backends, key);
}

/* Where the connection goes if it needs no agent; 0 if it does. Whatever can not be had leads to the agent. */
static __always_inline const struct endpoint *direct_address(struct bpf_sock_addr *ctx, const struct endpoint *original)
{
	struct direct_socket *socket = bpf_sk_storage_get(&direct_sockets, ctx->sk, 0, 0);
	struct direct_destination destination = {};
	struct direct_backend_key key = {};
	struct direct_backend *backend;
	struct direct_route *route;

	/* What an earlier connect() of this socket was allowed, it is not any more. */
	if (socket)
		socket->backend.route = 0;
	/* The guard sees the socket that sends the SYN: MPTCP may be asked here for another one. */
	if (ctx->protocol != IPPROTO_TCP)
		return 0;
	destination.netns = bpf_get_netns_cookie(ctx);
	destination.address = *original;
	route = direct_route_to(&destination);
	if (!route)
		return 0;
	key.route = route->id;
	backend = draw(route->backends, &key);
	if (!backend)
		return 0;
	socket = bpf_sk_storage_get(&direct_sockets, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		return 0;
	socket->destination = destination;
	socket->backend = key;
	socket->address = backend->address;
	socket->opened = 0;
	socket->got_fin = 0;
	return &socket->address;
}
