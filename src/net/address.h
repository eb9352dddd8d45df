/* address: where a node listens, resolved to what connect(2) takes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDRESS_HOST_SIZE = 256 };        /* room for a host's name or address */

struct node_address {
	struct sockaddr_storage address;
	socklen_t size;                 /* 0: the name could not be resolved */
};

/* `host` is an address, a name (getaddrinfo(3): blocks), or the directory of a unix socket, which begins with '/'. */
struct node_address address_resolve(const char *host, uint16_t port);
/* "HOST:PORT", or "[IPv6 address]:PORT": the host without brackets goes to `host`. Returns the port's text; NULL: it is neither. */
const char *address_split(const char *text, char *host, size_t host_size);
/* Of this machine, to whoever calls it so: a socket's, 127.0.0.0/8, or ::1. */
bool address_is_local(const struct node_address *address);
