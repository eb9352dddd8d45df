/* config_tls: what TLS connections are made from, as the configuration says it. */
#include <string.h>

#include "topo/config.h"

int config_open_tls(struct config *config, struct err *err)
{
	const struct tls_files client = {
		.role = TLS_SERVER, .version_min = config->tls_version_min, .certificate = config->client_tls_cert_file,
		.key = config->client_tls_key_file, .roots = config->client_tls_ca_file,
	};
	const struct tls_files node = {
		.role = TLS_CLIENT, .version_min = config->tls_version_min, .certificate = config->node_tls_cert_file,
		.key = config->node_tls_key_file, .roots = config->node_tls_ca_file,
	};
	int rc = 0;

	if (config->client_tls != CLIENT_TLS_DISABLE)
		rc = tls_context_new(&client, &config->client_tls_context, err);
	if (rc == 0 && config->node_tls != NODE_TLS_DISABLE)
		rc = tls_context_new(&node, &config->node_tls_context, err);
	return rc;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool config_same_node_tls(const struct config *a, const struct config *b)
{
	return a->node_tls == b->node_tls && a->node_channel_binding == b->node_channel_binding && a->tls_version_min == b->tls_version_min &&
	       same(a->node_tls_ca_file, b->node_tls_ca_file) && same(a->node_tls_cert_file, b->node_tls_cert_file) &&
	       same(a->node_tls_key_file, b->node_tls_key_file);
}
