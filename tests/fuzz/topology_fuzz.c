/* Whatever the store holds, reading it crashes nothing; and what is read once is read again the same from its own text. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "topo/topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_strndup((const char *)data, size), *first, *second;
	struct topology *topology, *again;

	if (topology_from_json(text, &topology, NULL) == 0) {
		first = topology_to_json(topology);
		if (topology_from_json(first, &again, NULL) < 0)
			abort();
		second = topology_to_json(again);
		if (strcmp(first, second) != 0)
			abort();
		mem_free(first);
		mem_free(second);
		topology_unref(topology);
		topology_unref(again);
	}
	mem_free(text);
	return 0;
}
