#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "base/mem.h"

struct tls_context {
	unsigned refs;                  /* atomic */
	SSL_CTX *inner;                 /* unchanged from here on, and so without a lock */
};

/* OpenSSL's own words for what went wrong last. */
static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "unknown error";
}

/* Nobody is there to be asked for the passphrase of a key. */
static int no_passphrase(char *out, int size, int writing, void *argument)
{
	return 0;
}

/* As PostgreSQL's own check (postgresql.conf: ssl_key_file). */
static int check_key_file(const char *path, struct err *err)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return err_set(err, ERR_CONFIG, "cannot read private key file \"%s\": %m", path);
	if (status.st_mode & (status.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO)) {
		err_set(err, ERR_CONFIG, "private key file \"%s\" may be read by others", path);
		err_hint(err, "chmod 600, or 640 when it belongs to root.");
		return ERR_CONFIG;
	}
	return 0;
}

static int load_identity(SSL_CTX *inner, const struct tls_files *files, struct err *err)
{
	int rc;

	if (!files->certificate)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(inner, files->certificate) != 1)
		return err_set(err, ERR_CONFIG, "cannot load certificate file \"%s\": %s", files->certificate, reason());
	rc = check_key_file(files->key, err);
	if (rc < 0)
		return rc;
	if (SSL_CTX_use_PrivateKey_file(inner, files->key, SSL_FILETYPE_PEM) != 1)
		return err_set(err, ERR_CONFIG, "cannot load private key file \"%s\": %s", files->key, reason());
	if (SSL_CTX_check_private_key(inner) != 1)
		return err_set(err, ERR_CONFIG, "private key file \"%s\" does not belong to certificate file \"%s\"", files->key,
			       files->certificate);
	return 0;
}

static int load_roots(SSL_CTX *inner, const struct tls_files *files, struct err *err)
{
	STACK_OF(X509_NAME) *names;

	if (!files->roots)
		return 0;
	if (SSL_CTX_load_verify_locations(inner, files->roots, NULL) != 1)
		return err_set(err, ERR_CONFIG, "cannot load root certificate file \"%s\": %s", files->roots, reason());
	SSL_CTX_set_verify(inner, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, NULL);
	if (files->role == TLS_CLIENT)
		return 0;
	names = SSL_load_client_CA_file(files->roots);          /* told to clients, who may have several certificates */
	if (!names)
		return err_set(err, ERR_CONFIG, "cannot load root certificate file \"%s\": %s", files->roots, reason());
	SSL_CTX_set_client_CA_list(inner, names);
	return 0;
}

static int load(const struct tls_files *files, SSL_CTX **ret_inner, struct err *err)
{
	SSL_CTX *inner = SSL_CTX_new(files->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
	int rc;

	if (!inner)
		return err_set(err, ERR_NOMEM, "cannot set up TLS: %s", reason());
	ERR_clear_error();
	SSL_CTX_set_min_proto_version(inner, files->version_min == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(inner, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(inner, 0);
	SSL_CTX_set_session_cache_mode(inner, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(inner, SSL_MODE_RELEASE_BUFFERS);    /* an idle connection holds none */
	SSL_CTX_set_dh_auto(inner, 1);
	SSL_CTX_set_default_passwd_cb(inner, no_passphrase);
	rc = load_identity(inner, files, err);
	if (rc == 0)
		rc = load_roots(inner, files, err);
	if (rc < 0)
		SSL_CTX_free(inner);
	else
		*ret_inner = inner;
	return rc;
}

int tls_context_new(const struct tls_files *files, struct tls_context **ret_context, struct err *err)
{
	struct tls_context *context;
	SSL_CTX *inner = NULL;
	int rc = load(files, &inner, err);

	if (rc < 0)
		return rc;
	context = mem_calloc(1, sizeof(*context));
	context->refs = 1;
	context->inner = inner;
	*ret_context = context;
	return 0;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	if (context)
		__atomic_add_fetch(&context->refs, 1, __ATOMIC_RELAXED);
	return context;
}

void tls_context_unref(struct tls_context *context)
{
	if (!context || __atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	SSL_CTX_free(context->inner);
	mem_free(context);
}

struct ssl_st *tls_context_connection(struct tls_context *context)
{
	return SSL_new(context->inner);
}
