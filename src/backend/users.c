#include "backend/users.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "net/env.h"

struct users {
	pthread_mutex_t lock;
	struct map by_name;             /* name -> struct user_secret, owned */
};

struct users *users_new(void)
{
	struct users *users = mem_calloc(1, sizeof(*users));

	pthread_mutex_init(&users->lock, NULL);
	return users;
}

static void release_all(struct map *by_name)
{
	size_t position = 0;
	struct slice name;
	void *secret;

	while (map_next(by_name, &position, &name, &secret))
		mem_free(secret);
	map_release(by_name);
}

void users_free(struct users *users)
{
	if (!users)
		return;
	release_all(&users->by_name);
	pthread_mutex_destroy(&users->lock);
	mem_free(users);
}

int users_set(struct users *users, const char *name, const char *secret, struct err *err)
{
	struct user_secret *fresh;
	uint8_t salt[16];
	int rc = 0;

	if (strncmp(secret, "md5", 3) == 0 && strlen(secret) == 35)
		return err_set(err, ERR_INVALID_VALUE, "user \"%s\": md5 passwords are not supported; give the password or a SCRAM verifier",
			       name);
	if (strlen(secret) >= sizeof(fresh->password))
		return err_set(err, ERR_INVALID_VALUE, "user \"%s\": the secret is too long", name);
	fresh = mem_calloc(1, sizeof(*fresh));
	fresh->known = secret[0] != '\0';
	if (strncmp(secret, "SCRAM-SHA-256$", 14) == 0) {
		rc = scram_verifier_read(slice_of(secret), &fresh->verifier, err);
	} else if (fresh->known) {
		fresh->has_password = true;
		memcpy(fresh->password, secret, strlen(secret));
		env_system()->random(NULL, salt, sizeof(salt));
		scram_verifier_make(slice_of(secret), salt, sizeof(salt), SCRAM_ITERATIONS, &fresh->verifier);
	}
	if (rc < 0) {
		mem_free(fresh);
		return rc;
	}
	pthread_mutex_lock(&users->lock);
	mem_free(map_set(&users->by_name, slice_of(name), fresh));
	pthread_mutex_unlock(&users->lock);
	return 0;
}

void users_replace(struct users *users, struct users *fresh)
{
	struct map before;

	pthread_mutex_lock(&users->lock);
	before = users->by_name;
	users->by_name = fresh->by_name;
	pthread_mutex_unlock(&users->lock);
	fresh->by_name = (struct map){ 0 };
	release_all(&before);
}

void users_get(struct users *users, const char *name, struct user_secret *ret)
{
	const struct user_secret *found;

	pthread_mutex_lock(&users->lock);
	found = map_get(&users->by_name, slice_of(name));
	if (found)
		*ret = *found;
	else
		*ret = (struct user_secret){ 0 };
	pthread_mutex_unlock(&users->lock);
}

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
			rc = err_set(err, ERR_CONFIG, "%s:%u: expected \"user\" \"password or SCRAM verifier\"", path, number);
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
	mem_free(line);
	fclose(file);
	return rc;
}
