/* silence: reads that wait for a replica which has stopped to answer are run elsewhere, where the client has heard nothing of them. */
#pragma once

struct err;
struct node_status;
struct services;
struct session;

/* A cancel request has come: what waits for a replica that is silent, and would not heed it, ends for this reason. */
void silence_cancel(struct session *session, const struct err *canceled);
/* The router's own questions to this node are not answered. From any thread. */
void silence_noticed(struct services *services, struct node_status *silent);
