#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app/add_replica.h"
#include "app/agent.h"
#include "app/command.h"
#include "app/playground.h"
#include "app/remove_replica.h"
#include "app/serve.h"
#include "app/status.h"
#include "app/switchover.h"
#include "base/mem.h"

static const struct command commands[] = {
	{ "serve", serve_main, "run the router that a configuration file describes", serve_usage },
	{ "playground", playground_main, "start local PostgreSQL servers, the router, and a sharded shop to play with",
	  playground_usage },
	{ "add-replica", add_replica_main, "make a replica of a shard on this machine, while everything runs", add_replica_usage },
	{ "remove-replica", remove_replica_main, "take away a replica that was added", remove_replica_usage },
	{ "switchover", switchover_main, "have another node of a shard lead, without an error for anybody", switchover_usage },
	{ "agent", agent_main, "run the node on this machine: start, stop, promote and rewind it", agent_usage },
	{ "status", status_main, "show what a running router says of itself", status_usage },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]), NAME_SIZE = 32 };

static int print_version(void)
{
	puts("nanu " NANU_VERSION);
	return 0;
}

static void print_commands(FILE *out)
{
	fputs("nanu: one port over many PostgreSQL servers\n\nUsage: nanu COMMAND [OPTION ...]\n\n", out);
	for (int i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-15s %s\n", commands[i].name, commands[i].summary);
	fputs("\n'nanu COMMAND --help' (or -h) describes a command; 'nanu --version' says which nanu this is.\n", out);
}

/* --help (-h) and --version mean the same everywhere, so no subcommand has to know them. What follows "--" is not an option. */
static bool asks_for(int argc, char **argv, const char *option, const char *short_option)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], option) == 0 || strcmp(argv[i], short_option) == 0)
			return true;
	return false;
}

static int run(const struct command *command, int argc, char **argv)
{
	char name[NAME_SIZE];

	if (asks_for(argc, argv, "--help", "-h")) {
		fputs(command->usage, stdout);
		return 0;
	}
	if (asks_for(argc, argv, "--version", "--version"))
		return print_version();
	snprintf(name, sizeof(name), "nanu %s", command->name);
	argv[0] = name;                 /* what getopt begins its complaints with */
	return command->main(argc, argv);
}

int main(int argc, char **argv)
{
	mem_start();
	if (argc < 2) {
		print_commands(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--version") == 0)
		return print_version();
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_commands(stdout);
		return 0;
	}
	for (int i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return run(&commands[i], argc - 1, argv + 1);
	fprintf(stderr, "nanu: there is no command '%s'. Try 'nanu --help'.\n", argv[1]);
	return 2;
}
