#include "net/mutual_tls.h"

#include <gnutls/gnutls.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

enum { PEM_SIZE_MAX = 1 << 20 };

struct mutual_tls {
	enum tls_version version_min;
	char *certificate, *key, *roots;        /* the texts of the files */
};

/* ---- the files ---- */

/* OpenSSL, which says best what is wrong with a file, looks at them first. */
static int check(const struct tls_files *files, struct err *err)
{
	struct tls_files all = *files;
	struct tls_context *context;
	int rc;

	all.role = TLS_SERVER;
	rc = tls_context_new(&all, &context, err);
	if (rc == 0)
		tls_context_unref(context);
	return rc;
}

int mutual_tls_new(const struct tls_files *files, struct mutual_tls **ret_tls, struct err *err)
{
	struct mutual_tls *tls = mem_calloc(1, sizeof(*tls));
	int rc = check(files, err);

	tls->version_min = files->version_min;
	if (rc == 0)
		rc = file_read(files->certificate, PEM_SIZE_MAX, &tls->certificate, NULL, err);
	if (rc == 0)
		rc = file_read(files->key, PEM_SIZE_MAX, &tls->key, NULL, err);
	if (rc == 0)
		rc = file_read(files->roots, PEM_SIZE_MAX, &tls->roots, NULL, err);
	if (rc < 0)
		mutual_tls_free(tls);
	else
		*ret_tls = tls;
	return rc;
}

void mutual_tls_free(struct mutual_tls *tls)
{
	if (!tls)
		return;
	mem_free(tls->certificate);
	mem_free(tls->key);
	mem_free(tls->roots);
	mem_free(tls);
}

/* ---- asking ---- */

static struct curl_blob blob(char *text)
{
	return (struct curl_blob){ .data = text, .len = strlen(text), .flags = CURL_BLOB_NOCOPY };
}

void mutual_tls_ask(const struct mutual_tls *tls, CURL *curl)
{
	struct curl_blob certificate = blob(tls->certificate), key = blob(tls->key), roots = blob(tls->roots);

	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)(tls->version_min == TLS_VERSION_1_3 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2));
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &roots);
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);           /* these roots and no others */
	curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &certificate);
	curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
}

/* ---- answering ---- */

/* GNUTLS_CERT_…; 0: the certificate of the one at the other end is valid now, and comes from the authority. */
static unsigned faults(gnutls_session_t session)
{
	unsigned found = 0;

	return gnutls_certificate_verify_peers2(session, &found) == 0 ? found : GNUTLS_CERT_INVALID;
}

/* GnuTLS' gnutls_certificate_verify_function: the handshake goes on after 0 only. The alert tells the one at the other end why it does not. */
static int verify(gnutls_session_t session)
{
	unsigned found = faults(session);

	if (!found)
		return 0;
	gnutls_alert_send(session, GNUTLS_AL_FATAL, found & GNUTLS_CERT_EXPIRED ? GNUTLS_A_CERTIFICATE_EXPIRED : GNUTLS_A_UNKNOWN_CA);
	return GNUTLS_E_CERTIFICATE_ERROR;
}

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info ? info->tls_session : NULL;
}

/* libmicrohttpd by itself only requests a certificate, and would take a client without one, or with anybody's. */
static void connection_changed(void *argument, struct MHD_Connection *connection, void **place, enum MHD_ConnectionNotificationCode code)
{
	gnutls_session_t session = code == MHD_CONNECTION_NOTIFY_STARTED ? session_of(connection) : NULL;

	(void)argument, (void)place;
	if (!session)
		return;
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_function(session, verify);
}

void mutual_tls_answer(const struct mutual_tls *tls, struct MHD_OptionItem ret_options[MUTUAL_TLS_OPTIONS])
{
	static char v1_2[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", v1_3[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3";
	const struct MHD_OptionItem options[MUTUAL_TLS_OPTIONS] = {
		{ .option = MHD_OPTION_HTTPS_MEM_CERT, .ptr_value = tls->certificate },
		{ .option = MHD_OPTION_HTTPS_MEM_KEY, .ptr_value = tls->key },
		{ .option = MHD_OPTION_HTTPS_MEM_TRUST, .ptr_value = tls->roots },
		{ .option = MHD_OPTION_HTTPS_PRIORITIES, .ptr_value = tls->version_min == TLS_VERSION_1_3 ? v1_3 : v1_2 },
		{ .option = MHD_OPTION_NOTIFY_CONNECTION, .value = (intptr_t)connection_changed },
		{ .option = MHD_OPTION_END },
	};

	memcpy(ret_options, options, sizeof(options));
}

bool mutual_tls_knows(struct MHD_Connection *connection)
{
	gnutls_session_t session = session_of(connection);

	return session && !faults(session);
}
