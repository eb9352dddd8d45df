/* users: who may log in, and how nanu logs in for them on the nodes.
 *
 * Read from the users file (PgBouncer's form: "name" "password or SCRAM verifier", a line each); verifiers fetched from the nodes are
 * added while running. Shared by all threads.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "proto/scram.h"

struct users;

struct user_secret {
	bool known;
	bool has_password;
	char password[256];             /* zero-terminated; valid when has_password */
	struct scram_verifier verifier; /* given, or made from the password */
};

struct users *users_new(void);
void users_free(struct users *users);

/* Adds the file's users. ERR_CONFIG names file, line and reason; a name that stands there twice is one. */
must_use int users_read(struct users *users, const char *path, struct err *err);
/* `secret` is a password or a verifier ("SCRAM-SHA-256$…"). Replaces. An empty one is no password, as in PostgreSQL: the user is not known.
 * ERR_INVALID_VALUE for what is neither (md5…). */
must_use int users_set(struct users *users, const char *name, const char *secret, struct err *err);
/* Everybody in `users` is what everybody in `fresh` is, which is empty then. */
void users_replace(struct users *users, struct users *fresh);
/* A copy; ret->known is false when there is no such user. */
void users_get(struct users *users, const char *name, struct user_secret *ret);
