/* The store in etcd: every key of store.h is a key under the prefix, with the value as it is, so that etcdctl shows it.
 *
 * A swap must not be done twice, nor be taken for failed when it was done, although its answer may be lost. So each swap writes a second key
 * in the same etcd transaction, a *ticket* that belongs to this handle alone, and happens only if the ticket is as this handle last saw it:
 *
 *     if   key is at `revision` and ticket is at T         then  key := value, ticket := this swap's number
 *                                                           else  tell both
 *
 * It can be sent again, to any member, as often as need be: the second one finds the ticket changed, with its own number in it, and so the first one
 * was done, at the ticket's revision, whatever became of the key since. If the ticket is still at T and the key is not at `revision`, somebody
 * else was faster, and one of ours that may still be under way cannot happen any more: a key never comes back to a revision. Only to "absent" it can;
 * there the ticket is moved on first, by itself.
 * Tickets live under a lease of their own, which is not renewed: what a router leaves behind goes by itself.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "store/etcd_members.h"
#include "store/store_kind.h"

enum { TICKET_TTL_S = 3600, TICKET_RENEW_MS = TICKET_TTL_S * 1000 / 2, TICKET_KEY_SIZE = 32, NUMBER_SIZE = 24, SWAP_TURNS_MAX = 8 };

#define TICKETS STORE_KEY_BUSY "/"
#define KEYS_END STORE_KEY_BUSY

struct ticket {
	uint64_t lease;                 /* 0: there is no ticket */
	uint64_t granted_ms;
	uint64_t revision;              /* 0: not written yet */
	uint64_t number;                /* of the last swap; in the ticket when it was done */
};

struct etcd_store {
	struct store store;
	struct etcd_members *members;
	char *prefix;
	pthread_mutex_t swapping;       /* one swap at a time has the ticket */
	struct ticket ticket;
};

static struct etcd_store *of(struct store *store)
{
	return CONTAINER_OF(store, struct etcd_store, store);
}

/* ---- etcd's JSON: bytes are base64, 64-bit numbers are strings, what is zero is left out ---- */

static json_t *encoded(const char *a, const char *b)
{
	size_t size = strlen(a) + strlen(b);
	char *plain = mem_alloc(size + 1), *text = mem_alloc(size / 3 * 4 + 8);
	json_t *json;

	sprintf(plain, "%s%s", a, b);
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)plain, (int)size);
	json = json_string(text);
	mem_free(plain);
	mem_free(text);
	return json;
}

static char *decoded(const json_t *json)
{
	const char *text = json_string_value(json);
	size_t size = text ? strlen(text) : 0;
	char *plain = mem_calloc(1, size / 4 * 3 + 4);
	int count = text ? EVP_DecodeBlock((unsigned char *)plain, (const unsigned char *)text, (int)size) : 0;

	for (size_t i = size; count > 0 && i > 0 && text[i - 1] == '='; i--)
		count--;
	plain[count > 0 ? count : 0] = '\0';
	return plain;
}

static json_t *key_of(const struct etcd_store *store, const char *key)
{
	return encoded(store->prefix, key);
}

static json_t *number(uint64_t value)
{
	char text[NUMBER_SIZE];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_string(text);
}

static uint64_t number_in(const json_t *object, const char *name)
{
	const json_t *json = json_object_get(object, name);

	return json_is_string(json) ? strtoull(json_string_value(json), NULL, 10) : (uint64_t)json_integer_value(json);
}

static uint64_t counter_in(const json_t *answer)
{
	return number_in(json_object_get(answer, "header"), "revision");
}

/* The first that a range found; NULL: none. */
static const json_t *first_kv(const json_t *range)
{
	return json_array_get(json_object_get(range, "kvs"), 0);
}

/* Takes `request`. */
static int ask(struct etcd_store *store, const char *path, json_t *request, json_t **ret_answer, bool *lost, struct err *err)
{
	bool ignored = false;
	int rc = etcd_members_ask(store->members, path, request, ret_answer, lost ? lost : &ignored, err);

	json_decref(request);
	return rc;
}

/* ---- reading ---- */

/* *ret_counter: the store's at that moment. */
static int get_at(struct etcd_store *store, const char *key, struct store_entry *ret_entry, uint64_t *ret_counter, struct err *err)
{
	json_t *answer;
	const json_t *kv;
	int rc = ask(store, "kv/range", json_pack("{s:o}", "key", key_of(store, key)), &answer, NULL, err);

	if (rc < 0)
		return rc;
	kv = first_kv(answer);
	*ret_entry = (struct store_entry){ 0 };
	if (kv)
		*ret_entry = (struct store_entry){ decoded(json_object_get(kv, "value")), number_in(kv, "mod_revision") };
	*ret_counter = counter_in(answer);
	json_decref(answer);
	return 0;
}

static int get_etcd(struct store *base, const char *key, struct store_entry *ret_entry, struct err *err)
{
	uint64_t counter;

	return get_at(of(base), key, ret_entry, &counter, err);
}

/* What comes behind every key that begins so. */
static char *end_of(const char *prefix)
{
	char *end = mem_strdup(prefix);
	size_t size = strlen(end);

	end[size - 1]++;
	return end;
}

static int list_etcd(struct store *base, const char *prefix, struct store_item **ret_items, size_t *ret_count, struct err *err)
{
	struct etcd_store *store = of(base);
	char *end = *prefix ? end_of(prefix) : mem_strdup(KEYS_END);
	json_t *answer, *kvs;
	int rc = ask(store, "kv/range", json_pack("{s:o, s:o, s:o}", "key", key_of(store, prefix), "range_end", key_of(store, end),
						  "limit", number(STORE_LIST_MAX + 1)), &answer, NULL, err);

	mem_free(end);
	if (rc < 0)
		return rc;
	kvs = json_object_get(answer, "kvs");
	if (json_array_size(kvs) > STORE_LIST_MAX) {
		json_decref(answer);
		return err_set(err, ERR_LIMIT, "the store has more than %d keys that begin with \"%s\"", STORE_LIST_MAX, prefix);
	}
	*ret_items = mem_calloc(json_array_size(kvs) + 1, sizeof(**ret_items));
	for (size_t i = 0; i < json_array_size(kvs); i++) {
		const json_t *kv = json_array_get(kvs, i);
		char *key = decoded(json_object_get(kv, "key"));
		size_t prefix_size = strlen(store->prefix);

		(*ret_items)[(*ret_count)++] = (struct store_item){
			.key = mem_strdup(strlen(key) > prefix_size ? key + prefix_size : ""),
			.value = decoded(json_object_get(kv, "value")),
			.revision = number_in(kv, "mod_revision"),
		};
		mem_free(key);
	}
	json_decref(answer);
	return 0;
}

/* ---- leases ---- */

static int grant_seconds(struct etcd_store *store, unsigned ttl_s, uint64_t *ret_lease, struct err *err)
{
	json_t *answer;
	int rc = ask(store, "lease/grant", json_pack("{s:o}", "TTL", number(ttl_s)), &answer, NULL, err);

	if (rc < 0)
		return rc;
	*ret_lease = number_in(answer, "ID");
	json_decref(answer);
	return *ret_lease ? 0 : err_set(err, ERR_IO, "etcd grants no lease");
}

static int grant_etcd(struct store *base, unsigned ttl_ms, uint64_t *ret_lease, struct err *err)
{
	return grant_seconds(of(base), (ttl_ms + 999) / 1000, ret_lease, err);
}

static int keep_etcd(struct store *base, uint64_t lease, struct err *err)
{
	json_t *answer;
	int rc = ask(of(base), "lease/keepalive", json_pack("{s:o}", "ID", number(lease)), &answer, NULL, err);
	uint64_t ttl;

	if (rc < 0)
		return rc;
	ttl = number_in(json_object_get(answer, "result"), "TTL");
	json_decref(answer);
	return ttl ? 0 : err_set(err, ERR_NOT_FOUND, "the lease has ended");
}

static int revoke_etcd(struct store *base, uint64_t lease, struct err *err)
{
	json_t *answer = NULL;
	int rc = ask(of(base), "lease/revoke", json_pack("{s:o}", "ID", number(lease)), &answer, NULL, err);

	json_decref(answer);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* ---- swapping ---- */

struct swap {
	const char *key, *value;
	uint64_t revision, lease;
	bool lost;                      /* a try was left without an answer */
	uint64_t done;                  /* the revision, when it was done */
};

enum { DONE, AGAIN };

static void ticket_key(const struct ticket *ticket, char key[TICKET_KEY_SIZE])
{
	snprintf(key, TICKET_KEY_SIZE, TICKETS "%" PRIx64, ticket->lease);
}

static int renew_ticket(struct etcd_store *store, struct err *err)
{
	struct ticket *ticket = &store->ticket;
	uint64_t now = store_now_ms();
	int rc;

	if (ticket->lease && now - ticket->granted_ms < TICKET_RENEW_MS)
		return 0;
	*ticket = (struct ticket){ .number = ticket->number };
	rc = grant_seconds(store, TICKET_TTL_S, &ticket->lease, err);
	ticket->granted_ms = now;
	return rc;
}

static json_t *is_at(json_t *key, uint64_t revision)
{
	return json_pack("{s:o, s:s, s:s, s:o}", "key", key, "target", "MOD", "result", "EQUAL", "mod_revision", number(revision));
}

static json_t *put_ticket(const struct etcd_store *store)
{
	char key[TICKET_KEY_SIZE], text[NUMBER_SIZE];

	ticket_key(&store->ticket, key);
	snprintf(text, sizeof(text), "%" PRIu64, store->ticket.number);
	return json_pack("{s:{s:o, s:o, s:o}}", "request_put", "key", key_of(store, key), "value", encoded(text, ""), "lease",
			 number(store->ticket.lease));
}

static json_t *tell(json_t *key)
{
	return json_pack("{s:{s:o}}", "request_range", "key", key);
}

static json_t *write_key(const struct etcd_store *store, const struct swap *swap)
{
	if (!swap->value)
		return json_pack("{s:{s:o}}", "request_delete_range", "key", key_of(store, swap->key));
	return json_pack("{s:{s:o, s:o, s:o}}", "request_put", "key", key_of(store, swap->key), "value", encoded(swap->value, ""), "lease",
			 number(swap->lease));
}

/* What the failed transaction told of the ticket. */
static const json_t *told_ticket(const json_t *answer)
{
	const json_t *responses = json_object_get(answer, "responses");

	return first_kv(json_object_get(json_array_get(responses, json_array_size(responses) - 1), "response_range"));
}

/* Whether the transaction with this number was the last one that changed the ticket. */
static bool changed_by(const json_t *kv, uint64_t swap_number)
{
	char *text = decoded(json_object_get(kv, "value"));
	bool it_was = strtoull(text, NULL, 10) == swap_number;

	mem_free(text);
	return it_was;
}

/* Moves the ticket on, so that no try of ours that may be under way can happen any more. DONE: it cannot; AGAIN: something has changed the ticket
 * meanwhile, which is left as this handle saw it last, for the swap to find out. */
static int fence(struct etcd_store *store, struct err *err)
{
	uint64_t swap_number = store->ticket.number++;
	char key[TICKET_KEY_SIZE];
	const json_t *kv;
	json_t *answer;
	bool lost = false;
	int rc;

	ticket_key(&store->ticket, key);
	rc = ask(store, "kv/txn", json_pack("{s:[o], s:[o], s:[o]}", "compare", is_at(key_of(store, key), store->ticket.revision),
					    "success", put_ticket(store), "failure", tell(key_of(store, key))), &answer, &lost, err);
	if (rc < 0)
		return rc;
	kv = told_ticket(answer);
	if (json_is_true(json_object_get(answer, "succeeded")))
		store->ticket.revision = counter_in(answer);
	else if (kv && changed_by(kv, store->ticket.number))
		store->ticket.revision = number_in(kv, "mod_revision");
	else
		rc = AGAIN;
	if (rc == AGAIN)
		store->ticket.number = swap_number;
	json_decref(answer);
	return rc;
}

static int conflict(const struct swap *swap, struct err *err)
{
	return err_set(err, ERR_CONFLICT, "\"%s\" in the store is no longer at revision %" PRIu64, swap->key, swap->revision);
}

static int unknown(struct etcd_store *store, const struct swap *swap, struct err *err)
{
	store->ticket.lease = 0;        /* what became of it is not known: the next swap has another */
	err_set(err, ERR_UNKNOWN_OUTCOME, "it is not known whether etcd has \"%s\" as it was to be: its answer was lost", swap->key);
	err_hint(err, "Look what there is when etcd answers again.");
	return ERR_UNKNOWN_OUTCOME;
}

/* DONE, AGAIN, or an error. */
static int look_why(struct etcd_store *store, struct swap *swap, const json_t *answer, struct err *err)
{
	const json_t *kv = told_ticket(answer);
	uint64_t revision = kv ? number_in(kv, "mod_revision") : 0;
	int rc;

	if (revision != store->ticket.revision && kv) {
		store->ticket.revision = revision;
		swap->done = revision;
		return changed_by(kv, store->ticket.number) ? DONE : AGAIN;
	}
	if (revision != store->ticket.revision) {       /* its lease has ended, or etcd was restored from a copy that is older than it */
		store->ticket.lease = 0;
		return swap->lost ? unknown(store, swap, err) : AGAIN;
	}
	if (!swap->lost || swap->revision)
		return conflict(swap, err);
	rc = fence(store, err);
	if (rc == DONE)
		return conflict(swap, err);
	return rc == AGAIN ? AGAIN : unknown(store, swap, err);
}

static int try_swap(struct etcd_store *store, struct swap *swap, struct err *err)
{
	char key[TICKET_KEY_SIZE];
	json_t *answer;
	int rc = renew_ticket(store, err);

	if (rc < 0)
		return swap->lost ? unknown(store, swap, err) : rc;
	ticket_key(&store->ticket, key);
	rc = ask(store, "kv/txn",
		 json_pack("{s:[o, o], s:[o, o], s:[o, o]}", "compare", is_at(key_of(store, swap->key), swap->revision),
			   is_at(key_of(store, key), store->ticket.revision), "success", write_key(store, swap), put_ticket(store),
			   "failure", tell(key_of(store, swap->key)), tell(key_of(store, key))),
		 &answer, &swap->lost, err);
	if (rc < 0)
		return swap->lost ? unknown(store, swap, err) : rc;
	if (json_is_true(json_object_get(answer, "succeeded")))
		store->ticket.revision = swap->done = counter_in(answer);
	else
		rc = look_why(store, swap, answer, err);
	json_decref(answer);
	return rc;
}

static int swap_etcd(struct store *base, const char *key, uint64_t revision, const char *value, uint64_t lease, uint64_t *ret_revision,
		     struct err *err)
{
	struct etcd_store *store = of(base);
	struct swap swap = { .key = key, .value = value, .revision = revision, .lease = lease };
	int rc = AGAIN, turns = 0;
	bool renewed = false;

	pthread_mutex_lock(&store->swapping);
	store->ticket.number++;
	while (rc == AGAIN && turns++ < SWAP_TURNS_MAX) {
		rc = try_swap(store, &swap, err);
		/* Which lease has ended, the ticket's or the caller's? */
		if (rc == ERR_NOT_FOUND && !renewed) {
			store->ticket.lease = 0;
			renewed = true;
			rc = AGAIN;
		}
	}
	if (rc == AGAIN)
		rc = unknown(store, &swap, err);
	pthread_mutex_unlock(&store->swapping);
	if (rc == DONE)
		*ret_revision = value ? swap.done : 0;
	return rc;
}

/* ---- waiting ---- */

struct event {
	bool came, gone_by;             /* gone_by: etcd does not have the changes since then any more */
	uint64_t revision;              /* of the last one */
};

static bool hear_event(void *argument, const json_t *result)
{
	struct event *event = argument;
	const json_t *events = json_object_get(result, "events");

	for (size_t i = 0; i < json_array_size(events); i++) {
		uint64_t revision = number_in(json_object_get(json_array_get(events, i), "kv"), "mod_revision");

		event->revision = revision > event->revision ? revision : event->revision;
		event->came = true;
	}
	event->gone_by = json_is_true(json_object_get(result, "canceled"));
	return !event->came && !event->gone_by;
}

/* Waits for an event from `revision` on. Streams that end early are left to the caller, who looks anew. */
static void wait_for_event(struct etcd_store *store, json_t *key, json_t *range_end, uint64_t revision, uint64_t until_ms, struct event *ret_event)
{
	json_t *create = json_pack("{s:o, s:o}", "key", key, "start_revision", number(revision)), *request;

	if (range_end)
		json_object_set_new(create, "range_end", range_end);
	request = json_pack("{s:o}", "create_request", create);
	*ret_event = (struct event){ 0 };
	if (etcd_members_stream(store->members, "watch", request, until_ms, hear_event, ret_event) > 0)
		etcd_members_pause();
	json_decref(request);
}

static bool is_over(const struct etcd_store *store, uint64_t until_ms)
{
	return store_now_ms() >= until_ms || etcd_members_interrupted(store->members);
}

static int watch_etcd(struct store *base, const char *key, uint64_t revision, unsigned wait_ms, struct store_entry *ret_entry, struct err *err)
{
	struct etcd_store *store = of(base);
	uint64_t until_ms = store_now_ms() + wait_ms, counter;
	struct event event;

	for (;;) {
		int rc = get_at(store, key, ret_entry, &counter, err);

		if (rc < 0 || ret_entry->revision != revision)
			return rc < 0 ? rc : 1;
		mem_free(ret_entry->value);
		*ret_entry = (struct store_entry){ 0 };
		if (is_over(store, until_ms))
			return 0;
		wait_for_event(store, key_of(store, key), NULL, counter + 1, until_ms, &event);
	}
}

static int read_counter(struct etcd_store *store, uint64_t *ret_counter, struct err *err)
{
	json_t *answer;
	int rc = ask(store, "kv/range", json_pack("{s:o, s:b}", "key", key_of(store, STORE_KEY_TOPOLOGY), "count_only", 1), &answer, NULL, err);

	if (rc < 0)
		return rc;
	*ret_counter = counter_in(answer);
	json_decref(answer);
	return 0;
}

static int changed_etcd(struct store *base, uint64_t *revision, unsigned wait_ms, struct err *err)
{
	struct etcd_store *store = of(base);
	uint64_t until_ms = store_now_ms() + wait_ms, counter;
	struct event event;

	for (;;) {
		int rc = read_counter(store, &counter, err);

		if (rc < 0)
			return rc;
		if (counter < *revision || *revision == 0) {
			*revision = counter;
			return 1;
		}
		if (is_over(store, until_ms))
			return 0;
		wait_for_event(store, key_of(store, ""), key_of(store, KEYS_END), *revision + 1, until_ms, &event);
		if (!event.came && !event.gone_by)
			continue;
		*revision = event.came ? event.revision : counter;
		return 1;
	}
}

/* ---- life ---- */

static void interrupt_etcd(struct store *base)
{
	etcd_members_interrupt(of(base)->members);
}

static void close_etcd(struct store *base)
{
	struct etcd_store *store = of(base);

	etcd_members_free(store->members);
	pthread_mutex_destroy(&store->swapping);
	mem_free(store->prefix);
	mem_free(store);
}

static const struct store_kind etcd_kind = {
	.close = close_etcd, .interrupt = interrupt_etcd, .get = get_etcd, .swap = swap_etcd, .watch = watch_etcd, .changed = changed_etcd,
	.list = list_etcd, .lease_grant = grant_etcd, .lease_keep = keep_etcd, .lease_revoke = revoke_etcd,
};

int store_open_etcd(const struct etcd_options *options, struct store **ret_store, struct err *err)
{
	struct etcd_store *store = mem_calloc(1, sizeof(*store));
	uint64_t counter;
	int rc;

	store->store.kind = &etcd_kind;
	store->prefix = mem_strdup(options->prefix);
	pthread_mutex_init(&store->swapping, NULL);
	rc = etcd_members_new(options, &store->members, err);
	if (rc == 0)
		rc = read_counter(store, &counter, err);
	if (rc == ERR_IO && store->members && options->may_be_away)
		rc = 0;
	if (rc < 0) {
		close_etcd(&store->store);
		return rc;
	}
	*ret_store = &store->store;
	return 0;
}
