/*
 * The peer: corosync's CPG between two network namespaces, messages of 96 bytes. One
 * program is a member at both ends. Usage: cpg NAMESPACE NAMESPACE (as /run/netns/a);
 * commands as in path.h.
 */
#include <corosync/cpg.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "path.h"

#define MESSAGE_BYTES 96

static cpg_handle_t ends[2]; /* says; sees */
static int members;

static void deliver(cpg_handle_t h, const struct cpg_name *group, uint32_t node,
	uint32_t pid, void *message, size_t len)
{
	const struct path_item *item = message;

	(void)group;
	(void)node;
	(void)pid;
	if (h == ends[1] && len == MESSAGE_BYTES)
		path_seen(item->device, item->state);
}

static void changed(cpg_handle_t h, const struct cpg_name *group,
	const struct cpg_address *list, size_t n, const struct cpg_address *left,
	size_t nleft, const struct cpg_address *joined, size_t njoined)
{
	(void)group;
	(void)list;
	(void)left;
	(void)nleft;
	(void)joined;
	(void)njoined;
	if (h == ends[1])
		members = (int)n;
}

static void end_open(int i, const char *namespace)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1, .cpg_deliver_fn = deliver, .cpg_confchg_fn = changed};
	struct cpg_name group = {.length = 5, .value = "bench"};
	int fd = open(namespace, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		path_die(namespace, "cannot enter this network namespace");
	close(fd);
	if (cpg_model_initialize(&ends[i], CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL) !=
		CS_OK)
		path_die(namespace, "no corosync answers here");
	if (cpg_join(ends[i], &group) != CS_OK)
		path_die(namespace, "cannot join the group");
}

static int fds(struct pollfd *out)
{
	for (int i = 0; i < 2; i++) {
		out[i].events = POLLIN;
		cpg_fd_get(ends[1 - i], &out[i].fd);
	}
	return 2;
}

static int say(const struct path_item *items, int n)
{
	for (int i = 0; i < n; i++) {
		char message[MESSAGE_BYTES] = {0};
		struct iovec part = {message, sizeof(message)};
		cs_error_t is;

		memcpy(message, &items[i], sizeof(items[i]));
		is = cpg_mcast_joined(ends[0], CPG_TYPE_AGREED, &part, 1);
		if (is == CS_ERR_TRY_AGAIN)
			return i;
		if (is != CS_OK)
			path_die("cpg", "the message was not taken");
	}
	return n;
}

static void turn(const struct pollfd *polled)
{
	for (int i = 0; i < 2; i++) {
		if (polled[i].revents && cpg_dispatch(ends[1 - i], CS_DISPATCH_ALL) != CS_OK)
			path_die("cpg", "corosync is gone");
	}
}

int main(int argc, char **argv)
{
	static const struct path path = {fds, say, turn};
	int64_t until = path_now_us() + 20000000;

	if (argc != 3)
		path_die("usage", "cpg NAMESPACE NAMESPACE");
	end_open(0, argv[1]);
	end_open(1, argv[2]);
	while (members < 2) {
		path_step(&path, 100000);
		if (path_now_us() > until)
			path_die("cpg", "the two ends did not meet within 20 s");
	}
	return path_main(&path);
}
