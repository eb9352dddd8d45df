#include "app/listening.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "topo/config.h"

static bool is_every(const struct config *config)
{
	return strcmp(config->listen_host, "*") == 0;
}

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int listening_address(const struct config *config, uint16_t port, struct addrinfo **ret_found, struct err *err)
{
	bool every = is_every(config);
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = every && has_ipv6() ? AF_INET6 : AF_UNSPEC,
	};
	char text[8];
	int rc;

	snprintf(text, sizeof(text), "%u", port);
	rc = getaddrinfo(every ? NULL : config->listen_host, text, &hints, ret_found);
	return rc == 0 ? 0 : err_set(err, ERR_CONFIG, "listen_host \"%s\": %s", config->listen_host, gai_strerror(rc));
}

int listening_socket(const struct config *config, const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, off = 0;
	bool both = address->ai_family == AF_INET6 && is_every(config);

	if (fd < 0 || (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		       (!both || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0)))
		return fd;
	close(fd);
	return -1;
}
