#include "app/serve.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/command.h"
#include "app/control.h"
#include "backend/quota.h"
#include "backend/users.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/tls_context.h"
#include "route/snapshot.h"
#include "store/store.h"
#include "topo/config.h"

const char serve_usage[] =
	"Usage: nanu serve --config FILE [--check]\n"
	"\n"
	"Runs the router that FILE describes, in the foreground, until SIGINT or SIGTERM.\n"
	"SIGHUP makes it read certificates, keys and root certificates again.\n"
	"\n"
	"  --config FILE   the configuration (YAML)\n"
	"  --check         only read the configuration and the certificates it names, say what is wrong with them, and end\n";

struct thread {
	pthread_t id;
	struct worker worker;
	struct services *services;
	struct snapshot *snapshot;
	unsigned index;
	int listen_fd;
	int rc;
	struct err err;
	bool started, joined;
	pthread_barrier_t *ready;
};

static int listen_on(const struct config *config, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	char port[8];
	int fd = -1, on = 1, rc;

	snprintf(port, sizeof(port), "%u", config->listen_port);
	rc = getaddrinfo(strcmp(config->listen_host, "*") == 0 ? NULL : config->listen_host, port, &hints, &found);
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "listen_host \"%s\": %s", config->listen_host, gai_strerror(rc));
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 ||
	    listen(fd, SOMAXCONN) < 0) {
		err_set(err, ERR_IO, "cannot listen on %s:%u: %m", config->listen_host, config->listen_port);
		if (fd >= 0)
			close(fd);
		freeaddrinfo(found);
		return err->code;
	}
	freeaddrinfo(found);
	return fd;
}

/* SO_REUSEPORT lets our own workers share the port; it must not let two routers do so by accident. */
static int port_is_free(const struct config *config, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	char port[8];
	int fd, on = 1, rc = 0;

	snprintf(port, sizeof(port), "%u", config->listen_port);
	if (getaddrinfo(strcmp(config->listen_host, "*") == 0 ? NULL : config->listen_host, port, &hints, &found) != 0)
		return 0;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, found->ai_addr, found->ai_addrlen) < 0)
			rc = err_set(err, ERR_IO, "cannot listen on %s:%u: %m", config->listen_host, config->listen_port);
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
	thread->rc = worker_init(&thread->worker, thread->services, thread->index, thread->snapshot, thread->listen_fd, &thread->err);
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

/* Certificates, keys and roots are read again; connections that are open keep theirs. A file that is wrong changes nothing. */
static void reload_tls(const struct services *services)
{
	struct tls_context *const contexts[] = { services->client_tls, services->node_tls };
	char quoted[600];
	struct err err;

	for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
		if (!contexts[i])
			continue;
		if (tls_context_reload(contexts[i], &err) < 0)
			log_warn("serve", "sqlstate=%s msg=\"certificates stay as they were: %s\"", err.sqlstate,
				 log_quote(err.message, quoted, sizeof(quoted)));
		else
			log_info("serve", "side=%s msg=\"certificates were read again\"", i ? "nodes" : "clients");
	}
}

static void wait_for_signal(const struct services *services, const sigset_t *signals)
{
	int signal;

	while (sigwait(signals, &signal) != 0 || signal == SIGHUP)
		if (signal == SIGHUP)
			reload_tls(services);
	log_info("serve", "signal=%d msg=\"stopping\"", signal);
}

static int run_workers(const struct config *config, struct services *services, struct control *control, unsigned count,
		       const sigset_t *signals, struct err *err)
{
	struct thread *threads = mem_calloc(count, sizeof(*threads));
	struct snapshot *snapshot = control_snapshot(control);
	pthread_barrier_t ready;
	unsigned started = 0;
	int rc = port_is_free(config, err);

	for (unsigned i = 0; i < count; i++) {
		threads[i] = (struct thread){ .services = services, .snapshot = snapshot, .index = i, .listen_fd = -1, .ready = &ready };
		if (rc == 0)
			threads[i].listen_fd = listen_on(config, err);
		if (rc == 0 && threads[i].listen_fd < 0)
			rc = threads[i].listen_fd;
	}
	if (rc < 0) {
		for (unsigned i = 0; i < count; i++)
			if (threads[i].listen_fd >= 0)
				close(threads[i].listen_fd);
		snapshot_unref(snapshot);
		mem_free(threads);
		return rc;
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
	pthread_barrier_wait(&ready);
	if (rc == 0) {
		log_info("serve", "listen=%s:%u workers=%u io=%s version=%s msg=\"ready\"", config->listen_host, config->listen_port, count,
			 loop_engine_name(threads[0].worker.loop), NANU_VERSION);
		wait_for_signal(services, signals);
	}
	control_stop(control);
	for (unsigned i = 0; i < started; i++)
		if (threads[i].rc == 0)
			worker_post_stop(&threads[i].worker);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i].id, NULL);
	pthread_barrier_destroy(&ready);
	mem_free(services->workers);
	mem_free(threads);
	return rc;
}

static int open_tls(const struct config *config, struct services *services, struct err *err)
{
	struct tls_files client = config_client_tls_files(config), node = config_node_tls_files(config);
	int rc = 0;

	if (config->client_tls != CLIENT_TLS_DISABLE)
		rc = tls_context_new(&client, &services->client_tls, err);
	if (rc == 0 && config->node_tls != NODE_TLS_DISABLE)
		rc = tls_context_new(&node, &services->node_tls, err);
	return rc;
}

static void close_tls(struct services *services)
{
	tls_context_free(services->client_tls);
	tls_context_free(services->node_tls);
}

static int seed_users(const struct config *config, struct users *users, struct err *err)
{
	struct store *store = NULL;
	int rc = store_open_sqlite(config->store, &store, err);

	if (rc == 0)
		rc = users_seed(users, store, err);
	store_close(store);
	return rc;
}

static int check(const struct config *config, struct err *err)
{
	struct services services = { .config = config };
	int rc = open_tls(config, &services, err);

	close_tls(&services);
	return rc;
}

static int serve(const struct config *config, struct err *err)
{
	struct services services = { .config = config };
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
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	services.users = users;
	services.quotas = quotas_new();
	rc = open_tls(config, &services, err);
	if (rc == 0)
		rc = seed_users(config, users, err);
	if (rc == 0 && config->users_file)
		rc = users_read(users, config->users_file, err);
	if (rc == 0)
		rc = control_new(config, users, &control, err);
	if (rc == 0)
		rc = run_workers(config, &services, control, count > WORKERS_MAX ? WORKERS_MAX : count, &signals, err);
	control_free(control);
	quotas_free(services.quotas);
	users_free(users);
	close_tls(&services);
	return rc;
}

static void set_log_level(const char *name)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name && strcmp(name, names[i]) == 0)
			log_level_min = (enum log_level)i;
}

int serve_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' }, { 0 },
	};
	const char *path = NULL;
	struct config *config;
	bool only_check = false;
	struct err err;
	int option, rc;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			path = optarg;
		else if (option == 'k')
			only_check = true;
		else
			return command_misused("serve");
	}
	if (!path || optind < argc)
		return command_misused("serve");
	rc = config_read(path, &config, &err);
	if (rc < 0)
		return command_failed("serve", &err);
	set_log_level(config->log_level);
	rc = only_check ? check(config, &err) : serve(config, &err);
	if (rc == 0 && only_check)
		puts("the configuration is valid");
	config_free(config);
	return rc < 0 ? command_failed("serve", &err) : 0;
}
