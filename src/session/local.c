/* local: statements that the router answers itself, and fresh catalogs: both by a job of the control plane. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/statement.h"
#include "base/limits.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "session/own_settings.h"
#include "session/session.h"
#include "session/side.h"
#include "session/units.h"

enum { LOCAL_OUT_MAX = 256 << 20 };

struct local {                          /* what the answer is for; travels in the job's arena */
	enum local_form form;
	uint32_t row_max;               /* of Execute; 0: all */
	size_t format_count;            /* of the columns, as Bind has them: none, one for all, or one each */
	uint16_t *formats;
};

static void submit(struct session *session, struct job *job)
{
	job->database = arena_strdup(&job->arena, session->database_name);
	job->user = arena_strdup(&job->arena, session->user);
	session->job_pending = true;
	session->worker->services->submit(session->worker->services, job);
}

void local_refresh(struct session *session)
{
	submit(session, job_new(JOB_REFRESH, session->worker->loop, session->number));
}

void local_defined(struct session *session)
{
	submit(session, job_new(JOB_DEFINED, session->worker->loop, session->number));
}

static void take_bind(struct job *job, struct local *local, const struct bind *bind)
{
	struct cursor cursor = cursor_of(bind->result_formats);

	job->param_count = bind->param_count;
	job->params = arena_calloc(&job->arena, (size_t)bind->param_count + 1, sizeof(*job->params));
	for (int i = 0; i < bind->param_count; i++) {
		struct slice value;

		if (bind_param(bind, i + 1, &value, &job->params[i].format))
			job->params[i].bytes = arena_slice(&job->arena, value);
	}
	local->format_count = cursor_u16(&cursor);
	local->formats = arena_calloc(&job->arena, local->format_count + 1, sizeof(*local->formats));
	for (size_t i = 0; i < local->format_count; i++)
		local->formats[i] = cursor_u16(&cursor);
}

int local_start(struct session *session, struct slice sql, const struct bind *bind, const struct statement *statement, enum local_form form,
		uint32_t row_max, struct err *err)
{
	struct plan_context context = session_plan_context(session);
	struct local *local;
	struct job *job;
	int rc;

	if (session->answer_count) {
		units_flush(session);
		return 0;
	}
	job = job_new(JOB_LOCAL, session->worker->loop, session->number);
	job->sql = arena_strndup(&job->arena, sql.data, sql.size);
	job->search_path = context.search_path ? arena_strdup(&job->arena, context.search_path) : NULL;
	job->role = arena_strdup(&job->arena, context.role);
	job->in_block = session->tx_status != 'I';
	job->in_transaction = job->in_block || !list_empty(&session->legs);
	job->only_reads = side_only_reads(session);
	job->standard_strings = session_standard_strings(session);
	job->describe_only = form == LOCAL_DESCRIBE_STATEMENT || form == LOCAL_DESCRIBE_PORTAL;
	job->local = local = arena_calloc(&job->arena, 1, sizeof(*local));
	local->form = form;
	local->row_max = row_max;
	if (statement && statement->type_count) {
		uint32_t *types = arena_alloc(&job->arena, statement->type_count * sizeof(*types));

		memcpy(types, statement->types, statement->type_count * sizeof(*types));
		job->param_types = types;
		job->param_type_count = statement->type_count;
	}
	if (bind)
		take_bind(job, local, bind);
	rc = own_show(session, sql, job);
	if (rc) {
		if (rc != OWN_WAITS)
			local_answered(session, job);
		job_free(job);
		return rc == OWN_WAITS ? 0 : 1;
	}
	submit(session, job);
	return 1;
}

static int16_t type_size(uint32_t type)
{
	switch (type) {
	case OID_BOOL:
		return 1;
	case OID_INT2:
		return 2;
	case OID_INT4:
		return 4;
	case OID_INT8:
	case OID_FLOAT8:
	case OID_TIMESTAMPTZ:
		return 8;
	default:
		return -1;
	}
}

static uint16_t format_of(const struct local *local, size_t column)
{
	if (local->format_count == 0)
		return 0;
	return local->format_count == 1 ? local->formats[0] : column < local->format_count ? local->formats[column] : 0;
}

/* "2024-05-01 12:00:00.5+00" -> microseconds since 2000 */
static uint64_t read_time(const char *text)
{
	enum { SECONDS_TO_2000 = 946684800 };
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
	double fraction = rest && *rest == '.' ? strtod(rest, NULL) : 0;

	return (uint64_t)((timegm(&tm) - SECONDS_TO_2000) * INT64_C(1000000) + (int64_t)(fraction * 1000000 + 0.5));
}

/* The binary form of the few types that the nanu schema has. */
static void add_value(struct buf *out, uint32_t type, uint16_t format, const char *value)
{
	uint64_t bits;
	double number;

	if (!value) {
		buf_add_u32(out, UINT32_MAX);
		return;
	}
	if (format == 1 && type == OID_INT8) {
		buf_add_u32(out, 8);
		buf_add_u64(out, (uint64_t)strtoll(value, NULL, 10));
	} else if (format == 1 && type == OID_INT4) {
		buf_add_u32(out, 4);
		buf_add_u32(out, (uint32_t)strtol(value, NULL, 10));
	} else if (format == 1 && type == OID_BOOL) {
		buf_add_u32(out, 1);
		buf_add_u8(out, value[0] == 't');
	} else if (format == 1 && type == OID_FLOAT8) {
		number = strtod(value, NULL);
		memcpy(&bits, &number, sizeof(bits));
		buf_add_u32(out, 8);
		buf_add_u64(out, bits);
	} else if (format == 1 && type == OID_TIMESTAMPTZ) {
		buf_add_u32(out, 8);
		buf_add_u64(out, read_time(value));
	} else {
		buf_add_u32(out, (uint32_t)strlen(value));
		buf_add_text(out, value);
	}
}

static void describe(const struct job *job, const struct local *local, struct buf *out)
{
	size_t begin;

	if (!job->column_count) {
		message_empty(out, 'n');
		return;
	}
	begin = message_row_description_begin(out, (uint16_t)job->column_count);
	for (size_t i = 0; i < job->column_count; i++)
		message_row_description_add(out, job->columns[i].name, job->columns[i].type, type_size(job->columns[i].type), -1,
					    (int16_t)format_of(local, i));
	frame_end(out, begin);
}

static void tell_failure(struct session *session, const struct job *job)
{
	const struct local *local = job->local;
	struct buf out;

	buf_init(&out, STARTUP_SIZE_MAX);
	message_error(&out, "ERROR", &job->err);
	session_write_buf(session, &out);
	buf_release(&out);
	session->failed = true;
	session->worker->counters.errors++;
	if (session->tx_status == 'T')
		session->tx_status = 'E';
	if (local->form == LOCAL_QUERY) {
		effects_ready(session, session->tx_status);
	} else {
		units_fail_server(session, false);
		session->skipping = true;
	}
}

static void tell(struct session *session, struct job *job)
{
	const struct local *local = job->local;
	size_t begin;
	struct buf out;

	buf_init(&out, LOCAL_OUT_MAX);
	if (local->form == LOCAL_DESCRIBE_STATEMENT) {
		begin = frame_begin(&out, 't');
		buf_add_u16(&out, (uint16_t)job->described_count);
		for (size_t i = 0; i < job->described_count; i++)
			buf_add_u32(&out, job->described_types[i]);
		frame_end(&out, begin);
	}
	if (local->form != LOCAL_EXECUTE)
		describe(job, local, &out);
	if (!job->describe_only) {
		for (size_t row = 0; row < job->row_count; row++) {
			begin = frame_begin(&out, 'D');
			buf_add_u16(&out, (uint16_t)job->column_count);
			for (size_t i = 0; i < job->column_count; i++)
				add_value(&out, job->columns[i].type, format_of(local, i), job->values[row * job->column_count + i]);
			frame_end(&out, begin);
		}
		message_complete(&out, job->tag);
	}
	if (out.failed) {
		err_set(&job->err, ERR_LIMIT, "the answer of the nanu schema has more than %d MB", LOCAL_OUT_MAX >> 20);
		buf_release(&out);
		tell_failure(session, job);
		return;
	}
	session_write_buf(session, &out);
	buf_release(&out);
	if (local->form == LOCAL_QUERY)
		effects_ready(session, session->tx_status);
}

/* What Bind and Execute asked for, and this answer cannot give. */
static int check_answer(struct job *job)
{
	const struct local *local = job->local;

	if (local->format_count > 1 && local->format_count != job->column_count)
		return err_set(&job->err, ERR_PROTOCOL, "bind message has %zu result formats but query has %zu columns", local->format_count,
			       job->column_count);
	if (local->row_max && job->row_count > local->row_max) {
		err_set(&job->err, ERR_UNSUPPORTED, "fetching an answer of the nanu schema in portions is not supported");
		err_hint(&job->err, "Fetch all rows at once (fetch size 0), or use LIMIT.");
		return ERR_UNSUPPORTED;
	}
	return 0;
}

void local_answered(struct session *session, struct job *job)
{
	if (job->kind == JOB_SECRET) {
		login_answered(session, job);
		return;
	}
	session->job_pending = false;
	if (job->kind == JOB_REFRESH || job->kind == JOB_DEFINED) {
		/* The statement that waits for it is planned anew with what is known now. */
		if (session->tx_status == 'I' && list_empty(&session->legs))
			legs_finish(session);
		else if (session->worker->snapshot != session->snapshot)
			session_renew(session);
		if (session->ready_owed) {
			session->ready_owed = false;
			effects_ready(session, session->tx_status);
		}
	} else if (job->rc < 0) {
		tell_failure(session, job);
	} else if (check_answer(job) < 0) {
		tell_failure(session, job);
	} else {
		tell(session, job);
	}
	session_resume(session);
}
