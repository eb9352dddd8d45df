#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "admin/explain.h"
#include "admin/node.h"
#include "admin/params.h"
#include "admin/query.h"
#include "admin/replication.h"
#include "admin/running.h"
#include "admin/shard_table.h"
#include "catalog/catalog.h"
#include "session/job.h"

static const struct {
	const char *name;
	int (*run)(struct admin *admin, struct job *job, const struct call *call);
	enum admin_lane lane;
	bool admins_only;
	uint32_t type;
} functions[] = {
	{ "explain", admin_explain, ADMIN_ANSWERS, false, OID_TEXT },
	{ "shard_table", admin_shard_table, ADMIN_CHANGES, false, OID_TEXT },   /* also the table's owner */
	{ "add_node", admin_add_node, ADMIN_CHANGES, true, OID_TEXT },
	{ "remove_node", admin_remove_node, ADMIN_CHANGES, true, OID_TEXT },
	{ "set_replication", admin_set_replication, ADMIN_CHANGES, true, OID_TEXT },
	{ "reload", admin_reload, ADMIN_CHANGES, true, OID_TEXT },
	{ "forget_router", admin_forget_router, ADMIN_CHANGES, true, OID_TEXT },
	{ "restore_topology", admin_restore_topology, ADMIN_CHANGES, true, OID_TEXT },
	{ "pause", admin_pause, ADMIN_WAITS, true, OID_TEXT },
	{ "drain", admin_drain, ADMIN_WAITS, true, OID_TEXT },
	{ "resume", admin_resume, ADMIN_ANSWERS, true, OID_TEXT },
	{ "disable", admin_disable, ADMIN_ANSWERS, true, OID_TEXT },
	{ "enable", admin_enable, ADMIN_ANSWERS, true, OID_TEXT },
	{ "terminate_session", admin_terminate_session, ADMIN_ANSWERS, true, OID_BOOL },
	{ "cancel_session", admin_cancel_session, ADMIN_ANSWERS, true, OID_BOOL },
};

/* One column, and parameters of type text. */
static void describe(struct job *job, const struct call *call, uint32_t type)
{
	job->columns = arena_alloc(&job->arena, sizeof(*job->columns));
	job->columns[0] = (struct local_column){ call->column, type };
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

static int no_function(struct job *job, const struct call *call)
{
	char hint[384];
	size_t used = (size_t)snprintf(hint, sizeof(hint), "The functions of nanu are ");

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]) && used < sizeof(hint); i++)
		used += (size_t)snprintf(hint + used, sizeof(hint) - used, "%s%s", i ? ", " : "", functions[i].name);
	err_set(&job->err, ERR_UNDEFINED_FUNCTION, "function nanu.%s does not exist", call->function);
	err_hint(&job->err, "%s.", hint);
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
		if (functions[i].lane != ADMIN_ANSWERS && admin->lane != functions[i].lane && !job->describe_only)
			return (int)functions[i].lane;
		if (!job->describe_only)
			return functions[i].run(admin, job, &call);
		describe(job, &call, functions[i].type);
		return 0;
	}
	return no_function(job, &call);
}
