/* agent: `nanu agent`, which runs the node on its machine. */
#pragma once

extern const char agent_usage[];
int agent_main(int argc, char **argv);
