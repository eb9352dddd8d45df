/* merge_group: the group that is being combined: its first row, and each aggregate over its partial rows.
 *
 * A finished group becomes a row of the same layout as the shards' rows: final values both in the visible columns and in the hidden ones,
 * so that sorting and sending need not know that it was ever combined.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "route/merge_row.h"

struct merge_group;

/* `types` are those of the shards' columns. On return *final_types (shard_column_count of them, the caller's array) are those of a finished
 * group's row: AVG turns its column numeric. ERR_UNSUPPORTED when an aggregate of such a type cannot be combined. */
must_use int merge_group_new(const struct merge_spec *spec, const uint32_t *types, uint32_t *final_types,
			     struct merge_group **ret_group, struct err *err);
void merge_group_free(struct merge_group *group, size_t *held_bytes);

bool merge_group_open(const struct merge_group *group);                         /* it has rows */
const struct merge_row *merge_group_first(const struct merge_group *group);     /* of an open group */

/* Takes the row, also when it fails. ERR_PROTOCOL for a malformed value. */
must_use int merge_group_add(struct merge_group *group, struct merge_row *row, size_t *held_bytes, struct err *err);

/* Ends the group and makes its row; a group without rows gives the row of empty input. ERR_OUT_OF_RANGE when a sum leaves its type. */
must_use int merge_group_finish(struct merge_group *group, size_t *held_bytes, struct merge_row **ret_row, struct err *err);
