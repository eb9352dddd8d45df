#include "admin/running.h"

#include <string.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "catalog/catalog.h"
#include "session/job.h"
#include "topo/config.h"

bool admin_is_admin(const struct config *config, const char *user)
{
	const char *at = config->admin_users;

	while (*at) {
		size_t size = strcspn(at, ", ");

		if (size && strlen(user) == size && memcmp(at, user, size) == 0)
			return true;
		at += size;
		at += strspn(at, ", ");
	}
	return false;
}

/* One row of one text. */
static int say(struct job *job, const struct call *call, const char *text)
{
	job->columns = arena_alloc(&job->arena, sizeof(*job->columns));
	job->columns[0] = (struct local_column){ call->column, OID_TEXT };
	job->column_count = job->row_count = 1;
	job->values = arena_alloc(&job->arena, sizeof(*job->values));
	job->values[0] = text;
	job->tag = "SELECT 1";
	return 0;
}

int admin_reload(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { NULL };
	int rc = call_check(call, names, &job->err);

	if (rc == 0)
		rc = admin->reload(admin->program, &job->err);
	return rc < 0 ? rc : say(job, call, "the configuration was read anew");
}
