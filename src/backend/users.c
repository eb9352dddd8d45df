#include "backend/users.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/env.h"
#include "store/store.h"

enum { SALT_SIZE = 16, SEED_SIZE = 32, DOUBT_US_MIN = 1000000, UNKNOWN_MS_MAX = 1000 };

struct user {
	struct user_secret secret;
	struct list_node place;         /* fetched: in users->fetched or users->unknown */
	char *name;
	uint64_t fetched_us, fresh_until_us;
};

struct users {
	pthread_mutex_t lock;
	struct map by_name;             /* name -> struct user, owned */
	struct list fetched, unknown;   /* what nodes said; oldest first. Two, so that guessed names push no known ones out */
	uint8_t seed[SEED_SIZE];        /* what salts are derived from */
};

static uint64_t now_us(void)
{
	return env_system()->now_us(env_system()->world);
}

struct users *users_new(void)
{
	struct users *users = mem_calloc(1, sizeof(*users));

	pthread_mutex_init(&users->lock, NULL);
	list_init(&users->fetched);
	list_init(&users->unknown);
	env_system()->random(env_system()->world, users->seed, sizeof(users->seed));
	return users;
}

struct users *users_new_like(const struct users *other)
{
	struct users *users = users_new();

	memcpy(users->seed, other->seed, sizeof(users->seed));
	return users;
}

static void user_free(struct user *user)
{
	if (!user)
		return;
	user_secret_wipe(&user->secret);
	mem_free(user->name);
	mem_free(user);
}

static void release_all(struct map *by_name)
{
	size_t position = 0;
	struct slice name;
	void *user;

	while (map_next(by_name, &position, &name, &user))
		user_free(user);
	map_release(by_name);
}

void users_free(struct users *users)
{
	if (!users)
		return;
	release_all(&users->by_name);
	pthread_mutex_destroy(&users->lock);
	explicit_bzero(users->seed, sizeof(users->seed));
	mem_free(users);
}

void user_secret_wipe(struct user_secret *secret)
{
	explicit_bzero(secret, sizeof(*secret));
}

/* ---- what is derived from the seed ---- */

static bool read_seed(struct users *users, const char *text)
{
	size_t size;

	return text && OPENSSL_hexstr2buf_ex(users->seed, SEED_SIZE, &size, text, '\0') && size == SEED_SIZE;
}

int users_seed(struct users *users, struct store *store, struct err *err)
{
	char text[2 * SEED_SIZE + 1];
	struct store_entry entry;
	uint64_t revision;
	int rc;

	OPENSSL_buf2hexstr_ex(text, sizeof(text), NULL, users->seed, SEED_SIZE, '\0');
	rc = store_swap(store, STORE_KEY_SEED, 0, text, &revision, err);
	if (rc != ERR_CONFLICT)
		return rc;
	rc = store_get(store, STORE_KEY_SEED, &entry, err);
	if (rc == 0 && !read_seed(users, entry.value))
		rc = err_set(err, ERR_IO, "the store's \"%s\" is damaged", STORE_KEY_SEED);
	mem_free(entry.value);
	return rc;
}

static void derive(const struct users *users, const char *purpose, const char *name, uint8_t out[EVP_MAX_MD_SIZE])
{
	char text[512];
	int size = snprintf(text, sizeof(text), "%s %s", purpose, name);
	unsigned out_size;

	HMAC(EVP_sha256(), users->seed, SEED_SIZE, (const unsigned char *)text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1, out,
	     &out_size);
}

void users_key(const struct users *users, const char *purpose, const char *name, uint8_t ret_key[SCRAM_KEY_SIZE])
{
	uint8_t derived[EVP_MAX_MD_SIZE];

	derive(users, purpose, name, derived);
	memcpy(ret_key, derived, SCRAM_KEY_SIZE);
	explicit_bzero(derived, sizeof(derived));
}

void users_mock(struct users *users, const char *name, struct scram_verifier *ret_verifier)
{
	uint8_t bytes[EVP_MAX_MD_SIZE];

	*ret_verifier = (struct scram_verifier){ .iterations = SCRAM_ITERATIONS, .salt_size = SALT_SIZE };
	derive(users, "salt", name, bytes);
	memcpy(ret_verifier->salt, bytes, SALT_SIZE);
	derive(users, "stored key", name, bytes);
	memcpy(ret_verifier->stored_key, bytes, SCRAM_KEY_SIZE);
	derive(users, "server key", name, bytes);
	memcpy(ret_verifier->server_key, bytes, SCRAM_KEY_SIZE);
}

/* ---- secrets ---- */

static int read_secret(const struct users *users, const char *name, const char *secret, struct user_secret *ret, struct err *err)
{
	uint8_t salt[EVP_MAX_MD_SIZE];

	*ret = (struct user_secret){ .known = secret[0] != '\0' };
	if (strlen(secret) >= sizeof(ret->password))
		return err_set(err, ERR_INVALID_VALUE, "user \"%s\": the secret is too long", name);
	if (strncmp(secret, "SCRAM-SHA-256$", 14) == 0) {
		ret->has_verifier = true;
		return scram_verifier_read(slice_of(secret), &ret->verifier, err);
	}
	ret->has_md5 = md5_is_hash(slice_of(secret));
	ret->has_password = ret->known && !ret->has_md5;
	if (ret->has_md5)
		memcpy(ret->md5, secret, sizeof(ret->md5));
	if (ret->has_password) {
		ret->has_verifier = true;
		memcpy(ret->password, secret, strlen(secret));
		derive(users, "salt", name, salt);
		scram_verifier_make(slice_of(secret), salt, SALT_SIZE, SCRAM_ITERATIONS, &ret->verifier);
	}
	return 0;
}

static bool same_verifier(const struct scram_verifier *a, const struct scram_verifier *b)
{
	return a->iterations == b->iterations && a->salt_size == b->salt_size && memcmp(a->salt, b->salt, a->salt_size) == 0 &&
	       CRYPTO_memcmp(a->stored_key, b->stored_key, SCRAM_KEY_SIZE) == 0 &&
	       CRYPTO_memcmp(a->server_key, b->server_key, SCRAM_KEY_SIZE) == 0;
}

/* The keys of a login are good for as long as the verifier is the same. */
static void keep_client_key(const struct user_secret *old, struct user_secret *fresh)
{
	if (!old->has_client_key || !fresh->has_verifier || !same_verifier(&old->verifier, &fresh->verifier))
		return;
	fresh->has_client_key = true;
	memcpy(fresh->client_key, old->client_key, SCRAM_KEY_SIZE);
}

static struct list *list_of(struct users *users, const struct user_secret *secret)
{
	return secret->known ? &users->fetched : &users->unknown;
}

/* Under the lock. */
static struct user *find(struct users *users, const char *name)
{
	return map_get(&users->by_name, slice_of(name));
}

static void drop(struct users *users, struct user *user)
{
	if (!user)
		return;
	if (list_node_linked(&user->place))
		list_remove(list_of(users, &user->secret), &user->place);
	map_remove(&users->by_name, slice_of(user->name));
	user_free(user);
}

static struct user *add(struct users *users, const char *name, const struct user_secret *secret)
{
	struct user *user = mem_calloc(1, sizeof(*user));

	drop(users, find(users, name));
	user->name = mem_strdup(name);
	user->secret = *secret;
	map_set(&users->by_name, slice_of(name), user);
	return user;
}

int users_set(struct users *users, const char *name, const char *secret, struct err *err)
{
	struct user_secret fresh;
	int rc = read_secret(users, name, secret, &fresh, err);

	if (rc == 0) {
		pthread_mutex_lock(&users->lock);
		add(users, name, &fresh);
		pthread_mutex_unlock(&users->lock);
	}
	user_secret_wipe(&fresh);
	return rc;
}

int users_set_fetched(struct users *users, const char *name, const char *secret, unsigned fresh_ms_max, struct err *err)
{
	struct user_secret fresh;
	const struct user *old;
	struct user *user;
	int rc = read_secret(users, name, secret ? secret : "", &fresh, err);

	if (rc < 0) {
		user_secret_wipe(&fresh);
		return rc;
	}
	fresh.fetched = true;
	pthread_mutex_lock(&users->lock);
	old = find(users, name);
	if (!old || old->secret.fetched) {
		if (old)
			keep_client_key(&old->secret, &fresh);
		user = add(users, name, &fresh);
		user->fetched_us = now_us();
		if (!fresh.known && fresh_ms_max > UNKNOWN_MS_MAX)
			fresh_ms_max = UNKNOWN_MS_MAX;
		user->fresh_until_us = user->fetched_us + (uint64_t)fresh_ms_max * 1000;
		list_push_back(list_of(users, &fresh), &user->place);
		if (list_of(users, &fresh)->count > USERS_FETCHED_MAX)
			drop(users, CONTAINER_OF(list_first(list_of(users, &fresh)), struct user, place));
	}
	pthread_mutex_unlock(&users->lock);
	user_secret_wipe(&fresh);
	return 0;
}

/* What sessions that are there need to log in on nodes stays; who comes now has to be fetched anew. */
static void keep_fetched(struct users *users, struct users *fresh)
{
	struct list_node *node;

	while ((node = list_first(&users->fetched))) {
		struct user *user = CONTAINER_OF(node, struct user, place);

		list_remove(&users->fetched, node);
		if (find(fresh, user->name))
			continue;
		map_remove(&users->by_name, slice_of(user->name));
		map_set(&fresh->by_name, slice_of(user->name), user);
		list_push_back(&fresh->fetched, node);
		user->fresh_until_us = 0;
	}
}

static void keep_client_keys(struct users *users, struct users *fresh)
{
	size_t position = 0;
	struct slice name;
	void *item;

	while (map_next(&fresh->by_name, &position, &name, &item)) {
		const struct user *old = map_get(&users->by_name, name);

		if (old)
			keep_client_key(&old->secret, &((struct user *)item)->secret);
	}
}

static void move_list(struct list *from, struct list *to)
{
	struct list_node *node;

	while ((node = list_first(from))) {
		list_remove(from, node);
		list_push_back(to, node);
	}
}

void users_replace(struct users *users, struct users *fresh)
{
	struct map before;

	pthread_mutex_lock(&users->lock);
	keep_fetched(users, fresh);
	keep_client_keys(users, fresh);
	before = users->by_name;
	users->by_name = fresh->by_name;
	list_init(&users->unknown);
	move_list(&fresh->fetched, &users->fetched);
	pthread_mutex_unlock(&users->lock);
	fresh->by_name = (struct map){ 0 };
	release_all(&before);
}

void users_get(struct users *users, const char *name, struct user_secret *ret)
{
	const struct user *found;

	pthread_mutex_lock(&users->lock);
	found = find(users, name);
	if (found) {
		*ret = found->secret;
		ret->stale = ret->fetched && now_us() >= found->fresh_until_us;
	} else {
		*ret = (struct user_secret){ 0 };
	}
	pthread_mutex_unlock(&users->lock);
}

void users_learn(struct users *users, const char *name, const struct scram_keys *keys)
{
	struct user *user;

	pthread_mutex_lock(&users->lock);
	user = find(users, name);
	if (user && user->secret.has_verifier && same_verifier(&user->secret.verifier, &keys->verifier)) {
		user->secret.has_client_key = true;
		memcpy(user->secret.client_key, keys->client_key, SCRAM_KEY_SIZE);
	}
	pthread_mutex_unlock(&users->lock);
}

void users_doubt(struct users *users, const char *name)
{
	struct user *user;

	pthread_mutex_lock(&users->lock);
	user = find(users, name);
	/* Not more often: somebody who guesses passwords must not keep the node busy with it. */
	if (user && user->secret.fetched && now_us() >= user->fetched_us + DOUBT_US_MIN)
		user->fresh_until_us = 0;
	pthread_mutex_unlock(&users->lock);
}

/* ---- the users file ---- */

/* Reads "text" with "" for a quote; moves *at behind it. */
static bool quoted(const char **at, char *out, size_t out_size)
{
	const char *from = *at;
	size_t size = 0;

	while (*from == ' ' || *from == '\t')
		from++;
	if (*from++ != '"')
		return false;
	for (;; from++) {
		if (*from == '"' && from[1] == '"')
			from++;
		else if (*from == '"')
			break;
		else if (*from == '\0' || *from == '\n')
			return false;
		if (size + 1 >= out_size)
			return false;
		out[size++] = *from;
	}
	out[size] = '\0';
	*at = from + 1;
	return true;
}

int users_read(struct users *users, const char *path, struct err *err)
{
	char name[256], secret[256], *line = NULL;
	struct map lines = { 0 };       /* name -> the number of its line */
	FILE *file = fopen(path, "re");
	size_t line_size = 0;
	unsigned number = 0;
	int rc = 0;

	if (!file)
		return err_set(err, ERR_CONFIG, "cannot read users file \"%s\": %m", path);
	while (rc == 0 && getline(&line, &line_size, file) >= 0) {
		const char *at = line + strspn(line, " \t");
		uintptr_t before;
		struct err why;

		number++;
		if (*at == '\n' || *at == '\r' || *at == '\0' || *at == '#' || *at == ';')
			continue;
		if (!quoted(&at, name, sizeof(name)) || !quoted(&at, secret, sizeof(secret)))
			rc = err_set(err, ERR_CONFIG, "%s:%u: expected \"user\" \"password, SCRAM verifier or md5 hash\"", path, number);
		else if ((before = (uintptr_t)map_get(&lines, slice_of(name))))
			rc = err_set(err, ERR_CONFIG, "%s:%u: user \"%s\" stands here a second time, after line %zu", path, number, name,
				     (size_t)before);
		else if (users_set(users, name, secret, &why) < 0)
			rc = err_set(err, ERR_CONFIG, "%s:%u: %s", path, number, why.message);
		map_set(&lines, slice_of(name), (void *)(uintptr_t)number);
	}
	if (rc == 0 && ferror(file))
		rc = err_set(err, ERR_CONFIG, "cannot read users file \"%s\": %m", path);
	map_release(&lines);
	if (line)
		explicit_bzero(line, line_size);
	explicit_bzero(secret, sizeof(secret));
	mem_free(line);
	fclose(file);
	return rc;
}
