/* listening: where clients connect to. "*" is IPv6's unspecified address, to which IPv4 clients come as well (RFC 3493, 3.7); without IPv6 in the
 * kernel it is IPv4's.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct addrinfo;
struct config;

/* listen_host with this port; the caller frees it with freeaddrinfo(). ERR_CONFIG. */
must_use int listening_address(const struct config *config, uint16_t port, struct addrinfo **ret_found, struct err *err);
/* A socket that can be bound to such an address; -1 with errno. */
int listening_socket(const struct config *config, const struct addrinfo *address);
