#include <string.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "admin/explain.h"
#include "admin/params.h"
#include "admin/query.h"
#include "admin/running.h"
#include "admin/shard_table.h"
#include "catalog/catalog.h"
#include "session/job.h"

static const struct {
	const char *name;
	int (*run)(struct admin *admin, struct job *job, const struct call *call);
	bool changes;
	bool admins_only;
} functions[] = {
	{ "explain", admin_explain, false, false },
	{ "shard_table", admin_shard_table, true, false },      /* also the table's owner */
	{ "reload", admin_reload, true, true },
};

/* One text column, and parameters of type text. */
static void describe(struct job *job, const struct call *call)
{
	job->columns = arena_alloc(&job->arena, sizeof(*job->columns));
	job->columns[0] = (struct local_column){ call->column, OID_TEXT };
	job->column_count = 1;
	job->described_count = call->param_count > job->param_type_count ? call->param_count : job->param_type_count;
	job->described_types = arena_calloc(&job->arena, job->described_count + 1, sizeof(*job->described_types));
	for (size_t i = 0; i < job->described_count; i++)
		job->described_types[i] = i < job->param_type_count && job->param_types[i] ? job->param_types[i] : OID_TEXT;
}

static int refuse(struct job *job, const struct call *call)
{
	err_set(&job->err, ERR_PERMISSION, "permission denied for function nanu.%s", call->function);
	err_hint(&job->err, "Those whom admin_users names may call it.");
	return job->err.code;
}

int admin_answer(struct admin *admin, struct job *job)
{
	const char *const *params;
	struct call call;
	int rc = call_read(job->sql, NULL, 0, &job->arena, &call, &job->err);

	if (rc == 0)
		return admin_query(admin, job);
	if (rc > 0)
		rc = params_text(job, NULL, &params, &job->err);
	if (rc == 0)
		rc = call_read(job->sql, params, job->param_count, &job->arena, &call, &job->err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(functions[i].name, call.function) != 0)
			continue;
		if (functions[i].admins_only && !admin_is_admin(admin->config, job->user))
			return refuse(job, &call);
		if (functions[i].changes && !admin->may_change && !job->describe_only)
			return ADMIN_CHANGES;
		if (!job->describe_only)
			return functions[i].run(admin, job, &call);
		describe(job, &call);
		return 0;
	}
	return err_set(&job->err, ERR_UNDEFINED_FUNCTION, "function nanu.%s does not exist", call.function);
}
