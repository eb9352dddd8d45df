/* command: one subcommand of the program.
 *
 * main.c has the table of them, and answers --help and --version for each. A subcommand gets its own argv, whose first word is its name,
 * and returns the program's exit status: 0, 1 when it failed, 2 when it was called wrongly.
 */
#pragma once

struct err;

struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *summary;            /* one line, for the list of commands */
	const char *usage;              /* what `nanu NAME --help` prints */
};

/* For a subcommand whose getopt_long() has already said what is wrong: points to --help; returns 2. */
int command_misused(const char *name);

/* "nanu NAME: message", detail and hint, to standard error; returns 1. */
int command_failed(const char *name, const struct err *err);
