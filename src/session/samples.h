/* samples: sessions that wait until more is known of where nodes are in the WAL. Of one worker. */
#pragma once

#include <stdint.h>

struct services;
struct session;

/* The session is resumed (session_resume()) when a node was sampled, and at `until_us` at the latest; then it looks, and may wait again. It has
 * session->reads. */
void samples_await(struct session *session, uint64_t until_us);
void samples_forget(struct session *session);   /* harmless when it does not wait */
/* A node was sampled. From any thread. */
void samples_arrived(struct services *services);
