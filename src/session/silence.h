/* silence: reads that wait for a replica which has stopped to answer are run elsewhere, where the client has heard nothing of them. */
#pragma once

struct node_status;
struct services;

/* The router's own questions to this node are not answered. From any thread. */
void silence_noticed(struct services *services, struct node_status *silent);
