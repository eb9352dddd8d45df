/* link: how an agent is reached, by other agents and by routers: HTTP, under mutual TLS where it leaves the machine.
 *
 * Both sides show a certificate of agent_tls_cert_file, and believe one that comes from agent_tls_ca_file alone, and not from the system's roots; who asks
 * also wants it to be made out for the host that he asked. Without these settings links are plain, and config.c lets no agent be elsewhere than on loopback.
 */
#pragma once

#include <curl/curl.h>

#include "base/err.h"

struct config;

struct link_files { const char *cert, *key, *ca; };     /* PEM files; NULL, all: there is no TLS */

struct link_files link_files(const struct config *config);
/* Whether they can be read and fit together. ERR_CONFIG. */
must_use int link_check(const struct link_files *files, struct err *err);
/* Asks the agent at HOST:PORT by POST; the caller sets what is sent, and who gets the answer. curl_easy_cleanup() it. */
CURL *link_new(const struct link_files *files, const char *agent, const char *path, unsigned timeout_ms);
/* Whether that is about certificates, and not an agent that is just not there. */
bool link_is_distrust(CURLcode result);
