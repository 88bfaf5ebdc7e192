/* mem.c: zeroed memory, copies, and the end of the process when there is none left. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "mem.h"

static void test_alloc_is_zeroed(void **state)
{
	char *p = mem_alloc(1000);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	free(p);
}

static void test_zero_bytes_are_a_pointer(void **state)
{
	void *p = mem_alloc(0);

	(void)state;
	assert_non_null(p);
	p = mem_realloc(p, 0);
	assert_non_null(p);
	free(p);
}

static void test_realloc_keeps(void **state)
{
	char *p = mem_realloc(NULL, 4);

	(void)state;
	memcpy(p, "abc", 4);
	p = mem_realloc(p, 100000);
	assert_string_equal(p, "abc");
	free(p);
}

static void test_copies(void **state)
{
	char *a = mem_strdup("Custom:mystate"), *b = mem_strndup("abcdef", 3);
	char *c = mem_strndup("ab", 100), *d = mem_printf("%s-%d", "x", 42);

	(void)state;
	assert_string_equal(a, "Custom:mystate");
	assert_string_equal(b, "abc");
	assert_string_equal(c, "ab");
	assert_string_equal(d, "x-42");
	free(a);
	free(b);
	free(c);
	free(d);
}

static void test_strndup_does_not_read_beyond_len(void **state)
{
	char *three = malloc(3), *copy;

	(void)state;
	memcpy(three, "abc", 3); /* no NUL: the sanitizer would see a read behind it */
	copy = mem_strndup(three, 3);
	assert_string_equal(copy, "abc");
	free(copy);
	free(three);
}

/* More than there is: a message on stderr and a status of its own, no crash. */
static void test_out_of_memory_says_so(void **state)
{
	int pipes[2], status;
	char text[200];
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		volatile size_t huge = SIZE_MAX / 2;

		dup2(pipes[1], STDERR_FILENO);
		free(mem_alloc(huge));
		_exit(0);
	}
	close(pipes[1]);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_OSERR);
	memset(text, 0, sizeof(text));
	while ((n = read(pipes[0], text, sizeof(text) - 1)) > 0)
		if (strstr(text, "out of memory"))
			break;
	close(pipes[0]);
	assert_non_null(strstr(text, "out of memory"));
}

/* The sanitizer would otherwise end the child itself, before mem.c sees a NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc_is_zeroed),
		cmocka_unit_test(test_zero_bytes_are_a_pointer),
		cmocka_unit_test(test_realloc_keeps),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_strndup_does_not_read_beyond_len),
		cmocka_unit_test(test_out_of_memory_says_so),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
