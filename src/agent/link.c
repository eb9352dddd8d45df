#include "agent/link.h"

#include <stdio.h>

#include "base/limits.h"
#include "net/tls.h"
#include "topo/config.h"

enum { URL_SIZE = 512 };

struct link_files link_files(const struct config *config)
{
	return (struct link_files){ config->agent_tls_cert_file, config->agent_tls_key_file, config->agent_tls_ca_file };
}

int link_check(const struct link_files *files, struct err *err)
{
	const struct tls_files known = { .role = TLS_SERVER, .version_min = TLS_VERSION_1_2, .certificate = files->cert, .key = files->key, .roots = files->ca };
	struct tls_context *context;
	int rc = files->cert ? tls_context_new(&known, &context, err) : 0;

	if (rc == 0 && files->cert)
		tls_context_unref(context);
	return rc;
}

CURL *link_new(const struct link_files *files, const char *agent, const char *path, unsigned timeout_ms)
{
	CURL *curl = curl_easy_init();
	char url[URL_SIZE];

	snprintf(url, sizeof(url), "%s://%s%s", files->cert ? "https" : "http", agent, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, files->cert ? "https" : "http");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	if (files->cert) {
		curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
		curl_easy_setopt(curl, CURLOPT_SSLCERT, files->cert);
		curl_easy_setopt(curl, CURLOPT_SSLKEY, files->key);
		curl_easy_setopt(curl, CURLOPT_CAINFO, files->ca);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	}
	return curl;
}

bool link_is_distrust(CURLcode result)
{
	switch (result) {
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_HTTP_RETURNED_ERROR:
		return true;
	default:
		return false;
	}
}
