/* The application: an echo, a sink that counts what arrives, and a source that never ends, on three ports. */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define ACCEPT_BATCH 64
#define ECHO_BYTES 65536

struct peer {
	int fd;
	enum service service;
	bool is_listener;
	/* What the echo could not send yet. */
	char *pending;
	size_t offset, length;
};

static void add(int epoll, int fd, enum service service, bool is_listener)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		fail("no memory");
	*peer = (struct peer){.fd = fd, .service = service, .is_listener = is_listener};
	watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | (!is_listener && service == SOURCE ? EPOLLOUT : 0), peer);
}

static void listen_at(int epoll, const struct options *options, enum service service)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port + service)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, options->address, &address.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, BACKLOG) != 0)
		fail("%s port %d: %s", options->address, options->port + service, strerror(errno));
	add(epoll, fd, service, true);
}

static void take_peers(int epoll, const struct peer *listener)
{
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		no_delay(fd);
		add(epoll, fd, listener->service, false);
	}
}

static bool has_failed(ssize_t result)
{
	return result == 0 || (result < 0 && errno != EAGAIN);
}

/* Each returns whether the connection is over. */

static bool sink(struct peer *peer, struct counters *counters)
{
	/* MSG_TRUNC (tcp(7)): the bytes are counted and dropped without a copy. */
	ssize_t length = recv(peer->fd, buffer, RECEIVE_BYTES, MSG_TRUNC);

	if (length > 0)
		atomic_fetch_add_explicit(&counters->sunk_bytes, length, memory_order_relaxed);
	return has_failed(length);
}

static bool source(struct peer *peer, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		char byte[16];

		if (has_failed(recv(peer->fd, byte, sizeof(byte), 0)))
			return true;
	}
	return (events & EPOLLOUT) != 0 && has_failed(send(peer->fd, buffer, SEND_BYTES, MSG_NOSIGNAL));
}

static bool echo(int epoll, struct peer *peer)
{
	static char message[ECHO_BYTES];
	ssize_t length, sent;

	if (peer->length > 0) {
		sent = send(peer->fd, peer->pending + peer->offset, peer->length, MSG_NOSIGNAL);
		if (has_failed(sent))
			return true;
		if (sent > 0) {
			peer->offset += sent;
			peer->length -= sent;
		}
		if (peer->length == 0)
			watch(epoll, EPOLL_CTL_MOD, peer->fd, EPOLLIN, peer);
		return false;
	}
	length = recv(peer->fd, message, sizeof(message), 0);
	if (length <= 0)
		return has_failed(length);
	sent = send(peer->fd, message, length, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		return true;
	if (sent < length) {
		sent = sent < 0 ? 0 : sent;
		if (peer->pending == NULL && (peer->pending = malloc(ECHO_BYTES)) == NULL)
			fail("no memory");
		peer->offset = 0;
		peer->length = length - sent;
		memcpy(peer->pending, message + sent, peer->length);
		watch(epoll, EPOLL_CTL_MOD, peer->fd, EPOLLOUT, peer);
	}
	return false;
}

void serve(const struct options *options)
{
	struct counters *counters = map_counters(options->counters);
	struct epoll_event events[MAX_EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (enum service service = 0; service < SERVICES; service++)
		listen_at(epoll, options, service);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(epoll, events, MAX_EVENTS, -1);

		for (int i = 0; i < count; i++) {
			struct peer *peer = events[i].data.ptr;
			bool is_over = false;

			if (peer->is_listener)
				take_peers(epoll, peer);
			else if (peer->service == SINK)
				is_over = sink(peer, counters);
			else if (peer->service == SOURCE)
				is_over = source(peer, events[i].events);
			else
				is_over = echo(epoll, peer);
			if (is_over) {
				close(peer->fd);
				free(peer->pending);
				free(peer);
			}
		}
	}
}
