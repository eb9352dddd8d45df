/* mutual_tls: HTTP between the programs of one cluster, where both sides show a certificate of the same authority: whoever has none is not heard.
 *
 * libcurl asks, libmicrohttpd answers, and both are told here what they need for it. Any certificate of the authority stands for a member of the cluster;
 * that of who answers must be made out for the name or address at which he was asked. Nothing is ever said plainly instead.
 * The files are read once, when it is made: renewed ones take effect at the program's next start. Unchanged from then on; for all threads. It must outlive
 * the handles and daemons that were told of it.
 */
#pragma once

#include <curl/curl.h>
#include <microhttpd.h>
#include <stdbool.h>

#include "base/err.h"
#include "net/tls_context.h"

struct mutual_tls;

/* All three files; the role does not count. ERR_CONFIG as tls_context_new(); ERR_LIMIT: one is larger than such files are. */
must_use int mutual_tls_new(const struct tls_files *files, struct mutual_tls **ret_tls, struct err *err);
void mutual_tls_free(struct mutual_tls *tls);           /* NULL is allowed */

/* The handle takes https:// URLs only from here on, and believes nobody but who has such a certificate. */
void mutual_tls_ask(const struct mutual_tls *tls, CURL *curl);

enum { MUTUAL_TLS_OPTIONS = 6 };
/* For MHD_start_daemon() with MHD_USE_TLS, as its MHD_OPTION_ARRAY. MHD_OPTION_NOTIFY_CONNECTION is among them. */
void mutual_tls_answer(const struct mutual_tls *tls, struct MHD_OptionItem ret_options[MUTUAL_TLS_OPTIONS]);
/* To be asked before a request is looked at. Without a certificate no connection comes about; this finds one that has expired since, too. */
bool mutual_tls_knows(struct MHD_Connection *connection);
