/* config_agents: where the nodes' agents are, and what they know each other by, as the configuration says it. */
#include <string.h>

#include "topo/config.h"

bool config_has_agent(const struct config *config, const char *node)
{
	for (unsigned i = 0; i < config->nodes_count; i++)
		if (strcmp(config->nodes[i].name, node) == 0)
			return config->nodes[i].agent;
	return false;
}

bool config_agent_tls(const struct config *config, struct tls_files *ret_files)
{
	*ret_files = (struct tls_files){
		.version_min = config->tls_version_min, .certificate = config->agent_tls_cert_file, .key = config->agent_tls_key_file,
		.roots = config->agent_tls_ca_file,
	};
	return config->agent_tls_cert_file;
}

static bool stays_here(const char *agent)
{
	char host[ADDRESS_HOST_SIZE];
	struct node_address address = { .size = 0 };

	if (address_split(agent, host, sizeof(host)))
		address = address_resolve(host, 0);
	return address_is_local(&address);
}

int config_check_agents(const struct config *config, struct err *err)
{
	for (unsigned i = 0; !config->agent_tls_cert_file && i < config->nodes_count; i++) {
		const struct config_node *node = &config->nodes[i];

		if (!node->agent || stays_here(node->agent))
			continue;
		err_set(err, ERR_CONFIG, "the agent of node \"%s\" is at %s, which is no address of this machine's own (127.0.0.1), and agents have no certificates",
			node->name, node->agent);
		err_hint(err, "To find each other on other machines, agents need agent_tls_cert_file, agent_tls_key_file and agent_tls_ca_file, which are read at the start.");
		return ERR_CONFIG;
	}
	return 0;
}
