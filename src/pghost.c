/* Layer 0: the hosts that a conninfo lists. */
#include "pghost.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mem.h"

#define PORT_DEFAULT "5432"

static int list_count(const char *list)
{
	int n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

/* The i-th element, or the only one. NULL when it is empty. */
static char *list_get(const char *list, int i)
{
	if (!list)
		return NULL;
	if (list_count(list) == 1)
		i = 0;
	while (i-- > 0)
		list = strchr(list, ',') + 1;
	return *list && *list != ',' ? mem_strndup(list, strcspn(list, ",")) : NULL;
}

static bool port_is_good(const char *port)
{
	char *end;
	long n;

	if (!port)
		return true;
	n = strtol(port, &end, 10);
	return !*end && n >= 1 && n <= 65535;
}

static const char *empty_is_null(const char *s)
{
	return s && *s ? s : NULL;
}

static bool pghost_check(const struct pghost *h, int i, int n, char **error)
{
	if (n > 1 && !h->host && !h->hostaddr)
		*error =
			mem_printf("entry %d of the list of hosts is empty: name a host there or "
					   "remove the comma",
				i + 1);
	else if (!port_is_good(h->port))
		*error = mem_printf("port \"%s\" is not a number from 1 to 65535", h->port);
	else
		return true;
	return false;
}

bool pghosts_parse(const char *host, const char *hostaddr, const char *port,
	struct pghosts *out, char **error)
{
	*out = (struct pghosts){0};
	host = empty_is_null(host);
	hostaddr = empty_is_null(hostaddr);
	port = empty_is_null(port);
	out->n = hostaddr ? list_count(hostaddr) : host ? list_count(host) : 1;
	out->list = mem_alloc((size_t)out->n * sizeof(*out->list));
	if (host && hostaddr && list_count(host) != out->n) {
		*error = mem_printf(
			"host lists %d and hostaddr %d: as many of each", list_count(host), out->n);
		pghosts_clear(out);
		return false;
	}
	if (port && list_count(port) != 1 && list_count(port) != out->n) {
		*error = mem_printf("port lists %d for %d hosts: one for all or one for each",
			list_count(port), out->n);
		pghosts_clear(out);
		return false;
	}
	for (int i = 0; i < out->n; i++) {
		struct pghost *h = &out->list[i];

		*h = (struct pghost){list_get(host, i), list_get(hostaddr, i), list_get(port, i)};
		if (!pghost_check(h, i, out->n, error)) {
			pghosts_clear(out);
			return false;
		}
	}
	return true;
}

void pghosts_clear(struct pghosts *h)
{
	for (int i = 0; i < h->n; i++) {
		free(h->list[i].host);
		free(h->list[i].hostaddr);
		free(h->list[i].port);
	}
	free(h->list);
	*h = (struct pghosts){0};
}

static bool host_is_socket(const char *host)
{
	return *host == '/' || *host == '@';
}

bool pghost_is_name(const struct pghost *h)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *ai;

	if (!h->host || h->hostaddr || host_is_socket(h->host))
		return false;
	if (getaddrinfo(h->host, NULL, &hints, &ai) != 0)
		return true;
	freeaddrinfo(ai);
	return false;
}

void pghost_print(
	const char *host, const char *address, const char *port, struct buf *out)
{
	const char *name = host && *host ? host : address && *address ? address : NULL;

	if (!port || !*port)
		port = PORT_DEFAULT;
	if (!name)
		buf_addf(out, "the default socket, port %s", port);
	else if (host_is_socket(name))
		buf_addf(out, "%s/.s.PGSQL.%s", name, port);
	else if (strchr(name, ':'))
		buf_addf(out, "[%s]:%s", name, port);
	else
		buf_addf(out, "%s:%s", name, port);
	if (name && name == host && address && *address && strcmp(host, address) != 0)
		buf_addf(out, " (%s)", address);
}
