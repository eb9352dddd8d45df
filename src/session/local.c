/* local: statements that the router answers itself, and fresh catalogs: both by a job of the control plane. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "session/session.h"
#include "session/units.h"

enum { LOCAL_OUT_MAX = 256 << 20 };

struct local {                          /* what the answer is for; travels in the job's arena */
	enum local_form form;
	size_t format_count;
	uint16_t formats[64];
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

int local_start(struct session *session, struct slice sql, const struct bind *bind, enum local_form form, struct err *err)
{
	struct local *local;
	struct cursor cursor;
	struct job *job;

	if (session->answer_count) {
		units_flush(session);
		return 0;
	}
	job = job_new(JOB_LOCAL, session->worker->loop, session->number);
	job->sql = arena_strndup(&job->arena, sql.data, sql.size);
	job->describe_only = form == LOCAL_DESCRIBE_STATEMENT || form == LOCAL_DESCRIBE_PORTAL;
	job->local = local = arena_calloc(&job->arena, 1, sizeof(*local));
	local->form = form;
	if (bind) {
		job->param_count = bind->param_count;
		job->params = arena_calloc(&job->arena, (size_t)bind->param_count + 1, sizeof(*job->params));
		for (int i = 0; i < bind->param_count; i++) {
			struct slice value;
			int format = 0;

			if (!bind_param(bind, i + 1, &value, &format))
				continue;
			if (format != 0) {
				job_free(job);
				return err_set(err, ERR_UNSUPPORTED, "the nanu schema takes parameters in text format only");
			}
			job->params[i] = arena_strndup(&job->arena, value.data, value.size);
		}
		cursor = cursor_of(bind->result_formats);
		local->format_count = cursor_u16(&cursor);
		if (local->format_count > 64)
			local->format_count = 64;
		for (size_t i = 0; i < local->format_count; i++)
			local->formats[i] = cursor_u16(&cursor);
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

static void tell(struct session *session, const struct job *job)
{
	const struct local *local = job->local;
	size_t begin;
	struct buf out;

	buf_init(&out, LOCAL_OUT_MAX);
	if (local->form == LOCAL_DESCRIBE_STATEMENT) {
		begin = frame_begin(&out, 't');
		buf_add_u16(&out, (uint16_t)job->param_count);
		for (size_t i = 0; i < job->param_count; i++)
			buf_add_u32(&out, OID_TEXT);
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
	session_write_buf(session, &out);
	buf_release(&out);
	if (local->form == LOCAL_QUERY)
		effects_ready(session, session->tx_status);
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
	if (local->form == LOCAL_QUERY)
		effects_ready(session, session->tx_status);
	else
		session->skipping = true;
}

void local_answered(struct session *session, struct job *job)
{
	if (job->kind == JOB_SECRET) {
		login_answered(session, job);
		return;
	}
	session->job_pending = false;
	if (job->kind == JOB_REFRESH) {
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
	} else {
		tell(session, job);
	}
	session_resume(session);
}
