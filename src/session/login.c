/* login: from the first byte to the first ReadyForQuery.
 *
 * Source: PostgreSQL 15 documentation, 55.2.1 "Start-up", 55.2.9 "SSL Session Encryption".
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"
#include "route/snapshot.h"
#include "session/admission.h"
#include "session/deadlines.h"
#include "session/job.h"
#include "session/login.h"
#include "session/replication.h"
#include "session/own_settings.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/side.h"
#include "topo/config.h"

static void timed_out(struct timer *timer)
{
	struct session *session = CONTAINER_OF(timer, struct session, timer);
	struct err err;

	err_set(&err, ERR_CANCELED, "canceling authentication due to timeout");
	err_detail(&err, "It took longer than login_ms_max (%u ms).", session->worker->config->login_ms_max);
	session_fatal(session, &err);
}

void login_start(struct session *session)
{
	struct worker *worker = session->worker;

	session->login = mem_calloc(1, sizeof(*session->login));
	session->timer.fire = timed_out;
	loop_arm(worker->loop, &session->timer, (uint64_t)worker->config->login_ms_max * 1000);
	__atomic_add_fetch(&worker->services->client_count, 1, __ATOMIC_RELAXED);
}

static int check_room(struct session *session, struct err *err)
{
	const struct worker *worker = session->worker;
	int rc = admission_start(worker->services->admission, worker->config, session_address(session), err);

	session->started = rc == 0;
	if (rc < 0 || __atomic_load_n(&worker->services->client_count, __ATOMIC_RELAXED) <= worker->config->client_max)
		return rc;
	err_set(err, ERR_POOL_FULL, "sorry, too many clients already");
	err_detail(err, "The router takes %u clients (client_max).", worker->config->client_max);
	return err->code;
}

void login_free(struct login *login)
{
	if (!login)
		return;
	explicit_bzero(login, sizeof(*login));
	mem_free(login);
}

static void refuse(struct session *session, struct err *err)
{
	session_fatal(session, err);
}

static void say(struct session *session, struct buf *out)
{
	session_write_buf(session, out);
	buf_release(out);
}

/* ---- start-up packet ---- */

static struct settings *with_setting(struct settings *settings, const char *name, const char *value)
{
	struct settings *more = settings_with(settings, name, value, SETTING_RAW);

	if (!more)
		return settings;
	settings_unref(settings);
	return more;
}

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text + 32);
}

/* The next word; a backslash makes what follows it a part of one. As pg_split_opts() of PostgreSQL. */
static bool next_word(const char **options, char word[STARTUP_SIZE_MAX])
{
	const char *at = *options;
	size_t size = 0;

	while (isspace((unsigned char)*at))
		at++;
	*options = at;
	for (; *at && !isspace((unsigned char)*at) && size + 1 < STARTUP_SIZE_MAX; at++) {
		if (*at == '\\' && !*++at)
			break;
		word[size++] = *at;
	}
	word[size] = '\0';
	if (at == *options)
		return false;
	*options = at;
	return true;
}

/* "-c name=value --name=value". What PostgreSQL has besides, as -S for work_mem, is refused: it would mean something. */
static int take_options(struct settings **settings, const char *options, struct err *err)
{
	char word[STARTUP_SIZE_MAX + 2];        /* an argument may follow its "-c" */

	while (next_word(&options, word)) {
		bool is_long = strncmp(word, "--", 2) == 0, is_short = strncmp(word, "-c", 2) == 0;
		char *name = word + 2, *value;

		if ((!is_long && !is_short) || (is_short && !*name && !next_word(&options, name))) {
			err_set(err, ERR_SYNTAX, "invalid command-line argument for server process: %s", word);
			err_hint(err, "Settings are given as -c name=value or --name=value.");
			return err->code;
		}
		value = strchr(name, '=');
		if (!value)
			return err_set(err, ERR_SYNTAX, "%s%s requires a value", is_long ? "--" : "-c ", name);
		*value++ = '\0';
		for (char *at = name; *at; at++)
			if (*at == '-')
				*at = '_';
		lower(name);
		*settings = with_setting(*settings, name, value);
	}
	return 0;
}

/* What the client asks of the protocol that protocol 3.0 does not have is declined (PostgreSQL documentation, 55.2.1). */
static void decline(struct session *session, struct slice unknown)
{
	struct buf out;
	size_t begin, count = 0;

	for (size_t i = 0; i < unknown.size; i++)
		count += unknown.data[i] == '\0';
	buf_init(&out, STARTUP_SIZE_MAX * 2);
	begin = frame_begin(&out, 'v');
	buf_add_u32(&out, PROTOCOL_VERSION_3);
	buf_add_u32(&out, (uint32_t)count);
	buf_add_slice(&out, unknown);
	frame_end(&out, begin);
	say(session, &out);
}

static int take_parameters(struct session *session, struct slice parameters, struct buf *unknown, struct err *err)
{
	struct settings *settings = settings_ref(session->worker->pools.settings.empty);
	struct slice key, value, rest = parameters;

	while (startup_next(&rest, &key, &value)) {
		char name[NAME_SIZE_MAX * 2];

		if (slice_is(key, "user") && !session->user)
			session->user = mem_strndup(value.data, value.size);
		else if (slice_is(key, "database") && !session->database_name)
			session->database_name = mem_strndup(value.data, value.size);
		else if (slice_is(key, "options") || slice_is(key, "replication")) {
			int rc = slice_is(key, "options") ? take_options(&settings, value.data, err) : replication_parameter(session, value.data, err);

			if (rc < 0) {
				settings_unref(settings);
				return rc;
			}
		} else if (strncmp(key.data, "_pq_.", 5) == 0) {
			buf_add_cstr(unknown, key.data);
		} else if (!slice_is(key, "user") && !slice_is(key, "database")) {
			snprintf(name, sizeof(name), "%s", key.data);
			lower(name);
			settings = with_setting(settings, name, value.data);
		}
	}
	if (session->worker->config->application_name_add_host) {
		const struct setting *given = settings_find(settings, "application_name");
		char name[NAME_SIZE_MAX * 2];

		carried_name(session, given ? given->value : "app", name, sizeof(name));
		settings = with_setting(settings, "application_name", name);
	}
	session->initial = settings;
	session->settings = settings_ref(settings);
	session->committed = settings_ref(settings);
	if (!session->user || !session->user[0])
		return err_set(err, ERR_AUTH_SPEC, "no PostgreSQL user name specified in startup packet");
	if (!session->database_name || !session->database_name[0]) {
		mem_free(session->database_name);
		session->database_name = mem_strdup(session->user);
	}
	return 0;
}

static int find_database(struct session *session, struct err *err)
{
	const struct topology *topology = session->snapshot->topology;
	const struct database *database;

	if (side_take(session, err) < 0 || own_check(session, session->initial, err) < 0)
		return err->code;
	database = topology_database(topology, session->database_name);
	if (database)
		session->database = (int)(database - topology->databases);
	replication_find_database(session);
	if (session->database < 0) {
		err_set(err, ERR_NO_DATABASE, "database \"%s\" does not exist", session->database_name);
		err_hint(err, "SELECT from nanu.databases, or see \"databases\" in the router's configuration.");
		return err->code;
	}
	if (pools_held(&session->worker->pools, HOLD_LOGIN, session->database_name)) {
		err_set(err, ERR_NOT_NOW, "database \"%s\" is disabled: it takes no new connections", session->database_name);
		err_hint(err, "An administrator enables it with SELECT nanu.enable('%s').", session->database_name);
		return err->code;
	}
	return 0;
}

static void cancel_somebody(struct session *session, const struct startup *startup)
{
	services_cancel(session->worker->services, startup->cancel_pid, startup->cancel_secret);
	session_close(session);
}

/* ---- authentication ---- */

static void ask_backend(struct session *session);

void login_authenticated(struct session *session)
{
	struct err err;
	struct buf out;

	session->policy = worker_policy(session->worker, session->database_name, session->user);
	if (admission_login(session->worker->services->admission, session->policy, session->database_name, session->user, &err) < 0) {
		refuse(session, &err);
		return;
	}
	session->logged_in = true;
	if (side_begin(session, &err) < 0) {
		refuse(session, &err);
		return;
	}
	buf_init(&out, STARTUP_SIZE_MAX);
	message_auth(&out, AUTH_CODE_OK, (struct slice){ 0 });
	say(session, &out);
	session->login->step = LOGIN_BACKEND;
	if (!session->replication)
		ask_backend(session);
	else if (replication_start(session, &err) < 0)
		refuse(session, &err);
}

void login_answered(struct session *session, struct job *job)
{
	char quoted[600];
	struct err err;

	if (job->rc < 0)
		log_warn("login", "user=%s msg=\"cannot fetch the verifier: %s\"", session->user,
			 log_quote(job->err.message, quoted, sizeof(quoted)));
	if (session->login && session->login->step == LOGIN_SECRET && authenticate_fetched(session, &err) < 0)
		refuse(session, &err);
}

/* ---- what the server would say of itself ---- */

/* What a session is told while no node can be asked: PostgreSQL 15's defaults. */
static void tell_defaults(struct session *session)
{
	static const char *const defaults[][2] = {
		{ "DateStyle", "ISO, MDY" }, { "IntervalStyle", "postgres" }, { "TimeZone", "Etc/UTC" }, { "client_encoding", "UTF8" },
		{ "default_transaction_read_only", "off" }, { "in_hot_standby", "off" }, { "integer_datetimes", "on" },
		{ "is_superuser", "off" }, { "server_encoding", "UTF8" }, { "server_version", "15.0" }, { "standard_conforming_strings", "on" },
	};
	struct params *params = params_empty(&session->worker->pools.params), *more;

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		more = params_with(params, slice_of(defaults[i][0]), slice_of(defaults[i][1]));
		params_unref(params);
		params = more;
	}
	more = params_with(params, SLICE_LIT("session_authorization"), slice_of(session->user));
	params_unref(params);
	session->params = more;
}

static void say_ready(struct session *session)
{
	struct buf out;

	loop_disarm(session->worker->loop, &session->timer);
	login_free(session->login);
	session->login = NULL;
	buf_init(&out, STARTUP_SIZE_MAX * 8);
	params_tell(NULL, session->params, &out);
	if (session->side == SIDE_REPLICA) {    /* wherever the backend was that it begins with */
		message_parameter(&out, SLICE_LIT("default_transaction_read_only"), SLICE_LIT("on"));
		message_parameter(&out, SLICE_LIT("in_hot_standby"), SLICE_LIT("on"));
	}
	message_key_data(&out, worker_pid(session->worker->index, session->number), session->secret);
	message_ready(&out, 'I');
	say(session, &out);
}

void login_replicates(struct session *session, struct backend *backend)
{
	params_assign(&session->params, backend->params);
	say_ready(session);
	session->state = SESSION_WORKING;
	if (session->in.size)
		replication_received(session, buf_slice(&session->in));
	buf_release(&session->in);
	stream_receive(&session->stream, true);
}

static void ready(struct session *session)
{
	say_ready(session);
	session->state = SESSION_READY;
	reads_begin(session);
	deadlines_begin(session);
	if (session->policy->pool_mode == POOL_SESSION)
		session->pins |= PIN_MODE;
	legs_finish(session);
	session_resume(session);
}

/* While its database is paused, or its shard has no primary, a client is let in with what a fresh backend said last: its first statement waits, and not its
 * login. */
static bool is_held(struct session *session)
{
	struct pool *pool = legs_pool(session, 0, NULL);

	if (!pool || (!pool_holds(pool) && pool_is_permitted(pool)))
		return false;
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->backend)
			return false;
	if (pool->params)
		params_assign(&session->params, pool->params);
	else
		tell_defaults(session);
	legs_drop(session);
	return true;
}

void login_held(struct session *session)
{
	if (session->state == SESSION_LOGIN && session->login->step == LOGIN_BACKEND && is_held(session))
		ready(session);
}

/* The client's first parameters are those of a real backend that carries its settings; this also proves that the node lets the user in. */
static void ask_backend(struct session *session)
{
	struct err err;
	int rc;

	session->login->step = LOGIN_BACKEND;
	if (list_empty(&session->legs))
		session_renew(session);
	if (session->state == SESSION_CLOSED)
		return;
	if (is_held(session)) {
		ready(session);
		return;
	}
	rc = legs_want(session, 1, false, &err);
	if (rc < 0) {
		if (err.code == ERR_CONNECT || err.code == ERR_POOL_FULL || err.code == ERR_POOL_TIMEOUT || err.code == ERR_NOT_NOW ||
		    err.code == ERR_CONFLICT) {
			tell_defaults(session);
			ready(session);
		} else {
			refuse(session, &err);
		}
	} else if (rc > 0) {
		struct leg *leg = leg_find(session, 0);

		params_assign(&session->params, leg->backend->params);
		ready(session);
	}
}

void login_backend(struct session *session)
{
	ask_backend(session);
}

/* ---- messages ---- */

/* SSLRequest or GSSENCRequest. `more`: there are bytes behind it, which somebody who stands between could have put there to be taken for the
 * client's own once the connection is encrypted (CVE-2021-23222's sibling, CVE-2021-23214). */
static int encryption_asked(struct session *session, enum startup_kind kind, bool more, struct err *err)
{
	struct tls_context *context = session->worker->config->client_tls_context;
	bool ssl = kind == STARTUP_SSL, *done = ssl ? &session->login->ssl_done : &session->login->gss_done;

	if (*done)
		return err_set(err, ERR_UNSUPPORTED, "unsupported frontend protocol 1234.%u: server supports 3.0 to 3.0",
			       (ssl ? CODE_SSL : CODE_GSS) & 0xffff);
	if (more) {
		err_set(err, ERR_PROTOCOL, "received unencrypted data after %s request", ssl ? "SSL" : "GSSAPI encryption");
		err_detail(err, "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.");
		return err->code;
	}
	*done = true;
	if (!ssl || !context) {
		session_write(session, SLICE_LIT("N"));
		return 0;
	}
	session->login->gss_done = true;
	session_write(session, SLICE_LIT("S"));
	return tls_accept(&session->stream, context, err);
}

static int tls_missing(struct err *err)
{
	err_set(err, ERR_AUTH_SPEC, "the router takes clients over TLS only (client_tls: require)");
	err_hint(err, "Connect with sslmode=require, or stronger.");
	return err->code;
}

static int startup(struct session *session, bool *ret_more, struct err *err)
{
	struct startup startup;
	struct buf unknown;
	size_t size;
	int rc = startup_read(buf_slice(&session->in), &startup, &size, err);

	*ret_more = false;
	if (rc <= 0)
		return rc;
	switch (startup.kind) {
	case STARTUP_SSL:
	case STARTUP_GSS:
		rc = encryption_asked(session, startup.kind, session->in.size > size, err);
		if (rc == 0)
			buf_drop_front(&session->in, size);
		*ret_more = true;
		return rc;
	case STARTUP_CANCEL:
		cancel_somebody(session, &startup);
		return 0;
	case STARTUP_SESSION:
		break;
	}
	if (session->worker->config->client_tls == CLIENT_TLS_REQUIRE && !tls_is_on(&session->stream))
		return tls_missing(err);
	buf_init(&unknown, STARTUP_SIZE_MAX);
	rc = take_parameters(session, startup.parameters, &unknown, err);
	if (rc == 0 && (unknown.size || startup.version > PROTOCOL_VERSION_3))
		decline(session, buf_slice(&unknown));
	buf_release(&unknown);
	buf_drop_front(&session->in, size);
	if (rc == 0)
		rc = check_room(session, err);
	if (rc == 0)
		rc = find_database(session, err);
	if (rc == 0)
		rc = authenticate_start(session, err);
	return rc;
}

void login_received(struct session *session)
{
	struct message message;
	struct err err;
	size_t size;
	bool more = true;
	int rc = 0;

	if (!session->logged_in && session->stream.received_bytes > LOGIN_SIZE_MAX)
		rc = err_set(&err, ERR_PROTOCOL, "more than %d bytes were sent before authentication", LOGIN_SIZE_MAX);
	while (more && rc == 0 && session->state == SESSION_LOGIN && session->login->step == LOGIN_STARTUP)
		rc = startup(session, &more, &err);
	while (rc == 0 && session->state == SESSION_LOGIN && session->login->step != LOGIN_STARTUP &&
	       session->login->step != LOGIN_SECRET && session->login->step != LOGIN_BACKEND) {
		rc = frame_next(buf_slice(&session->in), AUTH_MESSAGE_SIZE_MAX, &message, &size, &err);
		if (rc <= 0)
			break;
		rc = authenticate_message(session, &message, &err);
		if (session->state == SESSION_CLOSED)
			return;
		explicit_bzero(session->in.data, size);
		buf_drop_front(&session->in, size);
	}
	if (rc < 0)
		refuse(session, &err);
}
