/* Bytes in one direction, counted where they arrive. */
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void measure_bulk(const struct options *options, bool is_up)
{
	struct counters *counters = map_counters(options->counters);
	struct epoll_event events[MAX_EVENTS];
	uint64_t received = 0, before = 0, after;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct window window;
	bool begins;

	for (int i = 0; i < options->connections; i++) {
		int fd = dial(options, is_up ? SINK : SOURCE);

		fcntl(fd, F_SETFL, O_NONBLOCK);
		watch(epoll, EPOLL_CTL_ADD, fd, is_up ? EPOLLOUT : EPOLLIN, (void *)(intptr_t)fd);
	}
	window = open_window(options);
	while (!window_is_over(&window, options, &begins)) {
		int count;

		if (begins)
			before = is_up ? atomic_load(&counters->sunk_bytes) : received;
		count = epoll_wait(epoll, events, MAX_EVENTS, 10);
		for (int i = 0; i < count; i++) {
			int fd = (int)(intptr_t)events[i].data.ptr;
			ssize_t length = is_up ? send(fd, buffer, SEND_BYTES, MSG_NOSIGNAL) : recv(fd, buffer, RECEIVE_BYTES, MSG_TRUNC);

			if (length == 0 || (length < 0 && errno != EAGAIN))
				fail("a connection ended: %s", length == 0 ? "closed by the peer" : strerror(errno));
			if (length > 0)
				received += length;
		}
	}
	after = is_up ? atomic_load(&counters->sunk_bytes) : received;
	printf("{\"bytes\":%llu,\"rate\":%.1f", (unsigned long long)(after - before), (after - before) / window_seconds(&window));
	print_usage(&window, options);
}
