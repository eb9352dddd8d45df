/* status: `nanu status`: what a running router says of itself, for a person or as JSON.
 *
 * Asked over its own port with SELECTs on the nanu schema, so it works from anywhere that a client can connect from.
 */
#pragma once

extern const char status_usage[];
int status_main(int argc, char **argv);
