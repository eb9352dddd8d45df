/* link: how an agent is reached, by other agents and by routers: HTTP, under mutual TLS (net/mutual_tls.h) where it may leave the machine. */
#pragma once

#include <curl/curl.h>

#include "base/err.h"

struct config;
struct mutual_tls;

/* As the configuration says it; NULL: links are plain. ERR_CONFIG. */
must_use int link_tls(const struct config *config, struct mutual_tls **ret_tls, struct err *err);
/* Asks the agent at HOST:PORT by POST; the caller sets what is sent, and who gets the answer. curl_easy_cleanup() it. `tls` outlives it. */
CURL *link_new(const struct mutual_tls *tls, const char *agent, const char *path, unsigned timeout_ms);
