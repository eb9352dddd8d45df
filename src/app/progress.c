#include "app/progress.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MS = 100, BAR_WIDTH = 30 };

static struct {
	int signal_fd;
	bool terminal;
	bool shown;                     /* there is a moving line to wipe */
	const char *doing;              /* NULL between steps */
	double part;                    /* below 0: not known */
	uint64_t begin_ms, frame_ms;
} progress = { .signal_fd = -1 };

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int progress_start(struct err *err)
{
	sigset_t asked;

	sigemptyset(&asked);
	sigaddset(&asked, SIGINT);
	sigaddset(&asked, SIGTERM);
	sigaddset(&asked, SIGHUP);
	sigprocmask(SIG_BLOCK, &asked, NULL);
	signal(SIGPIPE, SIG_IGN);
	progress.signal_fd = signalfd(-1, &asked, SFD_CLOEXEC | SFD_NONBLOCK);
	if (progress.signal_fd < 0)
		return err_set(err, ERR_IO, "cannot watch for signals: %s", strerror(errno));
	progress.terminal = isatty(STDOUT_FILENO);
	return 0;
}

static void wipe(void)
{
	if (progress.shown)
		fputs("\r\033[K", stdout);
	progress.shown = false;
}

static void draw(void)
{
	static const char spinner[] = "|/-\\";
	uint64_t now = now_ms();

	if (!progress.terminal || !progress.doing || (progress.shown && now - progress.frame_ms < FRAME_MS))
		return;
	wipe();
	progress.frame_ms = now;
	progress.shown = true;
	if (progress.part < 0) {
		printf("%c %s", spinner[now / FRAME_MS % 4], progress.doing);
	} else {
		int full = (int)(progress.part * BAR_WIDTH);

		printf("%c %s [", spinner[now / FRAME_MS % 4], progress.doing);
		for (int i = 0; i < BAR_WIDTH; i++)
			putchar(i < full ? '#' : '.');
		printf("] %d %%", (int)(progress.part * 100));
	}
	fflush(stdout);
}

void progress_begin(const char *doing)
{
	progress.doing = doing;
	progress.part = -1;
	progress.begin_ms = now_ms();
	progress.shown = false;
	draw();
}

void progress_set(double part)
{
	progress.part = part < 0 ? 0 : part > 1 ? 1 : part;
	draw();
}

void progress_end(const char *format, ...)
{
	va_list args;

	wipe();
	fputs("- ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" (%.1f s)\n", (double)(now_ms() - progress.begin_ms) / 1000);
	fflush(stdout);
	progress.doing = NULL;
}

void progress_drop(void)
{
	wipe();
	fflush(stdout);
	progress.doing = NULL;
}

int progress_wait(struct pollfd *fds, size_t count, int wait_ms, struct err *err)
{
	struct pollfd all[PROGRESS_FDS_MAX + 1];
	uint64_t end = now_ms() + (uint64_t)wait_ms;
	struct signalfd_siginfo asked;

	assert(count <= PROGRESS_FDS_MAX);
	all[0] = (struct pollfd){ .fd = progress.signal_fd, .events = POLLIN };
	for (;;) {
		uint64_t now = now_ms();
		int left = end > now ? (int)(end - now) : 0, ready;

		if (count)
			memcpy(all + 1, fds, count * sizeof(*fds));
		ready = poll(all, (nfds_t)count + 1, left < FRAME_MS ? left : FRAME_MS);
		draw();
		if (ready > 0 && all[0].revents && read(progress.signal_fd, &asked, sizeof(asked)) > 0)
			return err_set(err, ERR_CANCELED, "stopped by signal %u (%s)", asked.ssi_signo,
				       strsignal((int)asked.ssi_signo));
		if (ready > 0 && count) {
			memcpy(fds, all + 1, count * sizeof(*fds));
			return ready;
		}
		if (left == 0)
			return 0;
	}
}

void progress_finish(void)
{
	close(progress.signal_fd);
	progress.signal_fd = -1;
}
