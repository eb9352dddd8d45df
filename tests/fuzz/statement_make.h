/* statement_make: random statements, from a small grammar of what applications write and what traps lexers. */
#pragma once

#include "base/buf.h"
#include "lexer_check.h"

/* A statement that PostgreSQL's grammar mostly takes. */
void statement_make(struct dice *dice, struct buf *out);

/* Pieces of tokens thrown together: few parse, all must be cut as PostgreSQL cuts them. */
void salad_make(struct dice *dice, struct buf *out);

/* `text` with some bytes changed, dropped or doubled. */
void text_mutate(struct dice *dice, struct slice text, struct buf *out);
