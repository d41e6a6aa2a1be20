// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/boot-env.h"
#include "host/health.h"
#include "machine/tree.h"
#include "util/cleanup.h"
#include "util/io.h"

static const struct health good = { .beneath = true, .module = true, .data_kept = true };

static void assert_verdict(const struct health *health, const char *want)
{
	const char *verdict = health_verdict(health);

	if (want)
		assert_string_equal(verdict, want);
	else
		assert_null(verdict);
}

TEST(a_start_is_good_when_hypervisor_module_and_data_are_there)
{
	assert_verdict(&good, NULL);
}

TEST(each_thing_that_is_missing_has_its_sentence)
{
	struct health health = good;

	health.data_kept = false;
	assert_verdict(&health, "the data partition cannot be used");
	health = good;
	health.data_error = ENOSPC;
	assert_verdict(&health, "nothing can be written to the data partition");
	health = good;
	health.module = false;
	assert_verdict(&health, "the hypervisor's module was not loaded");
	health = (struct health){ .data_kept = true, .has_svm = true };
	assert_verdict(&health, "the hypervisor did not start");
}

TEST(without_amd_v_and_when_told_so_no_hypervisor_is_good)
{
	struct health none = { .data_kept = true };
	struct health bare = { .data_kept = true, .bare = true, .has_svm = true };

	assert_verdict(&none, NULL);
	assert_verdict(&bare, NULL);
}

/* A host in a folder: its command line, and an environment block in /grubenv. */
struct ground {
	char dir[64];
	struct host_root root;
	struct state *state;
};

static void write_at(const struct ground *ground, const char *path, const void *data, size_t len)
{
	assert_int_equal(replace_file(ground->root.dirfd, path, data, len, 0644, NULL), 0);
}

static int set_up(void **state)
{
	struct ground *ground = calloc(1, sizeof(*ground));
	char raw[BOOT_ENV_BYTES];
	int n = snprintf(raw, sizeof(raw), "# GRUB Environment Block\nslot=b\ntries=1\nx=y\n");

	assert_non_null(ground);
	snprintf(ground->dir, sizeof(ground->dir), "/tmp/sill-host-XXXXXX");
	assert_non_null(mkdtemp(ground->dir));
	ground->root.dirfd = open(ground->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ground->root.sill = "dev-sill";
	assert_int_equal(mkdirat(ground->root.dirfd, "proc", 0755), 0);
	memset(raw + n, '#', sizeof(raw) - (size_t)n);
	write_at(ground, "grubenv", raw, sizeof(raw));
	setenv("SILL_STATE", ground->dir, 1);
	assert_int_equal(state_open(&ground->state, NULL), 0);
	*state = ground;
	return 0;
}

static int tear_down(void **state)
{
	struct ground *ground = *state;
	state_close(ground->state);
	close(ground->root.dirfd);
	assert_int_equal(tree_remove(AT_FDCWD, ground->dir, NULL), 0);
	free(ground);
	return 0;
}

static void assert_env(const struct ground *ground, const char *name, const char *want)
{
	struct boot_env env;
	char value[16];

	assert_int_equal(boot_env_load(ground->root.dirfd, "grubenv", &env, NULL), 0);
	if (!want) {
		assert_int_equal(boot_env_get(&env, name, value, sizeof(value)), -ENOENT);
		return;
	}
	assert_int_equal(boot_env_get(&env, name, value, sizeof(value)), 0);
	assert_string_equal(value, want);
}

static void a_good_start_is_confirmed(void **state)
{
	struct ground *ground = *state;
	static const char line[] = "boot=sill sill.slot=b sill.bare ro\n";

	write_at(ground, "proc/cmdline", line, strlen(line));
	assert_int_equal(host_confirm(&ground->root, ground->state, "grubenv", NULL), 0);
	assert_env(ground, "tries", "0");
	assert_env(ground, "good", "b");
	assert_env(ground, "x", "y");
}

static void a_start_without_its_data_is_not(void **state)
{
	struct ground *ground = *state;
	static const char line[] = "sill.bare sill.slot=b\n";
	struct error err;

	write_at(ground, "proc/cmdline", line, strlen(line));
	assert_int_equal(mkdirat(ground->root.dirfd, "run", 0755), 0);
	assert_int_equal(mkdirat(ground->root.dirfd, "run/sill", 0755), 0);
	write_at(ground, HOST_WITHOUT_DATA, "", 0);
	assert_int_equal(host_confirm(&ground->root, ground->state, "grubenv", &err), -EHOSTDOWN);
	assert_string_equal(err.text,
	                    "this start is not healthy: the data partition cannot be used");
	assert_env(ground, "tries", "1");
	assert_env(ground, "good", NULL);
}

static void another_computer_is_no_sill_pc(void **state)
{
	struct ground *ground = *state;

	write_at(ground, "proc/cmdline", "quiet\n", 6);
	assert_int_equal(host_confirm(&ground->root, ground->state, "grubenv", NULL), -ENODEV);
	assert_env(ground, "tries", "1");
}

static void a_word_is_found_by_its_whole_name(void **state)
{
	struct ground *ground = *state;
	static const char line[] = "x.sill.slot=a sill.slots=c sill.slot=b sill.bare\n";
	char value[8];

	write_at(ground, "proc/cmdline", line, strlen(line));
	assert_int_equal(host_word(&ground->root, "sill.slot", value, sizeof(value)), 0);
	assert_string_equal(value, "b");
	assert_int_equal(host_word(&ground->root, "sill.bare", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(host_word(&ground->root, "sill.slo", value, sizeof(value)), -ENOENT);
}

#define ON_GROUND(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_start_is_good_when_hypervisor_module_and_data_are_there),
		CASE(each_thing_that_is_missing_has_its_sentence),
		CASE(without_amd_v_and_when_told_so_no_hypervisor_is_good),
		ON_GROUND(a_good_start_is_confirmed),
		ON_GROUND(a_start_without_its_data_is_not),
		ON_GROUND(another_computer_is_no_sill_pc),
		ON_GROUND(a_word_is_found_by_its_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
