#include "session/job.h"

#include "base/mem.h"

struct job *job_new(enum job_kind kind, struct loop *loop, uint32_t session)
{
	struct job *job = mem_calloc(1, sizeof(*job));

	job->kind = kind;
	job->loop = loop;
	job->session = session;
	arena_init(&job->arena, 4096);
	return job;
}

void job_free(struct job *job)
{
	if (!job)
		return;
	arena_release(&job->arena);
	mem_free(job);
}
