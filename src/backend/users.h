/* users: who may log in, and how nanu logs in for them on the nodes.
 *
 * Read from the users file (PgBouncer's form: "name" "password, SCRAM verifier or md5 hash", a line each). What auth_query finds on the nodes
 * is added while running, believed for a time, and kept of USERS_FETCHED_MAX users at most; so are the keys that a user's own SCRAM login yields.
 * Secrets are wiped when they are freed; whoever takes a copy wipes it. Shared by all threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/md5.h"
#include "proto/scram.h"

struct store;
struct users;

struct user_secret {
	bool known;
	bool has_password, has_verifier, has_client_key;
	bool has_md5;
	bool fetched;                   /* from a node */
	bool stale;                     /* fetched too long ago to let a client in by: it should be fetched again */
	char password[256];             /* zero-terminated; valid when has_password */
	char md5[MD5_TEXT_SIZE];        /* given as such; a password's is made when it is needed */
	struct scram_verifier verifier; /* given, or made from the password */
	uint8_t client_key[SCRAM_KEY_SIZE];     /* of that verifier: with it nanu can log in where the same verifier is */
};

struct users *users_new(void);
/* Takes the seed of salts (users_mock()) from the store, where the first router has put it, so that a restart changes none and every router
 * has the same. Before users are read; without it the seed is this process's own. ERR_IO. */
must_use int users_seed(struct users *users, struct store *store, struct err *err);
/* A key of SCRAM_KEY_SIZE bytes that every router of this store has; another one for each purpose and name. */
void users_key(const struct users *users, const char *purpose, const char *name, uint8_t ret_key[SCRAM_KEY_SIZE]);
struct users *users_new_like(const struct users *other);        /* nobody, with the same seed */
void users_free(struct users *users);

/* Adds the file's users. ERR_CONFIG names file, line and reason; a name that stands there twice is one. */
must_use int users_read(struct users *users, const char *path, struct err *err);
/* `secret` is a password, a verifier ("SCRAM-SHA-256$…") or a hash ("md5…"). Replaces. An empty one is no password, as in PostgreSQL: the user
 * is not known. ERR_INVALID_VALUE for what is none of them. */
must_use int users_set(struct users *users, const char *name, const char *secret, struct err *err);
/* The same for what a node said, good for `fresh_ms_max`; NULL: there is no such user. A user of the users file stays as he is. */
must_use int users_set_fetched(struct users *users, const char *name, const char *secret, unsigned fresh_ms_max, struct err *err);
/* Everybody in `users` is what everybody in `fresh` is, which is empty then; both have the same seed. Whoever was fetched is to be fetched anew
 * before he is let in, but is kept for the sessions that he has. The keys of logins stay with the verifiers that stay. */
void users_replace(struct users *users, struct users *fresh);
/* A copy; ret->known is false when there is no such user. */
void users_get(struct users *users, const char *name, struct user_secret *ret);
void user_secret_wipe(struct user_secret *secret);

/* The user has proven to know the password of this verifier, if it still is his. */
void users_learn(struct users *users, const char *name, const struct scram_keys *keys);
/* A login failed: what was fetched may have changed on the node since. */
void users_doubt(struct users *users, const char *name);

/* A verifier that nobody can satisfy, always the same for one name, so that nothing tells such users from others (as PostgreSQL's mock
 * authentication). */
void users_mock(struct users *users, const char *name, struct scram_verifier *ret_verifier);
