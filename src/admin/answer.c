#include <string.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "admin/shard_table.h"
#include "catalog/catalog.h"
#include "session/job.h"

static const struct {
	const char *name;
	int (*run)(struct admin *admin, struct job *job, const struct call *call);
} functions[] = {
	{ "shard_table", admin_shard_table },
};

int admin_answer(struct admin *admin, struct job *job)
{
	struct call call;
	int rc = call_read(job->sql, job->params, job->param_count, &job->arena, &call, &job->err);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(&job->err, ERR_UNSUPPORTED, "tables");
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(functions[i].name, call.function) != 0)
			continue;
		if (!job->describe_only)
			return functions[i].run(admin, job, &call);
		job->columns = arena_alloc(&job->arena, sizeof(*job->columns));
		job->columns[0] = (struct local_column){ call.column, OID_TEXT };
		job->column_count = 1;
		return 0;
	}
	return err_set(&job->err, ERR_UNDEFINED_FUNCTION, "function nanu.%s does not exist", call.function);
}
