/* tls: TLS on a stream, as a filter between its socket and its owner, by OpenSSL.
 *
 * OpenSSL reads straight from what the socket brought and writes straight into the stream's blocks. What the owner writes in one turn goes
 * out in as few records as it fits in: small pieces are collected in one block until the end of the turn. The handshake needs nothing of
 * the owner: what it writes meanwhile waits (at most TLS_EARLY_SIZE_MAX), and nothing is received before the peer has proven what the
 * context asks of it. Failure is the stream's `ended` with EPROTO; tls_problem() has the words. Its stream's thread; freed with it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct stream;
struct tls_context;

enum { TLS_EARLY_SIZE_MAX = 8 << 10, TLS_END_POINT_SIZE_MAX = 64, TLS_NAME_SIZE = 256 };

/* From here on everything on the stream is TLS; what is queued already goes out before. ERR_NOMEM. */
must_use int tls_accept(struct stream *stream, struct tls_context *context, struct err *err);
/* `host`: the name or address for which the peer's certificate must be made out (RFC 6125), or NULL: any; also told to the peer when it is a
 * name (RFC 6066 SNI), which is `server_name`. */
must_use int tls_connect(struct stream *stream, struct tls_context *context, const char *server_name, const char *host, struct err *err);

bool tls_is_on(const struct stream *stream);
const char *tls_problem(const struct stream *stream);           /* why it failed; NULL: it did not, or there is no TLS */

/* Whether the peer showed a certificate that its roots vouch for; then its subject's common name, which has no zero within: else "". */
bool tls_peer_certificate(const struct stream *stream, char ret_name[TLS_NAME_SIZE]);

/* The channel binding tls-server-end-point (RFC 5929, section 4): the hash of the server's certificate, at most TLS_END_POINT_SIZE_MAX
 * bytes. Returns its size; 0: the certificate's signature names no hash (Ed25519), or there is no TLS. */
size_t tls_end_point(const struct stream *stream, uint8_t ret_hash[TLS_END_POINT_SIZE_MAX]);
