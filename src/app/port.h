/* port: whether somebody listens on a port of 127.0.0.1, and one where nobody does. What is free now may be taken the next moment. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

bool port_is_free(uint16_t port);

/* Waits until it is free. 1: it is; 0: not in time; ERR_CANCELED when a signal asked the program to end. A killed process that used io_uring gives
 * its port back only some moments after it is gone. */
must_use int port_wait_free(uint16_t port, int wait_ms, struct err *err);

/* ERR_IO when none is free. */
must_use int port_choose(uint16_t *ret_port, struct err *err);
