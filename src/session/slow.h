/* slow: one line of the log for each statement that took log_min_duration_statement or longer.
 *
 * What counts is the time from the client's message to the end of its answer, waiting for a backend included; a pipeline is one.
 */
#pragma once

struct session;

void slow_log(struct session *session);                 /* at the end of a segment, while its text and legs are there */
