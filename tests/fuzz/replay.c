/*
 * Runs a fuzz target without libFuzzer, the same way each time: replay FILE|DIRECTORY...
 * Each file as it is, cut at places all over it, and with bytes changed by a fixed seed.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

#define CUTS    16
#define CHANGES 24

static unsigned long runs;
static uint64_t seed;

static uint32_t next_random(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

static void run(const char *bytes, size_t len)
{
	char *copy = fuzz_copy(bytes, len);

	LLVMFuzzerTestOneInput((uint8_t *)copy, len);
	free(copy);
	runs++;
}

static void run_changed(const char *bytes, size_t len)
{
	static const char sharp[] = "\0\n\t ;,|()[]{}$\"\\=@&-+09aZ\x7f\x80\xc3\xff";
	char *copy = fuzz_copy(bytes, len);

	for (uint32_t n = 1 + next_random(4); n > 0; n--)
		copy[next_random((uint32_t)len)] = sharp[next_random(sizeof(sharp) - 1)];
	run(copy, len);
	free(copy);
}

static void replay_bytes(const char *bytes, size_t len)
{
	run(bytes, len);
	for (size_t i = 0; i < CUTS && len > 0; i++)
		run(bytes, len * i / CUTS);
	for (int i = 0; i < CHANGES && len > 0; i++)
		run_changed(bytes, len);
}

static int replay_file(const char *path)
{
	char bytes[65536];
	FILE *f = fopen(path, "rb");
	size_t len;

	if (!f) {
		perror(path);
		return 1;
	}
	len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	seed = len; /* a file does not depend on those before it */
	replay_bytes(bytes, len);
	return 0;
}

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int replay_directory(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, not_hidden, alphasort), failed = n <= 0;
	char file[4096];

	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		failed |= replay_file(file);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	else
		perror(path);
	return failed;
}

int main(int argc, char **argv)
{
	struct stat st;
	int failed = argc < 2;

	for (int i = 1; i < argc; i++)
		failed |= stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)
					  ? replay_directory(argv[i])
					  : replay_file(argv[i]);
	printf("%lu runs\n", runs);
	return failed;
}
