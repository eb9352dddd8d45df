#include "app/serve.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/http.h"
#include "app/check.h"
#include "app/command.h"
#include "app/control.h"
#include "app/listening.h"
#include "app/notify.h"
#include "app/takeover.h"
#include "backend/quota.h"
#include "backend/users.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "net/loop.h"
#include "route/snapshot.h"
#include "session/admission.h"
#include "store/store.h"
#include "topo/config.h"

const char serve_usage[] =
	"Usage: nanu serve --config FILE [--check | --takeover]\n"
	"\n"
	"Runs the router that FILE describes, in the foreground, until SIGINT or SIGTERM. SIGHUP has FILE, and the files that it names, read anew;\n"
	"SIGUSR2 starts the program again, as it is installed then, to take over (as --takeover does).\n"
	"\n"
	"  --config FILE   the configuration (YAML)\n"
	"  --check         only look for what would keep it from starting (FILE, the certificates and users file that it names, the store,\n"
	"                  listen_host), and agents that would refuse FILE; say it, and end: no port is opened and nothing changed\n"
	"  --takeover      take the listening sockets over from the router that runs with FILE: no connection is refused, its sessions\n"
	"                  go on in the old process until they leave, and it ends when the last has, or after drain_timeout\n";

static char program_path[4096];         /* of this program when it started */

struct thread {
	pthread_t id;
	struct worker worker;
	struct services *services;
	struct snapshot *snapshot;
	unsigned index;
	int listen_fds[TAKEOVER_FDS_MAX];
	size_t listen_count;
	int rc;
	struct err err;
	bool started, joined;
	pthread_barrier_t *ready;
};

static struct listening for_clients(const struct config *config)
{
	return (struct listening){ "listen_host", config->listen_host };
}

static int listen_on(const struct config *config, uint16_t port, struct err *err)
{
	struct listening where = for_clients(config);
	struct addrinfo *found;
	int fd, on = 1, rc = listening_address(&where, port, &found, err);

	if (rc < 0)
		return rc;
	fd = listening_socket(&where, found);
	/* Those who are accepted have these, too: tcp(7), and SO_KEEPALIVE as PostgreSQL sets it, so that clients that vanished do not stay. */
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 || setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 ||
	    listen(fd, SOMAXCONN) < 0) {
		err_set(err, ERR_IO, "cannot listen on %s:%u: %m", config->listen_host, port);
		if (fd >= 0)
			close(fd);
		freeaddrinfo(found);
		return err->code;
	}
	freeaddrinfo(found);
	return fd;
}

/* SO_REUSEPORT lets our own workers share the port; it must not let two routers do so by accident. */
static int port_is_free(const struct config *config, uint16_t port, struct err *err)
{
	struct listening where = for_clients(config);
	struct addrinfo *found;
	int fd, rc = listening_address(&where, port, &found, err);

	if (rc < 0)
		return rc;
	fd = listening_socket(&where, found);
	if (fd >= 0) {
		if (bind(fd, found->ai_addr, found->ai_addrlen) < 0)
			rc = err_set(err, ERR_IO, "cannot listen on %s:%u: %m", config->listen_host, port);
		close(fd);
	}
	freeaddrinfo(found);
	return rc;
}

static void *run_worker(void *argument)
{
	struct thread *thread = argument;
	char name[16];

	snprintf(name, sizeof(name), "nanu-worker-%u", thread->index % 100);
	pthread_setname_np(pthread_self(), name);
	thread->rc = worker_init(&thread->worker, thread->services, thread->index, thread->snapshot, thread->listen_fds, thread->listen_count,
				 &thread->err);
	pthread_barrier_wait(thread->ready);
	pthread_barrier_wait(thread->ready);    /* the control plane is there now */
	if (thread->rc == 0) {
		worker_run(&thread->worker);
		worker_release(&thread->worker);
	}
	return NULL;
}

/* As many files as the system lets us have: a client and a backend each need one. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* The program as it is installed now, a newer version perhaps, with the same configuration, to take over from this process. */
static void start_successor(const struct config *config)
{
	char *const argv[] = { program_path, (char *)"serve", (char *)"--config", config->path, (char *)"--takeover", NULL };
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;
	int rc;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(&pid, program_path, NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	if (rc == 0)
		log_info("serve", "pid=%d program=%s msg=\"started a process that takes over\"", pid, program_path);
	else
		log_error("serve", "program=%s errno=%d msg=\"cannot start a process that takes over\"", program_path, rc);
}

/* SIGHUP has the configuration read anew; SIGUSR2 has another process take over; SIGINT and SIGTERM end the router. */
static void wait_for_signal(const struct config *config, const sigset_t *signals, struct control *control, const struct takeover *takeover)
{
	int signal = 0;

	for (;;) {
		if (sigwait(signals, &signal) != 0)
			continue;
		if (signal == SIGHUP) {
			notify_reloading();
			control_reload(control);
		} else if (signal == SIGUSR2) {
			start_successor(config);
		} else if (signal == SIGCHLD) {
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
		} else {
			break;
		}
	}
	if (!takeover_left(takeover))
		notify_stopping();
	log_info("serve", "signal=%d msg=\"stopping\"", signal);
}

/* The sockets that were handed over listen where the configuration says. */
static int same_address(const struct config *config, int fd, struct err *err)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);
	char host[INET6_ADDRSTRLEN] = "?", port[8] = "?";
	struct listening where = for_clients(config);
	struct addrinfo *wanted;
	int rc = listening_address(&where, config->listen_port, &wanted, err);

	if (rc < 0)
		return rc;
	if (!listening_at(wanted, fd)) {
		(void)!getsockname(fd, (struct sockaddr *)&address, &size);
		(void)!getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
		rc = err_set(err, ERR_CONFIG, "the running router listens on %s:%s, and not on listen_host and listen_port, %s:%u", host, port,
			     config->listen_host, config->listen_port);
		err_hint(err, "A process that takes over listens where the other did; another address or port needs a plain restart.");
	}
	freeaddrinfo(wanted);
	return rc;
}

/* Port 0: there is none. */
static uint16_t port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
}

/* As many as there are workers, with those that were handed over. */
static int listen_at_port(const struct config *config, uint16_t port, unsigned workers, struct listeners *listeners, struct err *err)
{
	unsigned count = 0;

	for (size_t i = 0; i < listeners->count; i++)
		count += port_of(listeners->fds[i]) == port;
	for (; count < workers && listeners->count < TAKEOVER_FDS_MAX; count++) {
		int fd = listen_on(config, port, err);

		if (fd < 0)
			return fd;
		listeners->fds[listeners->count++] = fd;
	}
	return 0;
}

static void close_listeners(struct listeners *listeners, int *peer)
{
	for (size_t i = 0; i < listeners->count; i++)
		close(listeners->fds[i]);
	if (listeners->http_fd >= 0)
		close(listeners->http_fd);
	if (*peer >= 0)
		close(*peer);
	*listeners = (struct listeners){ .http_fd = -1 };
	*peer = -1;
}

/* `peer`: the connection to the process that is taken over; -1: there is none. */
static int open_listeners(const struct config *config, bool take_over, unsigned workers, struct listeners *listeners, int *peer, struct err *err)
{
	int rc = take_over ? takeover_take(config, listeners, peer, err) : port_is_free(config, config->listen_port, err);

	if (rc == 0 && !take_over && config->replica_port)
		rc = port_is_free(config, config->replica_port, err);
	if (rc == 0 && !take_over)
		rc = takeover_alone(config, err);
	for (size_t i = 0; rc == 0 && i < listeners->count; i++)
		if (!config->replica_port || port_of(listeners->fds[i]) != config->replica_port)
			rc = same_address(config, listeners->fds[i], err);
	if (rc == 0)
		rc = listen_at_port(config, config->listen_port, workers, listeners, err);
	if (rc == 0 && config->replica_port)
		rc = listen_at_port(config, config->replica_port, workers, listeners, err);
	if (rc == 0)
		rc = listening_http(config, &listeners->http_fd, err);
	if (rc < 0)
		close_listeners(listeners, peer);
	return rc;
}

/* At a take-over, too, whoever reads it finds a whole number. */
static void write_pid_file(const struct config *config)
{
	char fresh[PATH_MAX];
	FILE *file;

	if (!config->pid_file)
		return;
	snprintf(fresh, sizeof(fresh), "%s.new", config->pid_file);
	file = fopen(fresh, "we");
	if (file)
		fprintf(file, "%d\n", (int)getpid());
	if (!file || fclose(file) != 0 || rename(fresh, config->pid_file) < 0)
		log_warn("serve", "pid_file=%s msg=\"cannot be written\"", config->pid_file);
}

/* Unless it names the process that took over. */
static void remove_pid_file(const struct config *config)
{
	FILE *file = config->pid_file ? fopen(config->pid_file, "re") : NULL;
	int pid = 0;

	if (!file)
		return;
	if (fscanf(file, "%d", &pid) == 1 && pid == getpid())
		unlink(config->pid_file);
	fclose(file);
}

static struct snapshot *newest_snapshot(void *control)
{
	return control_snapshot(control);
}

static struct config *newest_config(void *control)
{
	return control_config(control);
}

static int start_http(struct services *services, struct control *control, int fd, struct http **ret_http, struct err *err)
{
	struct http_source source = { .services = services, .roles = control_roles(control), .replication = control_replication(control),
		.program = control, .snapshot = newest_snapshot, .config = newest_config };

	return http_start(&source, fd, ret_http, err);
}

static int run_workers(const struct config *config, struct services *services, struct control *control, unsigned count, bool take_over,
		       const sigset_t *signals, struct err *err)
{
	struct listeners listeners = { .http_fd = -1 };
	struct thread *threads = mem_calloc(count, sizeof(*threads));
	struct snapshot *snapshot = control_snapshot(control);
	struct takeover *takeover = NULL;
	struct http *http = NULL;
	pthread_barrier_t ready;
	unsigned started = 0, replica_count = 0;
	int peer = -1, rc = open_listeners(config, take_over, count, &listeners, &peer, err);

	if (rc < 0) {
		snapshot_unref(snapshot);
		mem_free(threads);
		return rc;
	}
	for (unsigned i = 0; i < count; i++)
		threads[i] = (struct thread){ .services = services, .snapshot = snapshot, .index = i, .ready = &ready };
	for (size_t i = 0; i < listeners.count; i++) {
		struct thread *thread = &threads[(port_of(listeners.fds[i]) == config->replica_port ? replica_count++ : i - replica_count) % count];

		thread->listen_fds[thread->listen_count++] = listeners.fds[i];
	}
	pthread_barrier_init(&ready, NULL, count + 1);
	services->workers = mem_calloc(count, sizeof(*services->workers));
	services->worker_count = count;
	for (unsigned i = 0; i < count; i++) {
		services->workers[i] = &threads[i].worker;
		if (pthread_create(&threads[i].id, NULL, run_worker, &threads[i]) != 0) {
			log_write(LOG_FATAL, "serve", "msg=\"cannot start a worker's thread\"");
			_exit(1);       /* the barrier would wait for ever */
		}
		started++;
	}
	pthread_barrier_wait(&ready);
	snapshot_unref(snapshot);
	for (unsigned i = 0; i < count; i++) {
		if (threads[i].rc < 0 && rc == 0) {
			rc = threads[i].rc;
			*err = threads[i].err;
		}
	}
	if (rc == 0)
		rc = control_start(control, services, err);
	if (rc == 0 && listeners.http_fd >= 0)
		rc = start_http(services, control, listeners.http_fd, &http, err);
	pthread_barrier_wait(&ready);
	if (rc == 0) {
		log_info("serve", "listen=%s:%u workers=%u io=%s version=%s msg=\"ready\"", config->listen_host, config->listen_port, count,
			 loop_engine_name(threads[0].worker.loop), NANU_VERSION);
		takeover = takeover_start(config, services, control, http, &listeners, peer);
		write_pid_file(config);
		notify_ready();
		wait_for_signal(config, signals, control, takeover);
	}
	remove_pid_file(config);
	takeover_stop(takeover);
	http_stop(http);
	control_stop(control);
	for (unsigned i = 0; i < started; i++)
		if (threads[i].rc == 0)
			worker_post_stop(&threads[i].worker);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i].id, NULL);
	takeover_free(takeover);
	pthread_barrier_destroy(&ready);
	mem_free(services->workers);
	mem_free(threads);
	return rc;
}

static int seed_users(const struct config *config, struct users *users, struct err *err)
{
	struct store *store = NULL;
	int rc = store_open(config, &store, err);

	if (rc == 0)
		rc = users_seed(users, store, err);
	store_close(store);
	return rc;
}

static int serve(struct config *config, bool take_over, struct err *err)
{
	struct services services = { .config = config, .predecessor = -1, .forward_cancel = takeover_cancel };
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned count = config->workers ? config->workers : cores > 0 ? (unsigned)cores : 1;
	struct control *control = NULL;
	struct users *users = users_new();
	sigset_t signals;
	int rc = 0;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR2);
	sigaddset(&signals, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	services.users = users;
	services.quotas = quotas_new();
	services.admission = admission_new();
	rc = seed_users(config, users, err);
	if (rc == 0 && config->users_file)
		rc = users_read(users, config->users_file, err);
	if (rc == 0)
		rc = control_new(config, users, &control, err);
	if (rc == 0)
		rc = run_workers(config, &services, control, count > WORKERS_MAX ? WORKERS_MAX : count, take_over, &signals, err);
	control_free(control);
	quotas_free(services.quotas);
	admission_free(services.admission);
	users_free(users);
	return rc;
}

int serve_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "takeover", no_argument, NULL, 't' }, { 0 },
	};
	const char *path = NULL;
	struct config *config;
	bool only_check = false, take_over = false;
	struct err err;
	int option, rc;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			path = optarg;
		else if (option == 'k')
			only_check = true;
		else if (option == 't')
			take_over = true;
		else
			return command_misused("serve");
	}
	if (optind < argc) {
		fprintf(stderr, "nanu serve: unexpected argument '%s'\n", argv[optind]);
		return command_misused("serve");
	}
	if (!path) {
		fputs("nanu serve: it needs --config FILE\n", stderr);
		return command_misused("serve");
	}
	if (readlink("/proc/self/exe", program_path, sizeof(program_path) - 1) < 0)
		program_path[0] = '\0';
	rc = config_read(path, &config, &err);
	if (rc < 0)
		return command_failed("serve", &err);
	log_set_level(config->log_level);
	reserve_fill();
	if (only_check) {
		unsigned problems = check_start(config);

		if (!problems)
			puts("the configuration is valid");
		config_unref(config);
		return problems ? 1 : 0;
	}
	rc = config_open_tls(config, &err);
	if (rc == 0)
		rc = serve(config, take_over, &err);
	config_unref(config);
	return rc < 0 ? command_failed("serve", &err) : 0;
}
