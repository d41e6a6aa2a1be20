// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/boot-env.h"
#include "util/cleanup.h"
#include "util/io.h"

/* A block with these variables, as grub-editenv makes it. */
static struct boot_env block(const char *variables)
{
	struct boot_env env;
	char raw[BOOT_ENV_BYTES];
	int n = snprintf(raw, sizeof(raw), "# GRUB Environment Block\n%s", variables);

	memset(raw + n, '#', sizeof(raw) - (size_t)n);
	assert_int_equal(boot_env_parse(raw, sizeof(raw), &env, NULL), 0);
	return env;
}

static void assert_value(const struct boot_env *env, const char *name, const char *want)
{
	char value[64];

	assert_int_equal(boot_env_get(env, name, value, sizeof(value)), 0);
	assert_string_equal(value, want);
}

TEST(variables_are_found_by_their_whole_name)
{
	struct boot_env env = block("slot=a\ntries=2\n");
	char value[8];

	assert_value(&env, "slot", "a");
	assert_value(&env, "tries", "2");
	assert_int_equal(boot_env_get(&env, "try", value, sizeof(value)), -ENOENT);
	assert_int_equal(boot_env_get(&env, "ries", value, sizeof(value)), -ENOENT);
}

TEST(a_quoted_character_loses_its_quote)
{
	struct boot_env env = block("a=x\\\\y\\\nz\nb=1\n");

	assert_value(&env, "a", "x\\y\nz");
	assert_value(&env, "b", "1");
}

TEST(comments_are_passed_over_and_stay)
{
	struct boot_env env = block("# WARNING: a comment\n#slot=x\nslot=a\n");

	assert_value(&env, "slot", "a");
	assert_int_equal(boot_env_set(&env, "tries", "1", NULL), 0);
	assert_value(&env, "tries", "1");
	assert_memory_equal(env.raw + 25, "# WARNING: a comment\n#slot=x\nslot=a\ntries=1\n##", 46);
}

TEST(a_value_that_is_longer_than_the_room_is_cut)
{
	struct boot_env env = block("a=123456\n");
	char value[4];

	assert_int_equal(boot_env_get(&env, "a", value, sizeof(value)), 0);
	assert_string_equal(value, "123");
}

TEST(setting_keeps_the_others_and_the_size)
{
	struct boot_env env = block("slot=a\nunknown=kept\ntries=2\n");

	assert_int_equal(boot_env_set(&env, "slot", "b", NULL), 0);
	assert_int_equal(boot_env_set(&env, "tries", "10", NULL), 0);
	assert_int_equal(boot_env_set(&env, "good", "a", NULL), 0);
	assert_value(&env, "slot", "b");
	assert_value(&env, "unknown", "kept");
	assert_value(&env, "tries", "10");
	assert_value(&env, "good", "a");
	assert_int_equal(boot_env_parse(env.raw, sizeof(env.raw), &env, NULL), 0);
}

TEST(a_variable_that_is_taken_out_is_gone)
{
	struct boot_env env = block("fell=a\nslot=b\n"), want = block("slot=b\n");

	assert_int_equal(boot_env_set(&env, "fell", NULL, NULL), 0);
	assert_memory_equal(env.raw, want.raw, sizeof(env.raw));
	assert_int_equal(boot_env_set(&env, "fell", NULL, NULL), 0);
	/* However often it is there. */
	env = block("fell=a\nslot=b\nfell=b\n");
	assert_int_equal(boot_env_set(&env, "fell", NULL, NULL), 0);
	assert_memory_equal(env.raw, want.raw, sizeof(env.raw));
}

TEST(what_does_not_fit_changes_nothing)
{
	struct boot_env env = block("slot=a\n"), before = env;
	char big[BOOT_ENV_BYTES];

	memset(big, 'x', sizeof(big));
	big[BOOT_ENV_BYTES - 25 - strlen("slot=\n") + 1] = '\0';
	assert_int_equal(boot_env_set(&env, "slot", big, NULL), -ENOSPC);
	assert_memory_equal(env.raw, before.raw, sizeof(env.raw));
	/* A byte less and it does. */
	big[strlen(big) - 1] = '\0';
	assert_int_equal(boot_env_set(&env, "slot", big, NULL), 0);
	assert_int_equal(boot_env_set(&env, "slot", "b", NULL), 0);
	assert_value(&env, "slot", "b");
}

TEST(what_is_no_block_is_refused)
{
	struct boot_env env = block("slot=a\n");
	struct error err;

	assert_int_equal(boot_env_parse(env.raw, BOOT_ENV_BYTES - 1, &env, &err), -EINVAL);
	assert_string_equal(err.text, "is no environment block of GRUB");
	env.raw[3] = 'x';
	assert_int_equal(boot_env_parse(env.raw, BOOT_ENV_BYTES, &env, &err), -EINVAL);
	env = block("slot=a\n");
	memset(env.raw + 25, 'y', BOOT_ENV_BYTES - 25);
	assert_int_equal(boot_env_parse(env.raw, BOOT_ENV_BYTES, &env, &err), -EINVAL);
	assert_string_equal(err.text, "has a variable that does not end");
	env = block("slot=a\n");
	memcpy(env.raw + 25, "slot=\\\n", 7);
	assert_int_equal(boot_env_parse(env.raw, BOOT_ENV_BYTES, &env, &err), -EINVAL);
}

TEST(a_file_is_overwritten_where_it_is)
{
	char path[] = "/tmp/sill-boot-env-XXXXXX";
	struct boot_env env = block("slot=a\n"), again;
	cleanup_close int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(pwrite_all(fd, env.raw, sizeof(env.raw), 0), 0);
	assert_int_equal(boot_env_set(&env, "slot", "b", NULL), 0);
	assert_int_equal(boot_env_store(AT_FDCWD, path, &env, NULL), 0);
	/* Through the descriptor from before: the same file. */
	assert_int_equal(pread_all(fd, again.raw, sizeof(again.raw), 0), 0);
	assert_memory_equal(again.raw, env.raw, sizeof(env.raw));
	assert_int_equal(boot_env_load(AT_FDCWD, path, &again, NULL), 0);
	assert_value(&again, "slot", "b");
	unlink(path);
	assert_int_equal(boot_env_store(AT_FDCWD, path, &env, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(variables_are_found_by_their_whole_name),
		CASE(a_quoted_character_loses_its_quote),
		CASE(comments_are_passed_over_and_stay),
		CASE(a_value_that_is_longer_than_the_room_is_cut),
		CASE(setting_keeps_the_others_and_the_size),
		CASE(a_variable_that_is_taken_out_is_gone),
		CASE(what_does_not_fit_changes_nothing),
		CASE(what_is_no_block_is_refused),
		CASE(a_file_is_overwritten_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
