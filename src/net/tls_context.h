/* tls_context: what TLS connections of one side are made from: certificate, key, trusted roots, oldest version.
 *
 * It reads its files when it is made, and never again: a reload makes a new one, and connections keep what they began with. Shared by all
 * threads by reference count.
 * Renegotiation, compression and session tickets are off, as in PostgreSQL; ciphers are OpenSSL's own choice.
 */
#pragma once

#include "base/err.h"

struct ssl_st;
struct tls_context;

enum tls_role { TLS_SERVER, TLS_CLIENT };
enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

struct tls_files {                      /* paths of PEM files */
	enum tls_role role;
	enum tls_version version_min;
	const char *certificate, *key;  /* with the intermediate certificates behind it; both or, for a client, neither (NULL) */
	const char *roots;              /* NULL: the peer's certificate is not looked at. A server then takes clients without one, too */
};

/* ERR_CONFIG names the file and what is wrong with it; a key that others than its owner (or root's group) may read is refused. */
must_use int tls_context_new(const struct tls_files *files, struct tls_context **ret_context, struct err *err);
/* NULL is allowed. Connections that were made from it live on after the last reference. */
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/* For tls.c: OpenSSL's object for one more connection; SSL_free() it. NULL without memory. */
struct ssl_st *tls_context_connection(struct tls_context *context);
