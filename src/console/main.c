/* pgdevstate: the console's client. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "interactive.h"
#include "mem.h"
#include "migrate.h"
#include "options.h"
#include "run.h"

#define EXIT_USAGE 2

static const char usage_text[] =
	"Usage: pgdevstate [-C FILE | -s SOCKET] [--json] -r            interactive console\n"
	"       pgdevstate [-C FILE | -s SOCKET] [--json] -x 'COMMAND'  run one command\n"
	"       pgdevstate migrate [OPTIONS]                            bring the schema up "
	"to date\n"
	"\n"
	"  -C, --config FILE     the daemon's configuration, for its socket\n"
	"                        (default " PGDEVSTATE_CONF ")\n"
	"  -s, --socket SOCKET   the daemon's socket\n"
	"  -r, --remote          connect to the daemon; without a terminal: read commands, "
	"one a\n"
	"                        line, from the standard input\n"
	"  -x, --execute COMMAND run COMMAND and leave\n"
	"      --json            answers as JSON, for programs\n"
	"  -V, --version         show the version\n"
	"  -h, --help            show this\n"
	"\n"
	"Exit status: 0: done; 1: the command failed; 2: wrong usage, or no connection.\n"
	"Commands: pgdevstate -x help\n";

struct arguments {
	const char *config, *socket, *command;
	bool remote, json;
};

enum long_only { OPTION_JSON = 256 };

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'C'},
	{"socket", required_argument, NULL, 's'},
	{"remote", no_argument, NULL, 'r'},
	{"execute", required_argument, NULL, 'x'},
	{"json", no_argument, NULL, OPTION_JSON},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int usage(const char *problem)
{
	fprintf(stderr, "pgdevstate: %s\n%s", problem, usage_text);
	return EXIT_USAGE;
}

/* A socket must not become "standard output" because that was closed. */
static void keep_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Of -s, or of the daemon's configuration. The caller frees it; NULL: it was told why. */
static char *find_socket(const struct arguments *a)
{
	struct buf errors;
	char *path;

	if (a->socket)
		return mem_strdup(a->socket);
	buf_init(&errors);
	path = options_read_socket(a->config ? a->config : PGDEVSTATE_CONF, &errors);
	if (!path)
		fprintf(stderr, "%spgdevstate: which socket? Give -C FILE or -s SOCKET\n",
			buf_str(&errors));
	buf_clear(&errors);
	return path;
}

static int run(const struct arguments *a)
{
	char *path = find_socket(a);
	int status;

	if (!path)
		return EXIT_USAGE;
	if (a->command)
		status = run_once(path, a->json, a->command);
	else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		status = interactive_run(path, a->json);
	else
		status = run_script(path, a->json, stdin);
	free(path);
	return status;
}

/* -1: go on; else leave with this status. */
static int take_option(struct arguments *a, int c)
{
	switch (c) {
	case 'C':
		a->config = optarg;
		return -1;
	case 's':
		a->socket = optarg;
		return -1;
	case 'r':
		a->remote = true;
		return -1;
	case 'x':
		if (a->command)
			return usage("-x can be given once");
		a->command = optarg;
		return -1;
	case OPTION_JSON:
		a->json = true;
		return -1;
	case 'V':
		printf("pgdevstate %s\n", PGDEVSTATE_VERSION);
		return 0;
	case 'h':
		fputs(usage_text, stdout);
		return 0;
	default:
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
}

/* "-C FILE migrate ..." is "migrate -C FILE ...". */
static int migrate_behind_options(const struct arguments *a, int argc, char **argv)
{
	char *migrate = argv[optind];

	if (a->socket || a->remote || a->command || a->json)
		return usage("in front of migrate there can be -C FILE and nothing else");
	memmove(argv + 2, argv + 1, (size_t)(optind - 1) * sizeof(*argv));
	argv[1] = migrate;
	optind = 0; /* getopt() begins anew */
	return migrate_command(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	struct arguments a = {.config = NULL};
	int c;

	keep_standard_files();
	if (argc > 1 && strcmp(argv[1], "migrate") == 0)
		return migrate_command(argc - 1, argv + 1);
	while ((c = getopt_long(argc, argv, "+C:s:rx:Vh", long_options, NULL)) != -1) {
		int status = take_option(&a, c);
		if (status >= 0)
			return status;
	}
	if (optind < argc && strcmp(argv[optind], "migrate") == 0)
		return migrate_behind_options(&a, argc, argv);
	if (optind < argc)
		return usage(
			"an argument that is no option (a command goes behind -x, in quotes)");
	if (!a.remote && !a.command)
		return usage("give -r or -x 'COMMAND'");
	if (a.config && a.socket)
		return usage("give -C or -s, not both");
	return run(&a);
}
