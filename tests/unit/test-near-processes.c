// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The near store among processes that are killed, and on a real file system that is full.
 */
#include "tests/unit/near-fixture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/bits.h"

#define B      NEAR_BLOCK
#define BLOCKS 64u

static uint64_t page[16 * B / 8];

static const void *repeat(uint64_t word, unsigned int blocks)
{
	for (unsigned int i = 0; i < blocks * B / 8; i++)
		page[i] = word;
	return page;
}

/* The number that a block holds everywhere; false: it is far. */
static bool look(struct near *near, uint64_t block, uint64_t *ret)
{
	static uint64_t got[B / 8];
	uint64_t missing;
	int r = near_read(near, got, B, block * B, &missing, NULL);

	if (r == -ENODATA)
		return false;
	assert_int_equal(r, 0);
	for (unsigned int i = 1; i < B / 8; i++)
		assert_true(got[i] == got[0]);
	*ret = got[0];
	return true;
}

static uint64_t far_word(uint64_t block)
{
	return UINT64_MAX - block;
}

/* Write number after number, flush now and then, and tell the parent what is durable. */
static void write_for_ever(const struct near_fixture *f, uint64_t number, int tell)
{
	struct near *near;

	if (near_open(&f->options, &near, NULL) < 0)
		_exit(1);
	for (;; number++) {
		if (near_write(near, repeat(number, 1), B, number % BLOCKS * B, NULL) < 0)
			_exit(2);
		if (near_fill(near, repeat(far_word(BLOCKS + number % BLOCKS), 1), B,
		              (BLOCKS + number % BLOCKS) * B, NULL) < 0)
			_exit(3);
		if (number % 8 == 7 && (near_flush(near, NULL) < 0 ||
		                        write(tell, &number, sizeof(number)) != sizeof(number)))
			_exit(4);
	}
}

static void fill_for_ever(const struct near_fixture *f)
{
	struct near_options options = f->options;
	struct near *near;

	options.n_layers = 0;
	options.commit_ms = 1;
	if (near_open(&options, &near, NULL) < 0)
		_exit(1);
	for (uint64_t i = 0;; i++)
		if (near_fill(near, repeat(far_word(i % (2 * BLOCKS)), 1), B, i % (2 * BLOCKS) * B,
		              NULL) < 0)
			_exit(2);
}

static void end(pid_t child)
{
	int status;

	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	/* It did not end by itself. */
	assert_true(WIFSIGNALED(status));
}

/* Everything up to number `durable` is there, and nothing but what was written. */
static uint64_t check_written(const struct near_fixture *f, uint64_t durable)
{
	struct near *near = fixture_open(f);
	uint64_t newest = 0;

	for (uint64_t block = 0; block < 2 * BLOCKS; block++) {
		uint64_t word;

		if (!look(near, block, &word)) {
			assert_true(block >= BLOCKS || durable < block);
			continue;
		}
		if (word == far_word(block)) {
			assert_true(block >= BLOCKS || durable < block);
			continue;
		}
		assert_true(block < BLOCKS && word % BLOCKS == block);
		assert_true(word + BLOCKS > durable);
		newest = max_u64(newest, word);
	}
	near_close(near);
	return newest;
}

TEST(a_killed_process_loses_nothing_flushed_and_does_not_disturb_its_neighbour)
{
	struct near_fixture f;
	uint64_t number = 0, durable = 0;
	pid_t neighbour;

	fixture_make(&f, 2 * BLOCKS * B, 1);
	f.options.commit_ms = 3;
	neighbour = fork();
	if (neighbour == 0)
		fill_for_ever(&f);
	for (unsigned int round = 0; round < 12; round++) {
		int tell[2];
		pid_t child;

		assert_int_equal(pipe(tell), 0);
		child = fork();
		if (child == 0)
			write_for_ever(&f, number, tell[1]);
		close(tell[1]);
		for (unsigned int i = 0; i <= round % 5; i++)
			assert_int_equal(read(tell[0], &durable, sizeof(durable)), sizeof(durable));
		end(child);
		/* What it said between our last look and its end counts too. */
		while (read(tell[0], &durable, sizeof(durable)) == sizeof(durable))
			;
		close(tell[0]);
		number = max_u64(check_written(&f, durable), durable) + 1;
		if (round % 4 == 3) {
			end(neighbour);
			neighbour = fork();
			if (neighbour == 0)
				fill_for_ever(&f);
		}
	}
	end(neighbour);
	fixture_remove(&f);
}

/* In a small file system of this process alone; false where that is not allowed. */
static bool mount_small(const char *dir)
{
	uid_t uid = getuid();
	char line[64];
	int fd;

	if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	if (uid != 0) {
		fd = open("/proc/self/uid_map", O_WRONLY);
		snprintf(line, sizeof(line), "0 %u 1", uid);
		if (fd < 0 || write(fd, line, strlen(line)) < 0)
			return false;
		close(fd);
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("small", dir, "tmpfs", 0, "size=1m") == 0;
}

/* In a process of its own: 0 as it should be, 77 not possible here. */
static int fill_up(struct near_fixture *f)
{
	unsigned int n = 0, again = 0;
	struct near *near;
	uint64_t word;
	struct error err;

	if (!mount_small(f->dir))
		return 77;
	if (near_layer_create(f->layer[0], f->options.image_id, f->options.size, NULL) < 0 ||
	    near_open(&f->options, &near, NULL) < 0)
		return 1;
	while (near_write(near, repeat(n + 1, 1), B, n * (uint64_t)B, &err) == 0)
		n++;
	if (err.code != ENOSPC || n < 100)
		return 2;
	if (near_fill(near, repeat(5, 1), B, 2000 * (uint64_t)B, NULL) != -ENOSPC)
		return 3;
	if (near_flush(near, NULL) < 0)
		return 4;
	near_close(near);
	if (near_open(&f->options, &near, NULL) < 0)
		return 5;
	for (uint64_t i = 0; i < n; i++)
		if (!look(near, i, &word) || word != i + 1)
			return 6;
	if (look(near, n, &word))
		return 7;
	if (near_zero(near, 50 * (uint64_t)B, 0, NULL) < 0)
		return 8;
	while (near_write(near, repeat(9, 1), B, (1000 + again) * (uint64_t)B, NULL) == 0)
		again++;
	if (again < 50 || near_flush(near, NULL) < 0)
		return 9;
	near_close(near);
	return 0;
}

TEST(a_full_file_system_fails_writes_and_keeps_what_was_written)
{
	struct near_fixture f;
	int status;
	pid_t child;

	fixture_make(&f, 4096 * B, 0);
	f.options.n_layers = 1;
	child = fork();
	if (child == 0)
		_exit(fill_up(&f));
	assert_int_equal(waitpid(child, &status, 0), child);
	fixture_remove(&f);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_killed_process_loses_nothing_flushed_and_does_not_disturb_its_neighbour),
		CASE(a_full_file_system_fails_writes_and_keeps_what_was_written),
	};

	return cmocka_run_group_tests_name("near-processes", tests, NULL, NULL);
}
