/* metrics_process: what every process can say of itself, under the names that Prometheus' own client libraries use. */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "admin/exposition.h"
#include "admin/metrics.h"
#include "net/env.h"

static uint64_t cpu_us(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return 0;
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Source: proc(5), /proc/[pid]/statm. */
static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
	DIR *all = opendir("/proc/self/fd");
	uint64_t count = 0;

	if (!all)
		return 0;
	for (const struct dirent *entry; (entry = readdir(all));)
		count += entry->d_name[0] != '.';
	closedir(all);
	return count - 1;               /* without the folder's own */
}

static uint64_t files_max(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

/* Since 1970; as the clock of the wall says now. Source: proc(5), /proc/[pid]/stat, (22) starttime. */
static uint64_t started_us(void)
{
	FILE *file = fopen("/proc/self/stat", "re");
	unsigned long long ticks = 0;
	struct timespec up;

	if (!file)
		return 0;
	/* The program's name, in parentheses, is this one's: it has none in it. */
	if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks) != 1)
		ticks = 0;
	fclose(file);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return env_system()->wall_us(env_system()->world) - ((uint64_t)up.tv_sec * 1000000 + (uint64_t)up.tv_nsec / 1000) +
	       ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

void metrics_process(struct buf *out)
{
	static const struct {
		const char *name, *help;
		enum metric_type type;
		uint64_t (*value)(void);
		bool seconds;
	} all[] = {
		{ "process_cpu_seconds_total", "User and system CPU time.", METRIC_COUNTER, cpu_us, true },
		{ "process_start_time_seconds", "When the process began, in seconds since 1970.", METRIC_GAUGE, started_us, true },
		{ "process_resident_memory_bytes", "Resident memory.", METRIC_GAUGE, resident_bytes, false },
		{ "process_open_fds", "Open file descriptors.", METRIC_GAUGE, open_files, false },
		{ "process_max_fds", "File descriptors that it may have open.", METRIC_GAUGE, files_max, false },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		exposition_family(out, all[i].name, all[i].type, all[i].help);
		if (all[i].seconds)
			exposition_seconds(out, all[i].name, "", NULL, all[i].value());
		else
			exposition_count(out, all[i].name, "", NULL, all[i].value());
	}
}
