#include "agent/link.h"

#include <stdio.h>

#include "base/buf.h"
#include "net/mutual_tls.h"
#include "topo/config.h"

enum { URL_SIZE = 512 };

int link_tls(const struct config *config, struct mutual_tls **ret_tls, struct err *err)
{
	struct tls_files files;

	*ret_tls = NULL;
	return config_agent_tls(config, &files) ? mutual_tls_new(&files, ret_tls, err) : 0;
}

/* libcurl takes another count than it gave for a failure. */
static size_t keep_answer(char *data, size_t size, size_t count, void *argument)
{
	struct buf *answer = argument;

	buf_add(answer, data, size * count);
	return answer->failed ? 0 : size * count;
}

CURL *link_new(const struct mutual_tls *tls, const char *agent, const char *path, unsigned timeout_ms, struct buf *answer)
{
	CURL *curl = curl_easy_init();
	char url[URL_SIZE];

	snprintf(url, sizeof(url), "%s://%s%s", tls ? "https" : "http", agent, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (tls)
		mutual_tls_ask(tls, curl);
	return curl;
}
