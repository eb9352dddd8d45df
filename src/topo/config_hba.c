/* config_hba: the rules of nanu.yaml by which clients are let in. */
#include "topo/config_hba.h"

#include <stdio.h>
#include <string.h>

#include "topo/config.h"
#include "topo/config_yaml.h"

/* The index of `text` among the names, or of `initial` when it is not given. ERR_CONFIG names them all. */
static int read_word(const char *what, const char *text, const char *const *names, int initial, struct err *err)
{
	char all[128] = "";

	if (!text && initial >= 0)
		return initial;
	for (int i = 0; names[i]; i++) {
		size_t used = strlen(all);

		if (text && strcmp(names[i], text) == 0)
			return i;
		snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", names[i]);
	}
	return err_set(err, ERR_CONFIG, "%s must be one of %s%s%s", what, all, text ? ", not " : "", text ? text : "");
}

/* A copy of the list, or "all" when it is not given. */
static char **read_names(struct arena *arena, char *const *given, unsigned given_count, unsigned *ret_count)
{
	unsigned count = given ? given_count : 1;
	char **names = arena_calloc(arena, count, sizeof(*names));

	for (unsigned i = 0; i < count; i++)
		names[i] = arena_strdup(arena, given ? given[i] : "all");
	*ret_count = count;
	return names;
}

static int check_names(char *const *names, unsigned count, const char *what, struct err *err)
{
	for (unsigned i = 0; i < count; i++)
		if (names[i][0] == '\0' || names[i][0] == '+' || names[i][0] == '/' || names[i][0] == '@')
			return err_set(err, ERR_CONFIG, "\"%s\" is no name of a %s; the router knows no roles' members, patterns or files here",
				       names[i], what);
	return 0;
}

static int check(const struct hba_rule *rule, const struct config *config, struct err *err)
{
	if (rule->type == HBA_HOSTSSL && config->client_tls == CLIENT_TLS_DISABLE)
		return err_set(err, ERR_CONFIG, "hostssl can match nobody, because client_tls is disable");
	if (rule->method == AUTH_CERT && rule->type != HBA_HOSTSSL)
		return err_set(err, ERR_CONFIG, "method cert needs type hostssl");
	if (rule->client_certificate != CLIENT_CERTIFICATE_NO && rule->type != HBA_HOSTSSL)
		return err_set(err, ERR_CONFIG, "clientcert needs type hostssl");
	if (rule->method == AUTH_CERT && rule->client_certificate != CLIENT_CERTIFICATE_FULL)
		return err_set(err, ERR_CONFIG, "method cert has clientcert verify-full and no other");
	if (rule->client_certificate != CLIENT_CERTIFICATE_NO && !config->client_tls_ca_file)
		return err_set(err, ERR_CONFIG, "clients' certificates need client_tls_ca_file");
	return 0;
}

int config_hba_read(const struct yaml_hba_entry *entry, struct config *config, struct hba_rule *rule, struct err *err)
{
	struct arena *arena = &config->arena;
	int type = read_word("type", entry->type, hba_type_names, HBA_HOST, err), method, certificate, rc;

	if (type < 0)
		return type;
	method = read_word("method", entry->method, hba_method_names, -1, err);
	if (method < 0)
		return method;
	certificate = read_word("clientcert", entry->clientcert, hba_certificate_names,
				method == AUTH_CERT ? CLIENT_CERTIFICATE_FULL : CLIENT_CERTIFICATE_NO, err);
	if (certificate < 0)
		return certificate;
	rule->type = (enum hba_type)type;
	rule->method = (enum auth_method)method;
	rule->client_certificate = (enum client_certificate)certificate;
	rule->databases = read_names(arena, entry->databases, entry->databases_count, &rule->databases_count);
	rule->users = read_names(arena, entry->users, entry->users_count, &rule->users_count);
	rc = check_names(rule->databases, rule->databases_count, "database", err);
	if (rc == 0)
		rc = check_names(rule->users, rule->users_count, "user", err);
	if (rc < 0)
		return rc;
	if (rule->type == HBA_LOCAL && entry->addresses)
		return err_set(err, ERR_CONFIG, "type local has no addresses");
	rule->networks_count = entry->addresses ? entry->addresses_count : 1;
	rule->networks = arena_calloc(arena, rule->networks_count, sizeof(*rule->networks));
	for (unsigned i = 0; i < rule->networks_count; i++) {
		rc = hba_network_read(entry->addresses ? entry->addresses[i] : "all", &rule->networks[i], err);
		if (rc < 0)
			return rc;
	}
	return check(rule, config, err);
}

void config_hba_default(struct config *config)
{
	static const enum hba_type types[] = { HBA_LOCAL, HBA_HOST };
	char *everything[] = { (char[]){ "all" }, (char[]){ "replication" } };
	struct arena *arena = &config->arena;

	config->hba_count = sizeof(types) / sizeof(types[0]);
	config->hba = arena_calloc(arena, config->hba_count, sizeof(*config->hba));
	for (unsigned i = 0; i < config->hba_count; i++) {
		struct hba_rule *rule = &config->hba[i];

		*rule = (struct hba_rule){ .type = types[i], .method = config->auth, .networks_count = 1 };
		rule->databases = read_names(arena, everything, 2, &rule->databases_count);
		rule->users = read_names(arena, NULL, 0, &rule->users_count);
		rule->networks = arena_calloc(arena, 1, sizeof(*rule->networks));      /* all of them */
	}
}
