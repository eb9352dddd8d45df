/* link: how an agent is reached, by other agents and by routers: HTTP, under mutual TLS (net/mutual_tls.h) where it may leave the machine. */
#pragma once

#include <curl/curl.h>

#include "base/err.h"

struct buf;
struct config;
struct mutual_tls;

/* As the configuration says it; NULL: links are plain. ERR_CONFIG. */
must_use int link_tls(const struct config *config, struct mutual_tls **ret_tls, struct err *err);
/* Asks the agent at HOST:PORT by POST; the caller sets what is sent. What is answered is added to `answer`, and an answer that it has no room for is a
 * failure (CURLE_WRITE_ERROR). curl_easy_cleanup() it. `tls` and `answer` outlive it. */
CURL *link_new(const struct mutual_tls *tls, const char *agent, const char *path, unsigned timeout_ms, struct buf *answer);
