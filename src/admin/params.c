#include "admin/params.h"

#include "admin/cell.h"
#include "session/job.h"

static uint32_t type_of(const struct job *job, const uint32_t *types, size_t index)
{
	if (index < job->param_type_count && job->param_types[index])
		return job->param_types[index];
	return types && index < job->described_count ? types[index] : 0;
}

int params_text(struct job *job, const uint32_t *types, const char *const **ret_texts, struct err *err)
{
	const char **texts = arena_calloc(&job->arena, job->param_count + 1, sizeof(*texts));

	for (size_t i = 0; i < job->param_count; i++) {
		const struct local_param *param = &job->params[i];
		int rc = 0;

		if (!param->bytes.data)
			continue;
		if (param->format == 1)
			rc = cell_from_binary(type_of(job, types, i), param->bytes, &job->arena, &texts[i], err);
		else
			rc = cell_from_binary(0, param->bytes, &job->arena, &texts[i], err);   /* any text is */
		if (rc < 0)
			return rc;
	}
	*ret_texts = texts;
	return 0;
}
