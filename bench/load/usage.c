/* The window of a measurement, and what the processes used within it. */
#include "load.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* utime and stime of proc_pid_stat(5), of all threads, those that have ended included; 0 for a process that is gone. */
static double process_seconds(pid_t pid)
{
	unsigned long user = 0, kernel = 0;
	char path[64], line[1024];
	const char *rest;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	/* The name in parentheses may hold anything, spaces and parentheses too. */
	if (fgets(line, sizeof(line), file) != NULL && (rest = strrchr(line, ')')) != NULL)
		sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
	fclose(file);
	return (double)(user + kernel) / sysconf(_SC_CLK_TCK);
}

/*
 * All but idle time, proc_stat(5). Interrupts are in it, because the time of a process holds those that came while it
 * ran; where the kernel tells them apart (CONFIG_IRQ_TIME_ACCOUNTING), they count as somebody else's.
 */
static double machine_seconds(void)
{
	unsigned long long user = 0, nice = 0, kernel = 0, irq = 0, softirq = 0, steal = 0;
	FILE *file = fopen("/proc/stat", "r");

	if (file == NULL)
		return 0;
	if (fscanf(file, "cpu %llu %llu %llu %*u %*u %llu %llu %llu", &user, &nice, &kernel, &irq, &softirq, &steal) != 6)
		user = nice = kernel = irq = softirq = steal = 0;
	fclose(file);
	return (double)(user + nice + kernel + irq + softirq + steal) / sysconf(_SC_CLK_TCK);
}

static double own_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct usage take_usage(const struct options *options)
{
	struct usage usage = {.client = own_seconds(), .server = process_seconds(options->server_pid), .machine = machine_seconds()};

	for (int i = 0; i < options->pid_count; i++)
		usage.proxies += process_seconds(options->pids[i]);
	usage.at_ns = now_ns();
	return usage;
}

long resident_kib(const struct options *options)
{
	long total = 0;

	for (int i = 0; i < options->pid_count; i++) {
		long pages = 0;
		char path[64];
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/statm", options->pids[i]);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		if (fscanf(file, "%*d %ld", &pages) == 1)
			total += pages * (sysconf(_SC_PAGESIZE) / 1024);
		fclose(file);
	}
	return total;
}

struct window open_window(const struct options *options)
{
	return (struct window){.begin_ns = now_ns() + (uint64_t)(options->warm_seconds * 1e9)};
}

bool window_is_over(struct window *window, const struct options *options, bool *begins)
{
	uint64_t now = now_ns();

	*begins = false;
	if (!window->is_open) {
		if (now < window->begin_ns)
			return false;
		/* However late it begins, it is as long as it must be. */
		window->is_open = *begins = true;
		window->before = take_usage(options);
		window->end_ns = window->before.at_ns + (uint64_t)(options->seconds * 1e9);
		return false;
	}
	if (now < window->end_ns)
		return false;
	window->after = take_usage(options);
	return true;
}

double window_seconds(const struct window *window)
{
	return (window->after.at_ns - window->before.at_ns) / 1e9;
}

void print_usage(const struct window *window, const struct options *options)
{
	double proxies = window->after.proxies - window->before.proxies;
	double client = window->after.client - window->before.client;
	double server = window->after.server - window->before.server;
	double machine = window->after.machine - window->before.machine;

	printf(",\"seconds\":%.4f,\"proxyCpuSeconds\":%.3f,\"clientCpuSeconds\":%.3f,\"serverCpuSeconds\":%.3f,\"foreignCpuSeconds\":%.3f,\"rssKiB\":%ld}\n",
	       window_seconds(window), proxies, client, server, machine - proxies - client - server, resident_kib(options));
}

void record(struct histogram *histogram, uint64_t ns)
{
	/* Below 128 ns each value has its own bucket; above, the 6 bits after the highest one choose. */
	int power = ns < 128 ? 0 : 63 - __builtin_clzll(ns) - 6;

	histogram->buckets[power * 128 + (ns >> (power == 0 ? 0 : power))]++;
	histogram->count++;
}

double quantile_us(const struct histogram *histogram, double q)
{
	uint64_t rank = (uint64_t)(q * histogram->count), seen = 0;

	for (int i = 0; i < 64 * 128; i++) {
		seen += histogram->buckets[i];
		if (seen > rank) {
			int power = i / 128;

			return (double)((uint64_t)(i % 128) << power) / 1e3;
		}
	}
	return 0;
}
