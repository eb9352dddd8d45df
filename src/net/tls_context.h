/* tls_context: what TLS connections of one side are made from: certificate, key, trusted roots, oldest version.
 *
 * It reads its files when it is made and again in tls_context_reload(); connections keep what they began with. Shared by all threads.
 * Renegotiation, compression and session tickets are off, as in PostgreSQL; ciphers are OpenSSL's own choice.
 */
#pragma once

#include "base/err.h"

struct ssl_st;
struct tls_context;

enum tls_role { TLS_SERVER, TLS_CLIENT };
enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

struct tls_files {                      /* paths of PEM files; they must outlive the context */
	enum tls_role role;
	enum tls_version version_min;
	const char *certificate, *key;  /* with the intermediate certificates behind it; both or, for a client, neither (NULL) */
	const char *roots;              /* NULL: the peer's certificate is not looked at. A server then takes clients without one, too */
};

/* ERR_CONFIG names the file and what is wrong with it; a key that others than its owner (or root's group) may read is refused. */
must_use int tls_context_new(const struct tls_files *files, struct tls_context **ret_context, struct err *err);
void tls_context_free(struct tls_context *context);             /* connections that were made from it live on; NULL is allowed */

/* Reads the files again, for connections from now on. On failure (as tls_context_new()) everything stays as it was. */
must_use int tls_context_reload(struct tls_context *context, struct err *err);

/* For tls.c: OpenSSL's object for one more connection; SSL_free() it. NULL without memory. */
struct ssl_st *tls_context_connection(struct tls_context *context);
