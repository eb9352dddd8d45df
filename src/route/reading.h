/* reading: which statements a replica can serve as the primary would: told from the shape and the catalog, never from keywords. Inside of route/. */
#pragma once

#include <stdbool.h>

#include "route/plan.h"

struct resolver;

/* Of `shape`, whose tables `resolver` has; of EXECUTE, of its arguments. `there`: of who wants to know of it that it is a replica that he asks. */
enum reading reading_of(const struct resolver *resolver, const struct shape *shape, bool there);

/* COPY … TO STDOUT: it reads as its query, or a SELECT from its table, does. */
bool reading_copies(const struct shape *shape);

/* It takes what others, or the session itself later, are to find where they look: an advisory lock, a cursor WITH HOLD. */
bool reading_holds(const struct shape *shape);


/* It changes and reads nothing but the session's own state: BEGIN, SET. */
bool reading_is_of_session(const struct shape *shape);

/* It may depend on what is there when it runs. */
bool reading_looks(const struct shape *shape);
