/* shop_data: the rows of the sample shop.
 *
 * A user's rows depend on the user's number alone, so that any part of the shop can be made anywhere, always the same. Pure.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

enum { SHOP_USERS = 10000 };            /* ids 1 to SHOP_USERS */

struct shop_counts { unsigned users, orders, items; };

/* One user's rows as INSERT statements, one for each table: appended to the buffers, each with a zero behind it, and counted. Every user has at
 * least one order, and every order at least one item. */
void shop_user(uint64_t user, struct buf *users, struct buf *orders, struct buf *items, struct shop_counts *counts);
