/* lexer_check: the two properties that src/sql/ is held to, on any text.
 *
 *   - the lexer's tokens are those of libpg_query's scanner, which is PostgreSQL's: same places, same kinds, same refusals
 *   - one fingerprint, one shape: put other literals of the same classes where literals were lifted, other whitespace,
 *     comments and letter case where they mean nothing: the normal form stays, and so does shape_describe()
 *
 * A broken property is printed with the text, and aborts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* A small generator of numbers: the same seed gives the same statements everywhere. */
struct dice {
	uint64_t state;
};

static inline uint32_t dice_roll(struct dice *dice, uint32_t sides)
{
	dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(dice->state >> 33) % sides;
}

struct check_counts {
	size_t texts, refused;          /* the scanner refused */
	size_t parsed, varied;          /* the parser took the text, and a variant of it with the same normal form */
};

/* `seed` chooses the variant. Texts with zero bytes are passed over: no client can send one. */
void check_text(struct slice text, bool standard_strings, bool with_shape, uint64_t seed, struct check_counts *counts);
