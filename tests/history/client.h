/* client: the sessions of one place, one after another; each does one operation after another, with libpq.
 *
 *	CONNECTING ──▶ SETTING ──▶ RUNNING ◀──▶ RESTING
 *	    ▲              └───────────┴──── an error, or a brief session's end ──▶ CLOSED, and from the start
 *	                                              settled ──▶ DONE
 *
 * A statement that fails ends the session, so that nothing is built upon what may not have happened.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "history.h"

struct client;
struct load;

struct client *client_new(struct load *load, uint16_t place, enum level level, unsigned kind);
void client_free(struct client *client);
void client_heard(struct client *client);               /* epoll says so */
void client_tick(struct client *client, uint64_t now_ns);       /* now and then */
bool client_is_idle(const struct client *client);       /* no operation is under way */
bool client_is_settled(const struct client *client);
enum level client_level(const struct client *client);
