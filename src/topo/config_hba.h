/* config_hba: the rules of nanu.yaml by which clients are let in.
 *
 * Part of reading the configuration, whose arena keeps what is read.
 */
#pragma once

#include "base/err.h"

struct config;
struct hba_rule;
struct yaml_hba_entry;

/* Reads one rule; the settings of TLS are known by now. ERR_CONFIG with the reason, without the file's name. */
must_use int config_hba_read(const struct yaml_hba_entry *entry, struct config *config, struct hba_rule *ret_rule, struct err *err);

/* What `auth` means when there are no rules: everybody, from everywhere, by this method. */
void config_hba_default(struct config *config);
