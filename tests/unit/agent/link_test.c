#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <microhttpd.h>

#include "agent/link.h"
#include "base/buf.h"

enum { ROOM = 20000 };                  /* more than one of libcurl's calls brings */

static size_t answer_size;              /* atomic */

static enum MHD_Result handle(void *argument, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *data,
			      size_t *size, void **place)
{
	static char bytes[ROOM + 1];
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)argument, (void)url, (void)method, (void)version, (void)data;
	if (!*place || *size) {
		*place = bytes;
		*size = 0;
		return MHD_YES;
	}
	memset(bytes, 'a', sizeof(bytes));
	response = MHD_create_response_from_buffer(__atomic_load_n(&answer_size, __ATOMIC_ACQUIRE), bytes, MHD_RESPMEM_PERSISTENT);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static void an_answer_is_added_as_long_as_there_is_room(void **state)
{
	static const struct { size_t size; CURLcode code; } cases[] = { { 0, CURLE_OK }, { ROOM, CURLE_OK }, { ROOM + 1, CURLE_WRITE_ERROR }, { 5, CURLE_OK } };
	struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, NULL, MHD_OPTION_END);
	char agent[64];
	struct buf answer;
	CURL *curl;

	(void)state;
	assert_non_null(daemon);
	snprintf(agent, sizeof(agent), "127.0.0.1:%u", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	buf_init(&answer, ROOM);
	curl = link_new(NULL, agent, "/member", 10000, &answer);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "{}");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		__atomic_store_n(&answer_size, cases[i].size, __ATOMIC_RELEASE);
		buf_clear(&answer);
		assert_int_equal(curl_easy_perform(curl), cases[i].code);
		if (cases[i].code == CURLE_OK)
			assert_int_equal(answer.size, cases[i].size);
	}
	curl_easy_cleanup(curl);
	buf_release(&answer);
	MHD_stop_daemon(daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_added_as_long_as_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
