/* settings: the table of every plain setting of nanu.yaml: name, unit, range, default, and where in struct config it goes.
 *
 * The reader of the file, `nanu.settings` and the help text all walk this table. Constant.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct config;
struct override;

enum setting_kind { SETTING_COUNT, SETTING_COUNT_OR_OFF, SETTING_PORT, SETTING_SWITCH, SETTING_CHOICE, SETTING_WORD, SETTING_TEXT, SETTING_PATH };

enum { OF_DATABASE = 1, OF_USER = 2, OF_BOTH = OF_DATABASE | OF_USER };

struct setting {
	const char *name;
	const char *unit;               /* "" when it has none */
	const char *description;
	enum setting_kind kind;
	size_t offset;                  /* of its member in struct config */
	const char *initial;            /* the default, as it would be written; NULL: none */
	unsigned min, max;              /* SETTING_COUNT */
	const char *const *choices;     /* SETTING_CHOICE: the enum's values in order; SETTING_WORD: what is allowed. Ends with NULL */
	unsigned overrides;             /* where it may be given otherwise: OF_DATABASE, OF_USER; it is a member of struct policy then */
	bool restart;                   /* a change takes effect at the next start, not at a reload */
	bool secret;                    /* its value is not shown */
};

extern const struct setting settings[];
extern const size_t setting_count;

/* What the values of these settings are called; libpq's names, too. */
extern const char *const node_tls_names[], *const channel_binding_names[], *const tls_version_names[];

/* Reads `text` into the setting's member of `config`; strings and paths are copied into its arena, paths resolved against the folder of
 * config->path. ERR_CONFIG with the reason, without the file's name. */
must_use int setting_read(const struct setting *setting, const char *text, struct config *config, struct err *err);

/* The same into an override of struct policy, for a setting that has `overrides`. */
must_use int setting_override(const struct setting *setting, const char *text, struct override *ret_override, struct err *err);

/* A whole number without sign, unit or leading base prefix: setting_read() for other places of the file. */
must_use int setting_number(const char *name, const char *text, unsigned min, unsigned max, unsigned *ret_value, struct err *err);

/* The name in `names` (ends with NULL) that `text` was probably meant to be; NULL when nothing is near. */
const char *setting_nearest(const char *text, const char *const *names);
