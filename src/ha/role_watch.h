/* role_watch: what was found last of each shard's primary (ha/roles.h), for whoever shows it. Written by one thread, read by any. */
#pragma once

#include <stdbool.h>

#include "ha/roles.h"

struct role_watch;

struct role_watch *role_watch_new(void);
void role_watch_free(struct role_watch *watch);         /* NULL is allowed */
/* Returns whether that is news. */
bool role_watch_found(struct role_watch *watch, const char *shard, enum role_verdict verdict, const char *reason);
/* ROLES_DISPUTED and ROLES_LEADERLESS with their reason; else the shard is as it should be. */
enum role_verdict role_watch_read(struct role_watch *watch, const char *shard, char ret_reason[ROLE_REASON_SIZE]);
