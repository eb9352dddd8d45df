/* login: what a session knows of its client until the first ReadyForQuery. The inside of login.c and authenticate.c.
 *
 *   STARTUP ──▶ SECRET (a node is asked for the verifier) ──▶ PASSWORD, or SASL_FIRST ──▶ SASL_FINAL ──▶ BACKEND
 *      └──────────────┴───────────── trust, cert ──────────────────────────────────────────────────────────▲
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/users.h"
#include "base/err.h"
#include "proto/scram.h"
#include "topo/hba.h"

struct backend;
struct message;
struct session;

enum login_step { LOGIN_STARTUP, LOGIN_SECRET, LOGIN_PASSWORD, LOGIN_SASL_FIRST, LOGIN_SASL_FINAL, LOGIN_BACKEND };

struct login {
	enum login_step step;
	bool ssl_done, gss_done;        /* was asked for, and answered */
	enum auth_method method;        /* of the rule for this client; a reload may take the rule itself away */
	struct user_secret secret;
	bool asked_nodes;
	bool md5;                       /* PASSWORD: the answer is an md5 hash, not the password */
	uint8_t md5_salt[MD5_SALT_SIZE];
	struct scram_server scram;
};

/* authenticate.c: finds the rule for this client and asks it for what the rule wants; authenticate_message() takes the answers, and
 * login_authenticated() is called when they are right. ERR_AUTH, ERR_AUTH_SPEC, ERR_PROTOCOL. */
must_use int authenticate_start(struct session *session, struct err *err);
must_use int authenticate_message(struct session *session, const struct message *message, struct err *err);
must_use int authenticate_fetched(struct session *session, struct err *err);    /* a node was asked for the verifier */

/* login.c */
void login_authenticated(struct session *session);
void login_replicates(struct session *session, struct backend *backend);        /* what it has been waiting for is open */
