/* listening: where clients, and those who ask over HTTP, connect to. "*" is IPv6's unspecified address, to which IPv4 clients come as well (RFC 3493, 3.7); without IPv6 in the
 * kernel it is IPv4's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct addrinfo;
struct config;

struct listening { const char *setting, *host; };       /* the setting that names the host, for errors */

/* The host with this port; the caller frees it with freeaddrinfo(). ERR_CONFIG. */
must_use int listening_address(const struct listening *where, uint16_t port, struct addrinfo **ret_found, struct err *err);
/* A socket that can be bound to such an address; -1 with errno. */
int listening_socket(const struct listening *where, const struct addrinfo *address);
/* Whether the socket `fd` is bound to it. */
bool listening_at(const struct addrinfo *address, int fd);

/* The socket for HTTP. *fd: the one that another process handed over, or -1; it is taken when it is where the configuration says, and closed when
 * not. -1 without http_port. ERR_CONFIG, ERR_IO. */
must_use int listening_http(const struct config *config, int *fd, struct err *err);
