/* list: intrusive doubly linked lists.
 *
 * A `struct list` is a head; a `struct list_node` sits inside the object. A node is in one list or, when zeroed or after
 * list_remove(), in none. `CONTAINER_OF` goes back from the node to the object.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

struct list_node {
	struct list_node *prev, *next;
};

struct list {
	struct list_node head;
	size_t count;
};

static inline void list_init(struct list *list)
{
	list->head.prev = list->head.next = &list->head;
	list->count = 0;
}

static inline bool list_empty(const struct list *list)
{
	return list->count == 0;
}

static inline bool list_node_linked(const struct list_node *node)
{
	return node->next != NULL;
}

static inline void list_insert_between_(struct list *list, struct list_node *node, struct list_node *prev,
					struct list_node *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
	list->count++;
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
	list_insert_between_(list, node, &list->head, list->head.next);
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
	list_insert_between_(list, node, list->head.prev, &list->head);
}

static inline void list_remove(struct list *list, struct list_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->prev = node->next = NULL;
	list->count--;
}

static inline struct list_node *list_first(const struct list *list)
{
	return list->count ? list->head.next : NULL;
}

static inline struct list_node *list_last(const struct list *list)
{
	return list->count ? list->head.prev : NULL;
}

static inline struct list_node *list_pop_front(struct list *list)
{
	struct list_node *node = list_first(list);

	if (node)
		list_remove(list, node);
	return node;
}

/* The node after `node`, or NULL at the end. */
static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
	return node->next == &list->head ? NULL : node->next;
}

#define LIST_EACH(list, node) for (struct list_node *node = list_first(list); node; node = list_next(list, node))
