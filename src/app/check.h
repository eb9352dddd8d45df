/* check: what would keep `nanu serve` from starting, found without starting it: `nanu serve --check`. */
#pragma once

struct config;

/* Prints everything that is wrong beyond the configuration file itself: the certificates and the users file that it names, the store and what it
 * holds, the address to listen on, the event loop. Opens no port and changes nothing but `config`, where the certificates are opened; whether a node
 * can be reached is no matter of starting. Returns the number of problems. */
unsigned check_start(struct config *config);
