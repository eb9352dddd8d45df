#include "client.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/mem.h"
#include "load.h"

enum {
	SETTINGS_MAX = 5,
	BRIEF_OPERATIONS = 40,
	AGAIN_MS = 20,
};

#define NONE UINT32_MAX

enum protocol { SIMPLE, PREPARED, PIPELINED, PROTOCOL_COUNT };
enum state { CLOSED, CONNECTING, SETTING, RUNNING, RESTING, DONE };

struct client {
	struct load *load;
	struct writer writer;
	enum level level;
	const char *router;
	enum protocol protocol;
	bool brief;                     /* its sessions are */

	PGconn *conn;
	enum state state;
	uint32_t events;                /* that epoll waits for; 0: it does not know the connection */
	uint64_t due_ns;                /* of CLOSED and RESTING: the end */
	uint32_t session;
	unsigned left;                  /* operations of a brief session */
	struct carried given;           /* by an operation under way; its number is NONE otherwise */
	char settings[SETTINGS_MAX][80];
	int setting_count, setting_at;
	bool prepared[TABLE_COUNT][VERB_ADD + 1], preparing;

	struct operation operation;
	size_t sent, answered;          /* of its statements */
	bool first;                     /* of the statement that is being answered, nothing has been told yet */
	bool behind;                    /* what was read is not all that was acknowledged */
};

static void say_next(struct client *client);

/* ---- a connection ---- */

static void listen_for(struct client *client, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = client };

	if (client->events != events)
		epoll_ctl(client->load->epoll, client->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, PQsocket(client->conn), &event);
	client->events = events;
}

static void close_session(struct client *client, uint64_t due_ns)
{
	if (client->events)
		epoll_ctl(client->load->epoll, EPOLL_CTL_DEL, PQsocket(client->conn), NULL);
	PQfinish(client->conn);
	client->conn = NULL;
	client->events = 0;
	client->state = CLOSED;
	client->due_ns = due_ns;
}

static bool is_pending(const struct statement *statement)
{
	return statement_writes(statement) && statement->begun_ns;
}

static void record(struct client *client, const struct statement *statement, enum event_kind kind, unsigned id, uint32_t value, uint16_t port, uint64_t ended_ns)
{
	struct load *load = client->load;
	struct event event = { .begun_ns = statement->begun_ns, .ended_ns = ended_ns, .session = client->session, .value = value,
		.key = history_key(&load->history, statement->table, id), .port = port, .kind = (uint8_t)kind, .first = client->first,
		.block = client->operation.block };

	client->first = false;
	load_told(load, &event);
}

/* What was sent and not answered may have happened; a block only when its COMMIT was sent. */
static void give_up(struct client *client, const char *state, const char *message)
{
	struct operation *operation = &client->operation;
	size_t begin = operation->block ? 0 : client->answered;

	load_failed(client->load, operation->block, state, message);
	for (size_t i = begin; i < client->sent; i++) {
		struct statement *statement = &operation->statements[i];

		if (is_pending(statement) && (!operation->block || client->sent == operation->count))
			record(client, statement, statement->verb == VERB_ADD ? EVENT_ADD : EVENT_WRITE, statement->id,
			       statement->verb == VERB_ADD ? 0 : statement->value, 0, NEVER_NS);
	}
	close_session(client, load_now_ns() + AGAIN_MS * UINT64_C(1000000));
}

/* Of what is no answer to a statement. */
static void lose(struct client *client)
{
	give_up(client, "lost", PQerrorMessage(client->conn));
}

static void set(struct client *client, const char *name, const char *value)
{
	snprintf(client->settings[client->setting_count++], sizeof(client->settings[0]), "SET %s = '%s'", name, value);
}

/* read_your_writes has two names. */
static const char *name_of_level(struct client *client)
{
	return client->level == LEVEL_READ_YOUR_WRITES && draw(&client->load->draws, 2) ? "session" : level_names[client->level];
}

/* A brief session's settings come in the start-up packet. */
static void connect_again(struct client *client)
{
	const struct load_options *options = client->load->options;
	struct draws *draws = &client->load->draws;
	const char *durable = options->durable || draw(draws, 2) ? "on" : "off", *wait = draw(draws, 3) ? "0" : "20ms";
	unsigned user = draw(draws, 2 * USERS);
	char conninfo[512], staleness[16], name[16];

	user = user < USERS ? user + 1 : 0;
	client->operation = (struct operation){ 0 };
	client->sent = client->answered = 0;
	memset(client->prepared, 0, sizeof(client->prepared));
	client->preparing = false;
	client->given.number = NONE;
	client->setting_at = client->setting_count = 0;
	client->writer.eager = draw(draws, 2);
	client->left = BRIEF_OPERATIONS;
	client->session = history_session(&client->load->history, client->level, client->writer.place, (uint16_t)user);
	snprintf(staleness, sizeof(staleness), "%ums", options->max_staleness_ms);
	snprintf(name, sizeof(name), "u%u", user);
	if (client->brief) {
		snprintf(conninfo, sizeof(conninfo), "%s options='-c nanu.consistency=%s -c nanu.max_staleness=%s -c nanu.read_wait=%s -c synchronous_commit=%s%s%s'",
			 client->router, name_of_level(client), staleness, wait, durable, user ? " -c nanu.user=" : "", user ? name : "");
	} else {
		snprintf(conninfo, sizeof(conninfo), "%s", client->router);
		set(client, "nanu.consistency", name_of_level(client));
		set(client, "nanu.max_staleness", staleness);
		set(client, "nanu.read_wait", wait);
		set(client, "synchronous_commit", durable);
		if (user)
			set(client, "nanu.\"user\"", name);
	}
	client->conn = PQconnectStart(conninfo);
	client->state = CONNECTING;
	if (PQstatus(client->conn) == CONNECTION_BAD)
		lose(client);
	else
		listen_for(client, EPOLLOUT);
}

static void go_on_connecting(struct client *client)
{
	int before = PQsocket(client->conn);

	switch (PQconnectPoll(client->conn)) {
	case PGRES_POLLING_READING:
		assert(PQsocket(client->conn) == before);
		listen_for(client, EPOLLIN);
		return;
	case PGRES_POLLING_WRITING:
		listen_for(client, EPOLLOUT);
		return;
	case PGRES_POLLING_OK:
		PQsetnonblocking(client->conn, 1);
		if (client->protocol == PIPELINED)
			PQenterPipelineMode(client->conn);
		client->state = SETTING;
		say_next(client);
		return;
	default:
		lose(client);
	}
}

/* ---- what is said ---- */

/* Of a level that is done sooner than others: they are to have the machine. */
static bool is_ahead(const struct client *client)
{
	const struct load *load = client->load;
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < LEVEL_COUNT; i++)
		if (load->options->levels[i] && load->operations[i] < least)
			least = load->operations[i];
	return load->operations[client->level] > least + load->options->operations / 10;
}

static void rest(struct client *client)
{
	struct draws *draws = &client->load->draws;
	unsigned us = 0;

	if (draw(draws, 100) == 0)
		us = 10000 + draw(draws, 90000);
	else if (draw(draws, 10) == 0)
		us = 500 + draw(draws, 5000);
	if (client->behind || (is_ahead(client) && !client->load->settling))
		us = AGAIN_MS * 1000;
	client->due_ns = load_now_ns() + us * UINT64_C(1000);
	client->state = us ? RESTING : RUNNING;
}

static bool send_prepared(struct client *client, const struct statement *statement, const char *name, const char *text, int count, const char *const *values)
{
	bool *prepared = &client->prepared[statement->table][statement->verb];

	if (*prepared)
		return PQsendQueryPrepared(client->conn, name, count, values, NULL, NULL, 0);
	*prepared = client->preparing = true;
	return PQsendPrepare(client->conn, name, text, 0, NULL);
}

static void send_statement(struct client *client)
{
	struct statement *statement = &client->operation.statements[client->sent];
	char text[TEXT_SIZE], name[32], numbers[PARAMETERS_MAX][NUMBER_SIZE];
	const char *values[] = { numbers[0], numbers[1] };
	int count = statement_parameters(statement, numbers);
	bool sent;

	statement_text(statement, client->protocol != SIMPLE, text);
	snprintf(name, sizeof(name), "%s_%d", table_names[statement->table], (int)statement->verb);
	statement->begun_ns = load_now_ns();
	if (client->protocol == SIMPLE)
		sent = PQsendQuery(client->conn, text);
	else if (client->protocol == PREPARED && count)
		sent = send_prepared(client, statement, name, text, count, values);
	else
		sent = PQsendQueryParams(client->conn, text, count, NULL, values, NULL, NULL, 0);
	if (client->protocol == PIPELINED)
		sent = sent && PQpipelineSync(client->conn);
	client->sent += !client->preparing;
	if (!sent)
		lose(client);
}

/* What can be said now: one statement, or in a pipeline all; when none is left, the next operation. */
static void say(struct client *client)
{
	do {
		send_statement(client);
	} while (client->conn && client->protocol == PIPELINED && client->sent < client->operation.count);
	if (client->conn)
		listen_for(client, PQflush(client->conn) == 1 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Another session's token, of some moments ago. */
static void give_token(struct client *client)
{
	struct load *load = client->load;
	unsigned kept = load->token_count < TOKENS_KEPT ? load->token_count : TOKENS_KEPT;
	char *text = client->given.text;

	client->given.number = load->carried[draw(&load->draws, kept)].number;
	snprintf(text, sizeof(client->given.text), "SET nanu.token = '%s'", load->carried[client->given.number % TOKENS_KEPT].text);
	operation_set(&client->operation, text);
}

static void say_next(struct client *client)
{
	struct load *load = client->load;
	unsigned which = draw(&load->draws, 100);

	client->sent = client->answered = 0;
	client->operation = (struct operation){ 0 };
	if (client->state == SETTING && client->setting_at == client->setting_count)
		client->state = RUNNING;
	if (client->state == SETTING) {
		operation_set(&client->operation, client->settings[client->setting_at++]);
	} else if (load->settling) {
		client->behind = false;
		operation_read_everything(&client->operation);
	} else if (load->stopping) {
		return;
	} else if (client->brief && client->left-- == 0) {
		close_session(client, 0);
		return;
	} else if (which == 0) {
		operation_show_token(&client->operation);
	} else if (which <= 2 && load->token_count) {
		give_token(client);
	} else {
		operation_choose(&client->operation, &load->draws, &load->history, &client->writer, client->protocol == PIPELINED);
	}
	client->first = true;
	say(client);
}

/* ---- what is heard ---- */

static void hear_rows(struct client *client, const struct statement *statement, const PGresult *rows)
{
	const struct history *history = &client->load->history;
	uint64_t ended_ns = load_now_ns();
	struct statement counted = *statement;

	/* A block is as of its beginning, for who only wants it to be no older than that. */
	if (client->level == LEVEL_BOUNDED && client->operation.block)
		counted.begun_ns = client->operation.statements[0].begun_ns;
	for (int i = 0; i < PQntuples(rows); i++) {
		unsigned id = (unsigned)atoi(PQgetvalue(rows, i, 0));
		uint32_t value = (uint32_t)atoi(PQgetvalue(rows, i, 1));

		record(client, &counted, EVENT_READ, id, value, (uint16_t)atoi(PQgetvalue(rows, i, 2)), ended_ns);
		client->behind |= value < client->load->acknowledged[history_key(history, statement->table, id)];
	}
}

/* What a block wrote is told when it is over; nobody can have seen it before COMMIT was sent. */
static void hear_writes(struct client *client, size_t from, uint64_t begun_ns)
{
	uint64_t ended_ns = load_now_ns();

	for (size_t i = from; i <= client->answered; i++) {
		struct statement *statement = &client->operation.statements[i];

		if (!is_pending(statement))
			continue;
		statement->begun_ns = begun_ns ? begun_ns : statement->begun_ns;
		client->first = true;
		record(client, statement, statement->verb == VERB_ADD ? EVENT_ADD : EVENT_WRITE, statement->id, statement->value, statement->port, ended_ns);
		statement->begun_ns = 0;        /* pending no more */
	}
}

static void record_token(struct client *client, enum event_kind kind, uint32_t number)
{
	const struct statement *statement = &client->operation.statements[0];

	load_told(client->load, &(struct event){ .begun_ns = statement->begun_ns, .ended_ns = load_now_ns(), .session = client->session, .value = number,
		.kind = (uint8_t)kind });
}

static void take_token(struct client *client, const char *text)
{
	struct load *load = client->load;
	struct carried *carried = &load->carried[load->token_count % TOKENS_KEPT];

	carried->number = load->token_count++;
	snprintf(carried->text, sizeof(carried->text), "%s", text);
	record_token(client, EVENT_TAKE, carried->number);
}

/* False: it is none that it can be. */
static bool hear(struct client *client, PGresult *result)
{
	struct statement *statement = &client->operation.statements[client->answered];
	bool rows = statement_reads(statement) || statement->verb == VERB_ADD || statement->verb == VERB_SHOW_TOKEN;

	if (client->preparing)
		return PQresultStatus(result) == PGRES_COMMAND_OK;
	if (PQresultStatus(result) != (rows ? PGRES_TUPLES_OK : PGRES_COMMAND_OK))
		return false;
	if (statement_reads(statement)) {
		hear_rows(client, statement, result);
		return PQntuples(result) > 0;
	}
	if (statement->verb == VERB_SHOW_TOKEN)
		take_token(client, PQgetvalue(result, 0, 0));
	if (client->given.number != NONE)
		record_token(client, EVENT_GIVE, client->given.number);
	client->given.number = NONE;
	if (!statement_writes(statement))
		return true;
	if (strcmp(PQcmdTuples(result), "1") != 0)
		return false;
	if (statement->verb == VERB_ADD) {
		statement->value = (uint32_t)atoi(PQgetvalue(result, 0, 1));
		statement->port = (uint16_t)atoi(PQgetvalue(result, 0, 2));
	}
	return true;
}

static void end_operation(struct client *client)
{
	if (client->state == SETTING) {
		say_next(client);
	} else if (client->load->settling && !client->behind) {
		close_session(client, 0);
		client->state = DONE;
	} else {
		rest(client);
		if (client->state == RUNNING)
			say_next(client);
	}
}

/* The server is ready for the next. What is told of a write before may be taken back by an error: in the extended protocol it commits last. */
static void end_statement(struct client *client)
{
	const struct statement *statement = &client->operation.statements[client->answered];

	if (client->preparing) {
		client->preparing = false;
		say(client);
		return;
	}
	if (statement->verb == VERB_COMMIT)
		hear_writes(client, 0, statement->begun_ns);
	else if (statement_writes(statement) && !client->operation.block)
		hear_writes(client, client->answered, 0);
	client->answered++;
	client->first = true;
	if (client->answered == client->operation.count)
		end_operation(client);
	else if (client->answered == client->sent)
		say(client);
}

static void hear_all(struct client *client)
{
	while (client->conn && client->answered < client->operation.count && !PQisBusy(client->conn)) {
		PGresult *result = PQgetResult(client->conn);
		bool ended = client->protocol == PIPELINED ? PQresultStatus(result) == PGRES_PIPELINE_SYNC : !result;

		if (ended) {
			PQclear(result);
			end_statement(client);
			continue;
		}
		if (result && !hear(client, result)) {
			const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

			give_up(client, state ? state : "wrong", PQresultErrorMessage(result));
		}
		PQclear(result);
	}
}

void client_heard(struct client *client)
{
	if (client->state == CONNECTING) {
		go_on_connecting(client);
		return;
	}
	if (!client->conn)
		return;                 /* closed since */
	if (!PQconsumeInput(client->conn)) {
		lose(client);
		return;
	}
	if (client->events & EPOLLOUT)
		listen_for(client, PQflush(client->conn) == 1 ? EPOLLIN | EPOLLOUT : EPOLLIN);
	hear_all(client);
}

void client_tick(struct client *client, uint64_t now_ns)
{
	const struct load *load = client->load;
	bool waits = load->stopping && !load->settling;

	if (waits || now_ns < client->due_ns)
		return;
	if (client->state == CLOSED) {
		connect_again(client);
	} else if (client->state == RESTING || (client->state == RUNNING && client_is_idle(client))) {
		client->state = RUNNING;
		say_next(client);
	}
}

/* ---- as a whole ---- */

struct client *client_new(struct load *load, uint16_t place, enum level level, unsigned kind)
{
	struct client *client = mem_calloc(1, sizeof(*client));

	client->load = load;
	client->writer.place = place;
	client->level = level;
	client->router = load->options->routers[kind % load->options->router_count];
	kind /= load->options->router_count;
	client->protocol = (enum protocol)(kind % PROTOCOL_COUNT);
	client->brief = kind / PROTOCOL_COUNT % 2;
	return client;
}

void client_free(struct client *client)
{
	if (client->conn)
		close_session(client, 0);
	mem_free(client);
}

bool client_is_idle(const struct client *client)
{
	switch (client->state) {
	case CLOSED:
	case RESTING:
	case DONE:
		return true;
	case RUNNING:
		return client->answered == client->operation.count;
	case CONNECTING:
	case SETTING:
		return false;
	}
	return false;
}

bool client_is_settled(const struct client *client)
{
	return client->state == DONE;
}

enum level client_level(const struct client *client)
{
	return client->level;
}
