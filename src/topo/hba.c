#include "topo/hba.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

const char *const hba_type_names[] = {
	[HBA_LOCAL] = "local", [HBA_HOST] = "host", [HBA_HOSTSSL] = "hostssl", [HBA_HOSTNOSSL] = "hostnossl", NULL
};
const char *const hba_method_names[] = {
	[AUTH_TRUST] = "trust", [AUTH_PASSWORD] = "password", [AUTH_SCRAM] = "scram-sha-256", [AUTH_MD5] = "md5",
	[AUTH_REJECT] = "reject", [AUTH_CERT] = "cert", NULL
};
const char *const hba_certificate_names[] = {
	[CLIENT_CERTIFICATE_NO] = "no-verify", [CLIENT_CERTIFICATE_CA] = "verify-ca", [CLIENT_CERTIFICATE_FULL] = "verify-full", NULL
};

/* Whether every bit behind the first `bits` is zero. */
static bool rest_is_zero(const uint8_t *bytes, unsigned size, unsigned bits)
{
	for (unsigned bit = bits; bit < size * 8; bit++)
		if (bytes[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	return true;
}

int hba_network_read(const char *text, struct hba_network *ret_network, struct err *err)
{
	const char *slash = strchr(text, '/');
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	unsigned bytes;

	*ret_network = (struct hba_network){ .family = AF_UNSPEC };
	if (strcmp(text, "all") == 0)
		return 0;
	snprintf(address, sizeof(address), "%.*s", (int)(size < sizeof(address) ? size : 0), text);
	if (inet_pton(AF_INET, address, ret_network->bytes) == 1)
		ret_network->family = AF_INET;
	else if (inet_pton(AF_INET6, address, ret_network->bytes) == 1)
		ret_network->family = AF_INET6;
	else
		return err_set(err, ERR_CONFIG, "\"%s\" is no network: all, an address, or a network like 10.0.0.0/8", text);
	bytes = ret_network->family == AF_INET ? 4 : 16;
	ret_network->bits = bytes * 8;
	if (slash) {
		size_t digits = strspn(slash + 1, "0123456789");

		if (digits == 0 || digits > 3 || slash[1 + digits] || sscanf(slash + 1, "%u", &ret_network->bits) != 1 ||
		    ret_network->bits > bytes * 8)
			return err_set(err, ERR_CONFIG, "\"%s\": behind the \"/\" stands a number of bits from 0 to %u", text, bytes * 8);
	}
	if (!rest_is_zero(ret_network->bytes, bytes, ret_network->bits))
		return err_set(err, ERR_CONFIG, "\"%s\": the address has bits that are not in its first %u", text, ret_network->bits);
	return 0;
}

static bool in_network(const struct hba_network *network, const struct sockaddr *address)
{
	const uint8_t *bytes;
	unsigned whole = network->bits / 8, left = network->bits % 8;
	int family = address->sa_family;

	if (network->family == AF_UNSPEC)
		return true;
	if (family == AF_INET) {
		bytes = (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
	} else {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

		bytes = in6->s6_addr;
		if (IN6_IS_ADDR_V4MAPPED(in6)) {
			bytes += 12;
			family = AF_INET;
		}
	}
	if (family != network->family || memcmp(bytes, network->bytes, whole) != 0)
		return false;
	return left == 0 || (bytes[whole] ^ network->bytes[whole]) >> (8 - left) == 0;
}

static bool has_network(const struct hba_rule *rule, const struct sockaddr *address)
{
	for (unsigned i = 0; i < rule->networks_count; i++)
		if (in_network(&rule->networks[i], address))
			return true;
	return false;
}

static bool has_type(enum hba_type type, const struct hba_client *client)
{
	bool local = client->address->sa_family != AF_INET && client->address->sa_family != AF_INET6;

	switch (type) {
	case HBA_LOCAL:
		return local;
	case HBA_HOST:
		return !local;
	case HBA_HOSTSSL:
		return !local && client->tls;
	case HBA_HOSTNOSSL:
		return !local && !client->tls;
	}
	return false;
}

static bool has_name(char *const *names, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(names[i], "all") == 0 || strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool is_replication(const char *name)
{
	return strcmp(name, "replication") == 0;
}

static bool has_database(const struct hba_rule *rule, const struct hba_client *client)
{
	for (unsigned i = 0; client->replication && i < rule->databases_count; i++)
		if (is_replication(rule->databases[i]))
			return true;
	if (client->replication)
		return false;
	for (unsigned i = 0; i < rule->databases_count; i++)
		if (strcmp(rule->databases[i], "sameuser") == 0 && strcmp(client->user, client->database) == 0)
			return true;
	for (unsigned i = 0; i < rule->databases_count; i++)
		if (!is_replication(rule->databases[i]) && has_name(&rule->databases[i], 1, client->database))
			return true;
	return false;
}

const struct hba_rule *hba_match(const struct hba_rule *rules, unsigned count, const struct hba_client *client)
{
	for (unsigned i = 0; i < count; i++) {
		const struct hba_rule *rule = &rules[i];

		if (has_type(rule->type, client) && (rule->type == HBA_LOCAL || has_network(rule, client->address)) && has_database(rule, client) &&
		    has_name(rule->users, rule->users_count, client->user))
			return rule;
	}
	return NULL;
}
