/* Connections that need no agent: connect() chooses where they go, and the guard looks again when the SYN leaves. */
#pragma once
#include "capture.h"

/* What an application of a captured pod asks for. */
struct direct_destination {
	__u64 netns;
	struct endpoint address;
	__u32 pad;
};

/* Ids only grow, from agent to agent too: what a socket was allowed can be told from what holds now. */
struct direct_route {
	__u64 id;
	__u32 backends;
	__u32 is_retired; /* no connect() chooses it any more, although its plan holds */
};

struct direct_backend_key {
	__u64 route;
	__u32 index;
	__u32 pad;
};

/* A column of an alias table (core/alias-table.ts): it is taken itself by the share of a draw that is below `threshold`. */
struct direct_backend {
	struct endpoint address;
	__u32 threshold;
	__u32 alias;
};

/* Which routes hold, and how long: those of one agent, which puts the end off again and again while it works. */
struct direct_lease {
	__u64 first_id;
	__u64 until_ns; /* bpf_ktime_get_ns() */
};

struct direct_counts {
	__u64 opened;
	__u64 completed; /* ended by both sides */
	__u64 broken; /* ended otherwise */
	__u64 failed; /* not opened at all */
	__u64 sent_bytes;
	__u64 received_bytes;
};

/* What a socket's last connect() was allowed; nothing where `backend.route` is 0. */
struct direct_socket {
	struct direct_destination destination;
	struct direct_backend_key backend;
	struct endpoint address;
	__u32 segments_out;
	__u8 opened;
	__u8 got_fin;
	__u16 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct direct_destination);
	__type(value, struct direct_route);
} direct_routes SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct direct_backend_key);
	__type(value, struct direct_backend);
} direct_backends SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct direct_backend_key);
	__type(value, struct direct_counts);
} direct_counts SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct direct_lease);
} direct_lease SEC(".maps") __weak;

/* Until when SYNs leave by what an agent allowed before the one that has the lease: bpf_ktime_get_ns(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} direct_grace SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct direct_socket);
} direct_sockets SEC(".maps") __weak;

/* Whether a route is one of the agent that has the lease, and that works. */
static __always_inline int is_leased(const struct direct_route *route)
{
	__u32 key = 0;
	struct direct_lease *lease = bpf_map_lookup_elem(&direct_lease, &key);

	return lease && route->id >= lease->first_id && bpf_ktime_get_ns() < lease->until_ns;
}

/* The route of a destination; 0 where there is none that holds. */
static __always_inline struct direct_route *direct_route_to(const struct direct_destination *destination)
{
	struct direct_route *route = bpf_map_lookup_elem(&direct_routes, destination);

	return route && !route->is_retired && is_leased(route) ? route : 0;
}

/* What the socket's connection was allowed; 0 where it goes by the agent, or is no pod's. */
static __always_inline struct direct_socket *direct_socket_of(struct bpf_sock *sk)
{
	struct direct_socket *socket = bpf_sk_storage_get(&direct_sockets, sk, 0, 0);

	return socket && socket->backend.route ? socket : 0;
}

static __always_inline int is_same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	return is_same_ip(a->ip, b->ip) && a->port == b->port;
}

struct backend_search {
	struct direct_backend_key key;
	struct endpoint address;
	__u32 is_found;
};

/* Called by bpf_loop(); not 0 ends it. */
static long is_backend(__u32 index, struct backend_search *search)
{
	struct direct_backend_key key = { .route = search->key.route, .index = index };
	struct direct_backend *backend = bpf_map_lookup_elem(&direct_backends, &key);

	search->is_found = backend && is_same_endpoint(&backend->address, &search->address);
	return search->is_found;
}

/* Whether connections to the destination may still go where connect() decided that this one goes, a moment ago or longer. */
static __always_inline int is_still_direct(const struct direct_socket *socket)
{
	struct direct_destination destination = socket->destination;
	struct direct_route *route = bpf_map_lookup_elem(&direct_routes, &destination);
	struct backend_search search = {};
	__u32 key = 0;
	__u64 *grace;

	/* Withdrawn. */
	if (!route)
		return 0;
	if (is_leased(route)) {
		if (route->id == socket->backend.route)
			return 1;
		/* Another plan holds by now, which may well lead there too. */
		search.key.route = route->id;
		search.address = socket->address;
		bpf_loop(route->backends, is_backend, &search, 0);
		return search.is_found;
	}
	if (route->id != socket->backend.route)
		return 0;
	grace = bpf_map_lookup_elem(&direct_grace, &key);
	return grace && bpf_ktime_get_ns() < *grace;
}
