/* datestyle: what DateStyle is after a SET.
 *
 * PostgreSQL reads its value over the one before: it has a style (ISO, SQL, Postgres, German) and an order of day and month, and SET may name
 * one of the two. What a session has is kept as a text that names what it has said of each, to be set right after RESET. No state.
 */
#pragma once

/* `now`: what was said before, NULL: nothing. `reset`: what the client's RESET goes back to, likewise. `said`: the new value. The result is
 * allocated; NULL: it says nothing that RESET does not. Source: check_datestyle() of PostgreSQL 15's variable.c. */
char *datestyle_after(const char *now, const char *reset, const char *said);
