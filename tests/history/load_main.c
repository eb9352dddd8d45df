/* Clients of every consistency level before routers, and the verdict on what they were told, as JSON in the last line.
 *
 *	load '{"routers": ["host=…", …], "primaries": [5432, …], "levels": ["strong", …], "clients": 12, "counters": 8, "max_staleness_ms": 100,
 *	       "durable": false, "operations": 20000, "seed": 1, "settle_s": 20}'
 *
 * `clients` and `operations` (values that are read or written) are of each level; load.h has what is said in between. The tables have the rows 0 to (clients x levels + counters - 1).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "verdict.h"

enum { PRIMARIES_MAX = 16 };

static void read_options(json_t *text, struct load_options *options, uint16_t primaries[PRIMARIES_MAX], size_t *ret_primary_count)
{
	json_t *routers, *ports, *levels;
	json_int_t operations, seed;
	int clients, counters, staleness, durable, settle;
	json_error_t error;

	if (json_unpack_ex(text, &error, 0, "{s:o, s:o, s:o, s:i, s:i, s:i, s:b, s:I, s:I, s:i}", "routers", &routers, "primaries", &ports, "levels", &levels,
			   "clients", &clients, "counters", &counters, "max_staleness_ms", &staleness, "durable", &durable, "operations", &operations,
			   "seed", &seed, "settle_s", &settle) < 0) {
		fprintf(stderr, "load: %s\n", error.text);
		exit(2);
	}
	*options = (struct load_options){ .clients_per_level = (unsigned)clients, .counters = (uint16_t)counters, .max_staleness_ms = (unsigned)staleness,
		.durable = durable, .operations = (uint64_t)operations, .seed = (uint64_t)seed, .settle_s_max = (unsigned)settle };
	for (size_t i = 0; i < json_array_size(routers) && i < ROUTERS_MAX; i++)
		options->routers[options->router_count++] = json_string_value(json_array_get(routers, i));
	for (size_t i = 0; i < json_array_size(ports) && i < PRIMARIES_MAX; i++)
		primaries[(*ret_primary_count)++] = (uint16_t)json_integer_value(json_array_get(ports, i));
	for (size_t i = 0; i < json_array_size(levels); i++)
		for (int level = 0; level < LEVEL_COUNT; level++)
			options->levels[level] |= strcmp(level_names[level], json_string_value(json_array_get(levels, i))) == 0;
}

static json_t *level_object(const struct level_verdict *verdict, uint64_t unsettled)
{
	json_t *shown = json_array();

	for (uint64_t i = 0; i < verdict->violations && i < SHOWN_MAX; i++)
		json_array_append_new(shown, json_string(verdict->shown[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "statements", (json_int_t)verdict->statements, "reads", (json_int_t)verdict->reads,
			 "replica_reads", (json_int_t)verdict->replica_reads, "writes", (json_int_t)verdict->writes, "violations",
			 (json_int_t)verdict->violations, "unsettled", (json_int_t)unsettled, "shown", shown);
}

static void print_verdict(const struct load *load, const struct verdict *verdict)
{
	json_t *levels = json_object(), *failures = json_array(), *all;

	for (int i = 0; i < LEVEL_COUNT; i++)
		if (load->options->levels[i])
			json_object_set_new(levels, level_names[i], level_object(&verdict->levels[i], load->unsettled[i]));
	for (size_t i = 0; i < load->failure_count; i++) {
		const struct failure *failure = &load->failures[i];

		json_array_append_new(failures, json_pack("{s:s, s:b, s:I, s:s}", "state", failure->state, "in_block", failure->in_block, "count",
							  (json_int_t)failure->count, "first", failure->first));
	}
	all = json_pack("{s:o, s:o, s:f, s:I, s:I}", "levels", levels, "failures", failures, "seconds", load->loading_s, "events",
			(json_int_t)load->history.event_count, "sessions", (json_int_t)load->history.session_count);
	json_dumpf(all, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(all);
}

int main(int argc, char **argv)
{
	uint16_t primaries[PRIMARIES_MAX];
	size_t primary_count = 0;
	struct load_options options;
	struct verdict *verdict = malloc(sizeof(*verdict));
	json_t *text = argc == 2 ? json_loads(argv[1], 0, NULL) : NULL;
	struct load load;

	if (!text || !verdict) {
		fprintf(stderr, "usage: load JSON\n");
		return 2;
	}
	read_options(text, &options, primaries, &primary_count);
	load_run(&load, &options);
	verdict_find(&load.history, primaries, primary_count, verdict);
	print_verdict(&load, verdict);
	load_release(&load);
	json_decref(text);
	free(verdict);
	return 0;
}
