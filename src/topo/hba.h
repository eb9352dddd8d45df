/* hba: who may log in from where and how he proves it: rules in order, the first that matches counts, as in PostgreSQL's pg_hba.conf.
 *
 * Pure. The rules belong to the configuration and live as long as it. Source: PostgreSQL 15 documentation, 21.1 "The pg_hba.conf File".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

enum hba_type { HBA_LOCAL, HBA_HOST, HBA_HOSTSSL, HBA_HOSTNOSSL };
enum auth_method { AUTH_TRUST, AUTH_PASSWORD, AUTH_SCRAM, AUTH_MD5, AUTH_REJECT, AUTH_CERT };
enum client_certificate { CLIENT_CERTIFICATE_NO, CLIENT_CERTIFICATE_CA, CLIENT_CERTIFICATE_FULL };

struct hba_network { int family; uint8_t bytes[16]; unsigned bits; };   /* AF_INET or AF_INET6; AF_UNSPEC: all of both */

struct hba_rule {
	enum hba_type type;
	char **databases, **users;      /* names; "all"; of databases also "sameuser", and "replication" for who replicates a whole server, which is
					 * not in "all" */
	unsigned databases_count, users_count;
	struct hba_network *networks;   /* of the client; not of HBA_LOCAL */
	unsigned networks_count;
	enum auth_method method;
	enum client_certificate client_certificate;     /* AUTH_CERT: FULL, which is: the certificate's common name is the user's */
};

struct hba_client {
	const struct sockaddr *address; /* AF_UNIX, AF_INET, AF_INET6 */
	bool tls, replication;          /* of a whole server: its database does not count */
	const char *database, *user;
};

extern const char *const hba_type_names[], *const hba_method_names[], *const hba_certificate_names[];   /* end with NULL */

/* "all", an address, or a network in CIDR form: "10.0.0.0/8", "2001:db8::/32". ERR_CONFIG, without the file's name. */
must_use int hba_network_read(const char *text, struct hba_network *ret_network, struct err *err);

/* The first rule that matches; NULL: none does. An IPv4 address within IPv6 (RFC 4291, 2.5.5.2) is an IPv4 address. */
const struct hba_rule *hba_match(const struct hba_rule *rules, unsigned count, const struct hba_client *client);
