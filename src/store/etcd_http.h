/* etcd_http: one POST of JSON to one URL by libcurl, and the answer, whole or line by line as it comes.
 *
 * Owns the connections that are kept for the next request, and what TLS needs. Blocks until the answer is there, or a limit of time is over, or, for a
 * stream, somebody says that it is enough. Used by several threads at once; each request has a connection of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct etcd_http;

enum etcd_http_end {
	ETCD_HTTP_ANSWERED,             /* `status` and `answer` have it; of a stream: it ended */
	ETCD_HTTP_NOT_SENT,             /* nothing has reached the member; `failure` says why */
	ETCD_HTTP_LOST,                 /* it may have: there was no answer, or none in time, or half of one */
	ETCD_HTTP_STOPPED,              /* of a stream: line() said so, or its time was over, or etcd_http_interrupt() */
};

struct etcd_http_request {
	const char *url, *body;
	const char *token;              /* of a login; NULL: none */
	uint64_t until_ms;              /* by store_now_ms(): for the answer; of a stream: for its first line */

	bool (*line)(void *argument, struct slice line);        /* a stream: each line as it comes; false: it is enough. NULL: not a stream */
	void *argument;
	uint64_t stream_until_ms;

	long status;                    /* HTTP's; 0: none came */
	struct buf answer;              /* whole; of a stream: the line that is not over yet. buf_release() it */
	char failure[256];
};

/* Paths of PEM files, or NULL. ERR_CONFIG when libcurl cannot be had. */
must_use int etcd_http_new(const char *ca_file, const char *cert_file, const char *key_file, struct etcd_http **ret_http, struct err *err);
void etcd_http_free(struct etcd_http *http);
enum etcd_http_end etcd_http_post(struct etcd_http *http, struct etcd_http_request *request);
void etcd_http_interrupt(struct etcd_http *http);       /* streams end, now and from now on */
bool etcd_http_interrupted(const struct etcd_http *http);
