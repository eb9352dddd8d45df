/* plane_reload: what changed outside while the router runs: the configuration, read and checked whole, then everybody's at once; the store. */
#include <string.h>

#include "app/leaders.h"
#include "app/plane.h"
#include "backend/users.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "route/snapshot.h"
#include "session/worker.h"
#include "store/store.h"
#include "topo/config.h"
#include "topo/topology.h"

struct news {                           /* what is to be everybody's */
	struct config *config;
	struct users *users;
	struct topology *topology;
};

static void news_release(struct news *news)
{
	config_unref(news->config);
	users_free(news->users);
	topology_unref(news->topology);
}

static int read_all(const struct plane *plane, struct news *news, struct err *err)
{
	int rc = config_read(plane->config->path, &news->config, err);

	if (rc == 0)
		rc = config_open_tls(news->config, err);
	if (rc < 0)
		return rc;
	news->users = users_new_like(plane->users);
	if (news->config->users_file)
		rc = users_read(news->users, news->config->users_file, err);
	if (rc == 0)
		rc = config_topology(news->config, plane->snapshot->topology, &news->topology, err);
	if (rc < 0)
		return rc;
	config_follow(news->config, plane->config);
	return config_check_agents(news->config, err);          /* with the certificates that it goes on with */
}

static const struct node *home_of(const struct topology *topology, const struct database *database)
{
	return &topology->nodes[topology->shards[database->shards[0]].primary];
}

/* The catalog that is known already, where the database is the same one on the same server; NULL: it must be read. */
static struct catalog *known_catalog(const struct snapshot *old, const struct topology *topology, const struct database *database)
{
	const struct database *before = topology_database(old->topology, database->name);
	const struct node *here = home_of(topology, database), *there = before ? home_of(old->topology, before) : NULL;

	if (!before || strcmp(before->node_database, database->node_database) != 0 || strcmp(here->host, there->host) != 0 ||
	    here->port != there->port)
		return NULL;
	return old->catalogs[before - old->topology->databases];
}

static struct catalog **find_catalogs(const struct plane *plane, const struct config *config, const struct topology *topology)
{
	struct catalog **catalogs = mem_calloc(topology->database_count + 1, sizeof(*catalogs));

	for (size_t i = 0; i < topology->database_count; i++) {
		const struct database *database = &topology->databases[i];
		struct catalog *known = known_catalog(plane->snapshot, topology, database);
		struct err why;

		if (known) {
			catalogs[i] = catalog_ref(known);
		} else if (plane_load_catalog(plane, config, topology, database, &catalogs[i], &why) < 0) {
			catalogs[i] = NULL;
			plane_log_failure("cannot read the schema yet", &why);
		}
	}
	return catalogs;
}

void plane_publish_topology(struct plane *plane, struct topology *topology)
{
	struct catalog **catalogs = find_catalogs(plane, plane->config, topology);

	plane_publish(plane, topology, catalogs);
	mem_free(catalogs);
	agree_published(plane);
}

static void tell(const struct config *config)
{
	size_t count = config_settings(config, NULL, 0);
	struct setting_row *rows = mem_calloc(count + 1, sizeof(*rows));

	config_settings(config, rows, count);
	for (size_t i = 0; i < count; i++)
		if (rows[i].pending)
			log_warn("reload", "setting=%s msg=\"it changes with a restart\"", rows[i].name);
	log_info("reload", "config=%s msg=\"the configuration was read anew\"", config->path);
	mem_free(rows);
}

int plane_reload(struct plane *plane, struct err *err)
{
	struct news news = { 0 };
	struct snapshot *old, *fresh;
	struct config *before = plane->config;
	struct catalog **catalogs;
	int rc = plane->routers ? agree_take_newer(plane, err) : 0;

	old = plane->snapshot;
	if (rc == 0)
		rc = read_all(plane, &news, err);
	if (rc == 0 && news.topology->epoch != old->topology->epoch)
		rc = plane_save(plane, news.topology, err);
	if (rc < 0) {
		news_release(&news);
		return rc;
	}
	catalogs = find_catalogs(plane, news.config, news.topology);
	users_replace(plane->users, news.users);
	fresh = snapshot_new(old->version + 1, topology_ref(news.topology), catalogs, old);
	leaders_follow(plane->leaders, news.config, fresh);
	pthread_mutex_lock(&plane->lock);
	plane->config = config_ref(news.config);
	plane->snapshot = fresh;
	pthread_mutex_unlock(&plane->lock);
	log_set_level(news.config->log_level);
	services_configure(plane->services, plane->config, plane->snapshot);
	plane_sample(plane);
	agree_published(plane);
	snapshot_unref(old);
	config_unref(before);
	mem_free(catalogs);
	tell(news.config);
	news_release(&news);
	return 0;
}

int plane_follow(struct plane *plane, struct err *err)
{
	struct topology *topology = NULL;
	struct store_entry entry;
	int rc;

	if (plane->routers)
		return agree_follow(plane, true, err);
	rc = store_get(plane->store, STORE_KEY_TOPOLOGY, &entry, err);
	if (rc == 0 && entry.value && entry.revision != plane->revision)
		rc = topology_from_json(entry.value, &topology, err);
	mem_free(entry.value);
	if (topology) {
		plane->revision = entry.revision;
		plane_publish_topology(plane, topology);
	}
	return rc;
}

int plane_take_newer(struct plane *plane, struct err *err)
{
	return plane->routers ? agree_take_newer(plane, err) : 0;
}
