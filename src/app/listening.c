#include "app/listening.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "topo/config.h"

static bool is_every(const struct listening *where)
{
	return strcmp(where->host, "*") == 0;
}

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int listening_address(const struct listening *where, uint16_t port, struct addrinfo **ret_found, struct err *err)
{
	bool every = is_every(where);
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = every && has_ipv6() ? AF_INET6 : AF_UNSPEC,
	};
	char text[8];
	int rc;

	snprintf(text, sizeof(text), "%u", port);
	rc = getaddrinfo(every ? NULL : where->host, text, &hints, ret_found);
	return rc == 0 ? 0 : err_set(err, ERR_CONFIG, "%s \"%s\": %s", where->setting, where->host, gai_strerror(rc));
}

int listening_socket(const struct listening *where, const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, off = 0;
	bool both = address->ai_family == AF_INET6 && is_every(where);

	if (fd < 0 || (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		       (!both || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0)))
		return fd;
	close(fd);
	return -1;
}

bool listening_at(const struct addrinfo *address, int fd)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t size = sizeof(bound);

	return getsockname(fd, (struct sockaddr *)&bound, &size) == 0 && size == address->ai_addrlen && memcmp(&bound, address->ai_addr, size) == 0;
}

static int listen_for_http(const struct config *config, const struct listening *where, const struct addrinfo *address, struct err *err)
{
	int fd = listening_socket(where, address);

	if (fd >= 0 && bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	err_set(err, ERR_IO, "cannot listen for HTTP on %s:%u: %m", config->http_host, config->http_port);
	err_hint(err, "Choose another http_port, or leave it out.");
	if (fd >= 0)
		close(fd);
	return err->code;
}

int listening_http(const struct config *config, int *fd, struct err *err)
{
	struct listening where = { "http_host", config->http_host };
	int handed_over = *fd, rc = 0;
	struct addrinfo *wanted;

	*fd = -1;
	if (config->http_port) {
		rc = listening_address(&where, config->http_port, &wanted, err);
		if (rc == 0) {
			bool same = handed_over >= 0 && listening_at(wanted, handed_over);

			rc = same ? handed_over : listen_for_http(config, &where, wanted, err);
			freeaddrinfo(wanted);
		}
		if (rc >= 0)
			*fd = rc;
	}
	if (handed_over >= 0 && *fd != handed_over)
		close(handed_over);
	return rc < 0 ? rc : 0;
}
