/* exposition: a writer of Prometheus' text format, version 0.0.4: families of samples. Pure.
 *
 * What it writes goes to a buf, whose maximum holds. A name that is not UTF-8, which no reader of the format takes, is written with its odd bytes
 * as \xNN.
 * Source: Prometheus documentation, "Exposition formats", "Text-based format".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

struct label { const char *name, *value; };

/* name="value",… of the labels, the last of which has no name: escaped, in `arena`. "" when there are none. */
const char *exposition_labels(struct arena *arena, const struct label *labels);
#define LABELS(arena, ...) exposition_labels(arena, (const struct label[]){ __VA_ARGS__, { NULL, NULL } })

/* Begins a family; its samples follow it. */
void exposition_family(struct buf *out, const char *name, enum metric_type type, const char *help);

/* One sample. `labels` as exposition_labels() makes them; `more` are further ones, or NULL. */
void exposition_count(struct buf *out, const char *name, const char *labels, const char *more, uint64_t value);
void exposition_seconds(struct buf *out, const char *name, const char *labels, const char *more, uint64_t value_us);
