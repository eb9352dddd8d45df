/* peers: cancel requests for sessions of other routers behind the same address.
 *
 * A key's secret begins with its router's router_id, by which a request that a load balancer has brought to another router finds its way: that one
 * passes it on as it came, to the peer of that number, in the clear, as cancel requests are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* A new session's secret. */
uint32_t peers_secret(const struct worker *worker);
/* On the worker's own thread: passes the request on, once; false: it is not another router's. */
bool peers_forward(struct worker *worker, uint32_t pid, uint32_t secret);
