/* Queries for names by UDP, some of them unanswered at any time, and the time that each answer takes. */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_QUERIES 65536
#define MAX_MESSAGE 1500
/* A resolver's own patience is some seconds; nothing is lost on loopback but what finds no room. */
#define LOST_NS 1000000000ull

struct query {
	uint16_t length;
	unsigned char *bytes;
};

struct slot {
	uint64_t sent_at_ns;
};

static struct query queries[MAX_QUERIES];
static int query_count;

/* Messages, each after its length in two bytes. */
static void read_queries(const char *name)
{
	FILE *file = fopen(name, "rb");
	unsigned char length[2];

	if (file == NULL)
		fail("%s: %s", name, strerror(errno));
	while (query_count < MAX_QUERIES && fread(length, 1, 2, file) == 2) {
		struct query *query = &queries[query_count++];

		query->length = length[0] << 8 | length[1];
		query->bytes = malloc(query->length);
		if (query->length < 12 || query->length > MAX_MESSAGE || fread(query->bytes, 1, query->length, file) != query->length)
			fail("%s has no whole messages", name);
	}
	fclose(file);
	if (query_count == 0)
		fail("%s has no queries", name);
}

static void ask(int fd, struct slot *slot, uint16_t id)
{
	static int next;
	struct query *query = &queries[next++ % query_count];

	query->bytes[0] = id >> 8;
	query->bytes[1] = id & 0xff;
	slot->sent_at_ns = now_ns();
	if (send(fd, query->bytes, query->length, 0) < 0 && errno != EAGAIN && errno != ENOBUFS)
		fail("sending: %s", strerror(errno));
}

void measure_names(const struct options *options)
{
	struct slot *slots = calloc(options->connections, sizeof(*slots));
	struct histogram *latencies = calloc(1, sizeof(*latencies));
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned char answer[MAX_MESSAGE];
	uint64_t lost = 0, failed = 0;
	struct window window;
	bool begins;

	if (slots == NULL || latencies == NULL)
		fail("no memory");
	if (options->queries == NULL || options->connections > 65536)
		fail("an option is missing or out of its range");
	read_queries(options->queries);
	if (inet_pton(AF_INET, options->address, &address.sin_addr) != 1 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail("%s: %s", options->address, strerror(errno));
	for (int i = 0; i < options->connections; i++)
		ask(fd, &slots[i], i);
	window = open_window(options);
	while (!window_is_over(&window, options, &begins)) {
		ssize_t length = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
		uint64_t now = now_ns();
		int id;

		if (length < 0 && errno != EAGAIN)
			fail("receiving: %s", strerror(errno));
		if (length < 12) {
			poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10);
			for (int i = 0; i < options->connections; i++) {
				if (now - slots[i].sent_at_ns < LOST_NS || now < slots[i].sent_at_ns)
					continue;
				lost += window.is_open;
				ask(fd, &slots[i], i);
			}
			continue;
		}
		id = answer[0] << 8 | answer[1];
		if (id >= options->connections)
			fail("an answer to nobody's question");
		if (window.is_open) {
			record(latencies, now - slots[id].sent_at_ns);
			/* SERVFAIL, REFUSED and the like: NXDOMAIN is an answer. */
			failed += (answer[3] & 0xf) != 0 && (answer[3] & 0xf) != 3;
		}
		ask(fd, &slots[id], id);
	}
	close(fd);
	printf("{\"count\":%llu,\"rate\":%.1f,\"p50Us\":%.2f,\"p99Us\":%.2f,\"lost\":%llu,\"failed\":%llu", (unsigned long long)latencies->count,
	       latencies->count / window_seconds(&window), quantile_us(latencies, 0.5), quantile_us(latencies, 0.99), (unsigned long long)lost, (unsigned long long)failed);
	print_usage(&window, options);
}
