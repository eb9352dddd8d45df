#include "net/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

struct node_address address_resolve(const char *host, uint16_t port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
	struct node_address result = { .size = 0 };
	char service[8];

	if (host[0] == '/') {
		struct sockaddr_un *address = (struct sockaddr_un *)&result.address;
		int size = snprintf(address->sun_path, sizeof(address->sun_path), "%s/.s.PGSQL.%u", host, port);

		address->sun_family = AF_UNIX;
		if (size > 0 && (size_t)size < sizeof(address->sun_path))
			result.size = sizeof(*address);
		return result;
	}
	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return result;
	memcpy(&result.address, found->ai_addr, found->ai_addrlen);
	result.size = found->ai_addrlen;
	freeaddrinfo(found);
	return result;
}

const char *address_split(const char *text, char *host, size_t host_size)
{
	const char *colon = strrchr(text, ':'), *begin = text, *end = colon;

	if (!colon || !colon[1])
		return NULL;
	if (*text == '[' && end[-1] == ']')
		begin++, end--;
	else if (memchr(text, ':', (size_t)(colon - text)))
		return NULL;
	if (begin >= end || (size_t)(end - begin) >= host_size)
		return NULL;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	return colon + 1;
}

bool address_is_local(const struct node_address *address)
{
	const struct sockaddr *any = (const struct sockaddr *)&address->address;

	if (address->size > 0 && any->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)any)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (address->size > 0 && any->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)any)->sin6_addr);
	return address->size > 0 && any->sa_family == AF_UNIX;
}
