/* definition: DDL, checked against the placements that it must not break. Inside of route/: plan.c is the only caller. */
#pragma once

struct plan_item;
struct resolver;

/* Sets the item's kind: ROUTE_ALL, ROUTE_ALL_LOOSE, ROUTE_HOME (temporary objects), or ROUTE_REFUSED with the reason. */
void plan_definition(struct resolver *resolver, struct plan_item *item);

/* Refuses a temporary relation with the name of one that the database has: statements that other shards answer would still see that one. */
void plan_refuse_hiding(struct resolver *resolver, struct plan_item *item);

/* plan.c */
void plan_refuse(struct plan_item *item, const char *what, const char *hint);
