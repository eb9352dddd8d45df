/* running: the functions of the nanu schema that steer a running router. Who calls them is an administrator already. */
#pragma once

struct admin;
struct call;
struct job;

int admin_reload(struct admin *admin, struct job *job, const struct call *call);        /* nanu.reload() */
