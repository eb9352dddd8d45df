/* params: the parameters of a statement on the nanu schema, as text, whatever format they came in. */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct job;

/* The texts of $1, … (NULL: NULL) in the job's arena. `types` (described_count OIDs of the job, or NULL) say what undeclared ones are.
 * ERR_INVALID_TEXT, ERR_UNSUPPORTED. */
must_use int params_text(struct job *job, const uint32_t *types, const char *const **ret_texts, struct err *err);
