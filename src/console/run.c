/* The client without a terminal: one command, or a script of them. */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

static void show(FILE *out, const struct frame *f)
{
	fwrite(f->data, 1, f->len, out);
	if (f->type == FRAME_LOG)
		fputc('\n', out);
}

static bool lost(const struct remote *s, const char *why)
{
	fflush(stdout);
	fprintf(stderr, "pgdevstate: %s (%s): %s\n", s->system_name, s->path, why);
	return false;
}

/* False: it was the last frame of the command. */
static bool got_frame(const struct frame *f, int *status)
{
	switch (f->type) {
	case FRAME_OUT:
	case FRAME_LOG:
		show(stdout, f);
		return true;
	case FRAME_ERR:
		fflush(stdout);
		show(stderr, f);
		return true;
	case FRAME_END:
		*status = strcmp(f->data, "0") == 0 ? EXIT_DONE : EXIT_COMMAND_FAILED;
		fflush(stdout);
		return false;
	default:
		return true;
	}
}

bool run_command(
	struct remote *s, const char *command, volatile int *interrupted, int *status)
{
	const char *why = "it closed the connection";
	size_t len = strlen(command);
	struct frame f;

	*status = EXIT_COMMAND_FAILED;
	if (len > FRAME_MAX_BYTES) {
		fprintf(
			stderr, "pgdevstate: the command is longer than %d bytes\n", FRAME_MAX_BYTES);
		return true;
	}
	if (!remote_send(s, FRAME_RUN, command, len))
		return lost(s, why);
	while (true) {
		enum remote_got got = remote_next(s, -1, &f, &why);
		if (got == REMOTE_CLOSED)
			return lost(s, why);
		if (interrupted && *interrupted) {
			*interrupted = 0;
			remote_send(s, FRAME_CANCEL, "", 0);
		}
		if (got == REMOTE_NOTHING)
			continue;
		if (f.type == FRAME_BYE)
			return lost(s, f.data);
		if (!got_frame(&f, status))
			return true;
	}
}

static struct remote *connect_or_tell(const char *path, const char *mode, bool json)
{
	char *error = NULL;
	struct remote *s = remote_open(path, mode, json, &error);

	if (!s)
		fprintf(stderr, "pgdevstate: %s\n", error);
	free(error);
	return s;
}

/* Output that could not be written must not look like success. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "pgdevstate: cannot write the output: %s\n", strerror(errno));
	return EXIT_COMMAND_FAILED;
}

int run_once(const char *path, bool json, const char *command)
{
	struct remote *s = connect_or_tell(path, "once", json);
	int status;

	if (!s)
		return EXIT_NOT_CONNECTED;
	run_command(s, command, NULL, &status);
	remote_close(s);
	return finish(status);
}

static bool is_leaving(const char *line)
{
	return strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0;
}

int run_script(const char *path, bool json, FILE *in)
{
	struct remote *s = connect_or_tell(path, "script", json);
	int status, worst = EXIT_DONE;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (!s)
		return EXIT_NOT_CONNECTED;
	while ((len = getline(&line, &cap, in)) >= 0) {
		line[len > 0 && line[len - 1] == '\n' ? len - 1 : len] = '\0';
		if (is_leaving(line))
			break;
		bool connected = run_command(s, line, NULL, &status);
		if (status != EXIT_DONE)
			worst = status;
		if (!connected)
			break;
	}
	free(line);
	remote_close(s);
	return finish(worst);
}
