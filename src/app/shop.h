/* shop: fills the playground's database through the router, as any application would. */
#pragma once

#include "app/shop_data.h"
#include "base/err.h"

/* Makes the tables users, orders and order_items anew, shards them by user, fills them and makes their indexes. `conninfo` (libpq's) leads to
 * the router; several connections are used at once. ERR_CANCELED when a signal asked to stop; then the tables are there in part. */
must_use int shop_load(const char *conninfo, struct shop_counts *ret_counts, struct err *err);
