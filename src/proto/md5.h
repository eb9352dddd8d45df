/* md5: PostgreSQL's md5 authentication, for users whose node still keeps such a hash.
 *
 * Pure. Source: PostgreSQL 15 documentation, 55.2.1 "Start-up", AuthenticationMD5Password: "md5" and the hexadecimal
 * md5(md5(password || user) || salt), where "md5" and the inner one are what pg_authid keeps.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum { MD5_TEXT_SIZE = 36, MD5_SALT_SIZE = 4 };         /* "md5", 32 digits, the zero */

bool md5_is_hash(struct slice text);                    /* has the form in which pg_authid keeps one */
/* ERR_UNSUPPORTED when OpenSSL refuses MD5 (FIPS mode). */
must_use int md5_hash(struct slice password, struct slice user, char ret_hash[MD5_TEXT_SIZE], struct err *err);
/* What a client answers that has `hash`. ERR_UNSUPPORTED. */
must_use int md5_answer(const char hash[MD5_TEXT_SIZE], const uint8_t salt[MD5_SALT_SIZE], char ret_answer[MD5_TEXT_SIZE], struct err *err);
