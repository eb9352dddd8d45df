/* config_peers: the other routers behind the same address, as the setting "peers" names them: "2=10.0.0.2:6432, 3=[2001:db8::3]:6432". */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topo/config.h"

static bool read_number(const char *text, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	*ret = (unsigned)number;
	return *text >= '0' && *text <= '9' && !*end && number > 0 && number <= max;
}

static bool read_address(char *host, unsigned port, struct node_address *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->address;
	size_t size = strlen(host);

	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		ret->size = sizeof(*in);
		return true;
	}
	if (size < 2 || host[0] != '[' || host[size - 1] != ']')
		return false;
	host[size - 1] = '\0';
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	ret->size = sizeof(*in6);
	return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1;
}

static bool read_peer(char *text, struct config_peer *ret)
{
	char *host = strchr(text, '='), *port = strrchr(text, ':');
	unsigned port_number;

	if (!host || !port || port < host)
		return false;
	*host++ = *port++ = '\0';
	return read_number(text, ROUTER_ID_MAX, &ret->id) && read_number(port, UINT16_MAX, &port_number) && read_address(host, port_number, &ret->address);
}

int config_read_peers(struct config *config, struct err *err)
{
	char *rest = config->peers ? arena_strdup(&config->arena, config->peers) : NULL;

	for (char *text = rest ? strsep(&rest, ",") : NULL; text; text = strsep(&rest, ",")) {
		struct config_peer *peer = &config->peer_list[config->peer_count];
		char given[128];

		text += strspn(text, " ");
		text[strcspn(text, " ")] = '\0';
		snprintf(given, sizeof(given), "%s", text);
		*peer = (struct config_peer){ 0 };
		if (!read_peer(text, peer))
			return err_set(err, ERR_CONFIG, "\"%s\" is no peer: its router_id (1 to %d), \"=\", its address (no name), \":\", its port",
				       given, ROUTER_ID_MAX);
		for (unsigned i = 0; i < config->peer_count; i++)
			if (config->peer_list[i].id == peer->id)
				return err_set(err, ERR_CONFIG, "two peers have router_id %u", peer->id);
		config->peer_count += peer->id != config->router_id;    /* all routers may have one list */
	}
	if (config->peer_count && !config->router_id)
		return err_set(err, ERR_CONFIG, "peers need a router_id for this router too");
	return 0;
}
