#include "app/server.h"

#include <signal.h>
#include <stddef.h>

#include "app/progress.h"

const int server_stop_signals[3] = { SIGINT, SIGQUIT, SIGKILL };

static bool is_server(pid_t pid, const void *data)
{
	return process_stands_in(pid, "postgres", data);
}

bool server_find(struct arena *arena, const char *data, struct process *process)
{
	return process->pid || process_find(process_read_pid(arena_printf(arena, "%s/postmaster.pid", data)), is_server, data, process);
}

void server_stop(struct process *process)
{
	for (size_t i = 0; i < sizeof(server_stop_signals) / sizeof(server_stop_signals[0]) && process_running(process); i++) {
		struct pollfd ended = { .fd = process->pidfd, .events = POLLIN };

		process_signal(process, server_stop_signals[i]);
		if (progress_wait(&ended, 1, SERVER_STOP_MS_MAX, NULL) < 0)
			continue;       /* asked again to end: no more patience */
	}
	process_reap(process);
}
