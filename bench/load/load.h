/* What the files of the load generator share. */
#pragma once
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

#define MAX_PIDS 64
#define MAX_EVENTS 256
#define SEND_BYTES (128 * 1024)
#define RECEIVE_BYTES (1024 * 1024)

/* Services of the server, at this offset from its first port. */
enum service { ECHO, SINK, SOURCE, SERVICES };

struct options {
	const char *mode;
	const char *address;
	int port;
	int connections;
	int bytes;
	double seconds;
	double warm_seconds;
	/* Memory that server and client share. */
	const char *counters;
	/* The proxies, whose use of the machine is told apart from all else. */
	pid_t pids[MAX_PIDS];
	int pid_count;
	pid_t server_pid;
	/* Messages for `names`. */
	const char *queries;
};

/* Written by the server alone. */
struct counters {
	_Atomic uint64_t sunk_bytes;
};

/* CPU time since the start of each, in seconds. */
struct usage {
	uint64_t at_ns;
	double proxies;
	double client;
	double server;
	/* Of the whole machine; what the hypervisor took away is in it. */
	double machine;
};

/* Latencies in ns, in buckets of 1/64 of their power of two. */
struct histogram {
	uint64_t count;
	uint64_t buckets[64 * 128];
};

struct window {
	uint64_t begin_ns, end_ns;
	bool is_open;
	struct usage before, after;
};

extern char *buffer; /* RECEIVE_BYTES, filled with a pattern. */

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_ns(void);
struct counters *map_counters(const char *file);
void no_delay(int fd);
void watch(int epoll, int change, int fd, uint32_t events, void *data);

/* A connection that is made (`dial`), or on its way (`dial_later`: EPOLLOUT tells). */
int dial(const struct options *options, enum service service);
int dial_later(const struct options *options, enum service service);

struct usage take_usage(const struct options *options);
long resident_kib(const struct options *options);
struct window open_window(const struct options *options);
/* Called again and again; true when the time is over. `*begins` is set once, at the first call within the window. */
bool window_is_over(struct window *window, const struct options *options, bool *begins);
double window_seconds(const struct window *window);
/* The end of a JSON object: what proxies and load used within the window. */
void print_usage(const struct window *window, const struct options *options);

void record(struct histogram *histogram, uint64_t ns);
double quantile_us(const struct histogram *histogram, double q);

void serve(const struct options *options);
void measure_bulk(const struct options *options, bool is_up);
void measure_requests(const struct options *options);
void measure_connections(const struct options *options);
void measure_idle(const struct options *options);
void measure_first(const struct options *options);
void measure_names(const struct options *options);
void check(const struct options *options);
