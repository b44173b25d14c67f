/* Connections: made and closed without pause, held without use, and one alone. */
#include "load.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that are being made at once while a host of them is opened. */
#define OPENING 64
#define STALL_MS 20000
#define CHECK_BYTES (4 * 1024 * 1024)

struct slot {
	int fd;
	bool is_sent;
	uint64_t begun_at_ns;
};

static void begin(int epoll, struct slot *slot, const struct options *options)
{
	slot->begun_at_ns = now_ns();
	slot->is_sent = false;
	slot->fd = dial_later(options, ECHO);
	watch(epoll, EPOLL_CTL_ADD, slot->fd, EPOLLOUT, slot);
}

/* One byte there, one byte back. Returns whether it is back. */
static bool go_on(int epoll, struct slot *slot)
{
	char byte = 0;

	if (!slot->is_sent) {
		if (send(slot->fd, buffer, 1, MSG_NOSIGNAL) != 1)
			fail("a connection was not made: %s", strerror(errno));
		slot->is_sent = true;
		watch(epoll, EPOLL_CTL_MOD, slot->fd, EPOLLIN, slot);
		return false;
	}
	switch (recv(slot->fd, &byte, 1, 0)) {
	case 1:
		if (byte != buffer[0])
			fail("another byte came back than was sent");
		return true;
	case 0:
		fail("a connection was closed by the peer before it answered");
	default:
		if (errno != EAGAIN)
			fail("a connection ended: %s", strerror(errno));
		return false;
	}
}

void measure_connections(const struct options *options)
{
	struct slot *slots = calloc(options->connections, sizeof(*slots));
	struct histogram *latencies = calloc(1, sizeof(*latencies));
	struct epoll_event events[MAX_EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct window window;
	bool begins;

	if (slots == NULL || latencies == NULL)
		fail("no memory");
	for (int i = 0; i < options->connections; i++)
		begin(epoll, &slots[i], options);
	window = open_window(options);
	while (!window_is_over(&window, options, &begins)) {
		int count = epoll_wait(epoll, events, MAX_EVENTS, 10);

		for (int i = 0; i < count; i++) {
			struct slot *slot = events[i].data.ptr;

			if (!go_on(epoll, slot))
				continue;
			if (window.is_open)
				record(latencies, now_ns() - slot->begun_at_ns);
			close(slot->fd);
			begin(epoll, slot, options);
		}
	}
	printf("{\"count\":%llu,\"rate\":%.1f,\"p50Us\":%.2f,\"p99Us\":%.2f", (unsigned long long)latencies->count,
	       latencies->count / window_seconds(&window), quantile_us(latencies, 0.5), quantile_us(latencies, 0.99));
	print_usage(&window, options);
}

/* A byte to and fro on each of the connections, which are made first where they are not yet. */
static void touch_all(struct slot *slots, const struct options *options)
{
	struct epoll_event events[MAX_EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int begun = 0, done = 0;

	while (done < options->connections) {
		int count;

		for (; begun < options->connections && begun - done < OPENING; begun++) {
			if (slots[begun].fd == 0)
				begin(epoll, &slots[begun], options);
			else {
				slots[begun].is_sent = false;
				watch(epoll, EPOLL_CTL_ADD, slots[begun].fd, EPOLLOUT, &slots[begun]);
			}
		}
		count = epoll_wait(epoll, events, MAX_EVENTS, STALL_MS);
		if (count <= 0)
			fail("stuck after %d of %d connections", done, options->connections);
		for (int i = 0; i < count; i++) {
			struct slot *slot = events[i].data.ptr;

			if (!go_on(epoll, slot))
				continue;
			watch(epoll, EPOLL_CTL_DEL, slot->fd, 0, NULL);
			done++;
		}
	}
	close(epoll);
}

void measure_idle(const struct options *options)
{
	struct slot *slots = calloc(options->connections, sizeof(*slots));
	struct window window;
	long before, after;
	bool begins;

	if (slots == NULL)
		fail("no memory");
	before = resident_kib(options);
	touch_all(slots, options);
	window = open_window(options);
	while (!window_is_over(&window, options, &begins))
		poll(NULL, 0, 10);
	after = resident_kib(options);
	/* They must still be alive: a proxy that has dropped them needs no memory for them. */
	touch_all(slots, options);
	printf("{\"count\":%d,\"rssBeforeKiB\":%ld,\"rssAfterKiB\":%ld", options->connections, before, after);
	print_usage(&window, options);
}

void measure_first(const struct options *options)
{
	uint64_t begun_at_ns = now_ns();
	int fd = dial(options, ECHO);
	char byte = 0;

	if (send(fd, buffer, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1 || byte != buffer[0])
		fail("the byte did not come back");
	printf("{\"us\":%.1f}\n", (now_ns() - begun_at_ns) / 1e3);
}

/* Whether the path carries exactly what it is given, both ways at once, and the end of it. */
void check(const struct options *options)
{
	int fd = dial(options, ECHO);
	size_t sent = 0, received = 0;
	static char answer[SEND_BYTES];

	while (received < CHECK_BYTES) {
		struct pollfd waiting = {.fd = fd, .events = POLLIN | (sent < CHECK_BYTES ? POLLOUT : 0)};

		if (poll(&waiting, 1, STALL_MS) != 1)
			fail("stuck after %zu bytes sent and %zu received", sent, received);
		if (waiting.revents & POLLOUT) {
			size_t at = sent % RECEIVE_BYTES, rest = RECEIVE_BYTES - at;
			ssize_t length = send(fd, buffer + at, rest < SEND_BYTES ? rest : SEND_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL);

			if (length > 0)
				sent += length;
		}
		if (waiting.revents & (POLLIN | POLLHUP | POLLERR)) {
			size_t at = received % RECEIVE_BYTES, rest = RECEIVE_BYTES - at;
			ssize_t length = recv(fd, answer, rest < sizeof(answer) ? rest : sizeof(answer), MSG_DONTWAIT);

			if (length == 0 || (length < 0 && errno != EAGAIN))
				fail("the connection ended after %zu bytes", received);
			if (length > 0 && memcmp(answer, buffer + at, length) != 0)
				fail("other bytes came back than were sent, within %zu", received + (size_t)length);
			if (length > 0)
				received += length;
		}
	}
	shutdown(fd, SHUT_WR);
	if (recv(fd, answer, 1, 0) != 0)
		fail("the end of the connection did not come back");
	printf("{\"bytes\":%zu}\n", received);
}
