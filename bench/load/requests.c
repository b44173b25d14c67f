/* Messages of one size that come back before the next one is sent, and the time that each takes. */
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The head of a message, as far as it has room: whose it is, and which. */
struct head {
	uint32_t connection, sequence;
};

struct caller {
	int fd;
	uint32_t connection, sequence;
	int sent, received;
	uint64_t sent_at_ns;
	struct head answer;
};

static void send_rest(int epoll, struct caller *caller, const struct options *options)
{
	struct head head = {caller->connection, caller->sequence};
	bool was_partial = caller->sent > 0;
	ssize_t sent;

	/* One buffer for all callers: the head is put there again where a first part was cut within it. */
	if (options->bytes >= (int)sizeof(head))
		memcpy(buffer, &head, sizeof(head));
	sent = send(caller->fd, buffer + caller->sent, options->bytes - caller->sent, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		fail("a connection ended: %s", strerror(errno));
	if (sent > 0)
		caller->sent += sent;
	if (caller->sent < options->bytes)
		watch(epoll, EPOLL_CTL_MOD, caller->fd, EPOLLIN | EPOLLOUT, caller);
	else if (was_partial)
		watch(epoll, EPOLL_CTL_MOD, caller->fd, EPOLLIN, caller);
}

static void begin(int epoll, struct caller *caller, const struct options *options)
{
	caller->sequence++;
	caller->sent = caller->received = 0;
	caller->sent_at_ns = now_ns();
	send_rest(epoll, caller, options);
}

/* Returns whether the whole answer is there. */
static bool receive(struct caller *caller, const struct options *options)
{
	static char answer[SEND_BYTES];
	ssize_t length = recv(caller->fd, answer, sizeof(answer), 0);

	if (length == 0 || (length < 0 && errno != EAGAIN))
		fail("a connection ended: %s", length == 0 ? "closed by the peer" : strerror(errno));
	if (length < 0)
		return false;
	if (caller->received < (int)sizeof(struct head)) {
		size_t room = sizeof(struct head) - caller->received;

		memcpy((char *)&caller->answer + caller->received, answer, (size_t)length < room ? (size_t)length : room);
	}
	caller->received += length;
	if (caller->received < options->bytes)
		return false;
	if (caller->received > options->bytes)
		fail("more came back than was sent");
	if (options->bytes >= (int)sizeof(struct head) && (caller->answer.connection != caller->connection || caller->answer.sequence != caller->sequence))
		fail("connection %u got an answer of connection %u", caller->connection, caller->answer.connection);
	return true;
}

void measure_requests(const struct options *options)
{
	struct caller *callers = calloc(options->connections, sizeof(*callers));
	struct histogram *latencies = calloc(1, sizeof(*latencies));
	struct epoll_event events[MAX_EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct window window;
	bool begins;

	if (callers == NULL || latencies == NULL)
		fail("no memory");
	for (int i = 0; i < options->connections; i++) {
		/* Not blocking from the start, as event loops make sockets. */
		callers[i].fd = dial_later(options, ECHO);
		callers[i].connection = i;
		watch(epoll, EPOLL_CTL_ADD, callers[i].fd, EPOLLIN, &callers[i]);
	}
	for (int i = 0; i < options->connections; i++)
		begin(epoll, &callers[i], options);
	window = open_window(options);
	while (!window_is_over(&window, options, &begins)) {
		int count = epoll_wait(epoll, events, MAX_EVENTS, 10);

		for (int i = 0; i < count; i++) {
			struct caller *caller = events[i].data.ptr;

			if (events[i].events & EPOLLOUT)
				send_rest(epoll, caller, options);
			if ((events[i].events & ~EPOLLOUT) == 0 || !receive(caller, options))
				continue;
			if (window.is_open)
				record(latencies, now_ns() - caller->sent_at_ns);
			begin(epoll, caller, options);
		}
	}
	printf("{\"count\":%llu,\"rate\":%.1f,\"p50Us\":%.2f,\"p99Us\":%.2f", (unsigned long long)latencies->count,
	       latencies->count / window_seconds(&window), quantile_us(latencies, 0.5), quantile_us(latencies, 0.99));
	print_usage(&window, options);
}
