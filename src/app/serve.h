/* serve: the router as a process: configuration, workers, signals. */
#pragma once

extern const char serve_usage[];
int serve_main(int argc, char **argv);
