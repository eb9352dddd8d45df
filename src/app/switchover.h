/* switchover: the subcommand `nanu switchover`. */
#pragma once

extern const char switchover_usage[];
int switchover_main(int argc, char **argv);
