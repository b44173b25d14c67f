/*
 * The load of the benchmark, and the application it is put on: one thread, epoll, as little work for a byte as the
 * kernel allows, so that what is measured is what lies between. Writes one JSON object to the standard output.
 */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_SECONDS 10

char *buffer;

static const char USAGE[] =
	"usage: load serve --address IP --port PORT --counters FILE\n"
	"       load up|down|requests|connections|idle|first|names|check --address IP --port PORT --counters FILE\n"
	"            [--connections N] [--bytes N] [--seconds S] [--warm S] [--pids A,B] [--server-pid P] [--queries FILE]\n"
	"PORT is that of the echo; the sink follows it, and then the source.\n";

void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("load: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

struct counters *map_counters(const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *memory;

	if (fd < 0 || ftruncate(fd, sizeof(struct counters)) != 0)
		fail("%s: %s", file, strerror(errno));
	memory = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		fail("%s: %s", file, strerror(errno));
	close(fd);
	return memory;
}

void no_delay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

void watch(int epoll, int change, int fd, uint32_t events, void *data)
{
	struct epoll_event event = {.events = events, .data.ptr = data};

	if (epoll_ctl(epoll, change, fd, &event) != 0)
		fail("epoll_ctl: %s", strerror(errno));
}

static struct sockaddr_in address_of(const struct options *options, enum service service)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port + service)};

	if (inet_pton(AF_INET, options->address, &address.sin_addr) != 1)
		fail("%s is not an IPv4 address", options->address);
	return address;
}

int dial(const struct options *options, enum service service)
{
	struct sockaddr_in address = address_of(options, service);
	struct timeval limit = {.tv_sec = CONNECT_TIMEOUT_SECONDS};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail("connecting: %s", strerror(errno));
	no_delay(fd);
	return fd;
}

int dial_later(const struct options *options, enum service service)
{
	struct sockaddr_in address = address_of(options, service);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	no_delay(fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS)
		fail("connecting: %s", strerror(errno));
	return fd;
}

static struct options parse(int count, char **words)
{
	struct options options = {.address = "127.0.0.1", .connections = 1, .bytes = 64, .seconds = 1, .warm_seconds = 0.2};

	if (count < 2 || count % 2 != 0) {
		fputs(USAGE, stderr);
		exit(64);
	}
	options.mode = words[1];
	for (int i = 2; i + 1 < count; i += 2) {
		const char *name = words[i];
		char *value = words[i + 1];

		if (strcmp(name, "--address") == 0)
			options.address = value;
		else if (strcmp(name, "--port") == 0)
			options.port = atoi(value);
		else if (strcmp(name, "--counters") == 0)
			options.counters = value;
		else if (strcmp(name, "--connections") == 0)
			options.connections = atoi(value);
		else if (strcmp(name, "--bytes") == 0)
			options.bytes = atoi(value);
		else if (strcmp(name, "--seconds") == 0)
			options.seconds = atof(value);
		else if (strcmp(name, "--warm") == 0)
			options.warm_seconds = atof(value);
		else if (strcmp(name, "--queries") == 0)
			options.queries = value;
		else if (strcmp(name, "--server-pid") == 0)
			options.server_pid = atoi(value);
		else if (strcmp(name, "--pids") == 0)
			for (char *pid = strtok(value, ","); pid != NULL && options.pid_count < MAX_PIDS; pid = strtok(NULL, ","))
				options.pids[options.pid_count++] = atoi(pid);
		else {
			fputs(USAGE, stderr);
			exit(64);
		}
	}
	if (options.port == 0 || options.counters == NULL || options.connections < 1 || options.bytes < 1 || options.bytes > SEND_BYTES)
		fail("an option is missing or out of its range");
	return options;
}

int main(int count, char **words)
{
	struct options options = parse(count, words);

	signal(SIGPIPE, SIG_IGN);
	buffer = mmap(NULL, RECEIVE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		fail("no memory");
	for (uint32_t i = 0, state = 1; i < RECEIVE_BYTES; i++) {
		state = state * 1664525 + 1013904223;
		buffer[i] = state >> 24;
	}
	if (strcmp(options.mode, "serve") == 0)
		serve(&options);
	else if (strcmp(options.mode, "up") == 0)
		measure_bulk(&options, true);
	else if (strcmp(options.mode, "down") == 0)
		measure_bulk(&options, false);
	else if (strcmp(options.mode, "requests") == 0)
		measure_requests(&options);
	else if (strcmp(options.mode, "connections") == 0)
		measure_connections(&options);
	else if (strcmp(options.mode, "idle") == 0)
		measure_idle(&options);
	else if (strcmp(options.mode, "first") == 0)
		measure_first(&options);
	else if (strcmp(options.mode, "names") == 0)
		measure_names(&options);
	else if (strcmp(options.mode, "check") == 0)
		check(&options);
	else
		fail("there is no mode %s", options.mode);
	return 0;
}
