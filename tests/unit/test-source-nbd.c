// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The NBD source against nbdkit, which is started and killed here.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/source/source.h"
#include "util/clock.h"
#include "util/io.h"

#define SIZE (8 * 1024 * 1024)

struct fixture {
	char dir[32], image[48], socket[48], url[80];
	pid_t server;
	struct source *src;
	struct error err;
	uint8_t *data, *buf;
};

static const struct source_options quick = { .stall_ms = 5000, .deadline_ms = 20000 };

/* Start nbdkit and wait until its socket is there. */
static void start(struct fixture *f, const char *filter, const char *setting)
{
	const char *argv[] = { "nbdkit", "-f",   "-U",     f->socket, "-r", "--filter",
		               filter,   "file", f->image, setting,   NULL };
	int watch = inotify_init1(IN_CLOEXEC);
	char event[512];

	assert_true(watch >= 0 && inotify_add_watch(watch, f->dir, IN_CREATE) >= 0);
	f->server = fork();
	assert_true(f->server >= 0);
	if (f->server == 0) {
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	for (bool there = false; !there;) {
		struct pollfd wait = { .fd = watch, .events = POLLIN };

		assert_int_equal(poll(&wait, 1, 30000), 1);
		assert_true(read(watch, event, sizeof(event)) > 0);
		there = access(f->socket, F_OK) == 0;
	}
	close(watch);
}

static void stop(struct fixture *f)
{
	if (f->server <= 0)
		return;
	kill(f->server, SIGKILL);
	waitpid(f->server, NULL, 0);
	unlink(f->socket);
	f->server = 0;
}

static void write_image(struct fixture *f)
{
	int fd = open(f->image, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	/* The second quarter is a hole. */
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pwrite_all(fd, f->data, SIZE / 4, 0), 0);
	assert_int_equal(pwrite_all(fd, f->data + SIZE / 2, SIZE / 2, SIZE / 2), 0);
	close(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/test-nbd-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->image, sizeof(f->image), "%s/image", f->dir);
	snprintf(f->socket, sizeof(f->socket), "%s/socket", f->dir);
	snprintf(f->url, sizeof(f->url), "nbd+unix://?socket=%s", f->socket);
	f->data = calloc(1, SIZE);
	f->buf = calloc(1, SIZE);
	for (size_t i = 0; i < SIZE; i++)
		if (i / (SIZE / 4) != 1)
			f->data[i] = (uint8_t)(i * 31 + i / 4096);
	write_image(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	source_close(f->src);
	stop(f);
	unlink(f->image);
	rmdir(f->dir);
	free(f->data);
	free(f->buf);
	free(f);
	return 0;
}

static struct fixture *opened(void **state)
{
	struct fixture *f = *state;

	start(f, "noextents", NULL);
	if (source_open(f->url, &quick, &f->src, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return f;
}

static void reads(struct fixture *f, size_t len, uint64_t off)
{
	memset(f->buf, 0xee, len);
	if (source_read(f->src, f->buf, len, off, NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_memory_equal(f->buf, f->data + off, len);
}

#define NBD_TEST(name) static void name(void **state)
#define NBD_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

NBD_TEST(an_export_is_read_and_known_by_a_sample)
{
	struct fixture *f = opened(state);

	assert_int_equal(f->src->identity.size, SIZE);
	assert_memory_not_equal(f->src->identity.sample, (uint8_t[32]){ 0 }, 32);
	assert_string_equal(f->src->name, f->url);
	reads(f, SIZE, 0);
	reads(f, 1, SIZE - 1);
	reads(f, 4097, 511);
	assert_int_equal(source_read(f->src, f->buf, 2, SIZE - 1, NULL, &f->err), -EINVAL);
}

NBD_TEST(a_server_with_blocks_and_a_limit_gets_what_it_wants)
{
	struct fixture *f = *state;

	start(f, "blocksize-policy", "blocksize-minimum=4096");
	if (source_open(f->url, &quick, &f->src, &f->err) < 0)
		fail_msg("%s", f->err.text);
	reads(f, 3, 4095);
	reads(f, 100000, 77);
	reads(f, SIZE, 0);
}

NBD_TEST(holes_of_an_export_are_known_to_be_zero)
{
	struct fixture *f = *state;
	enum source_extent kind;
	uint64_t len;

	start(f, "log", "logfile=/dev/null");
	if (source_open(f->url, &quick, &f->src, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(source_extent(f->src, 0, SIZE, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_DATA);
	assert_int_equal(len, SIZE / 4);
	assert_int_equal(source_extent(f->src, SIZE / 4 + 5, SIZE, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_ZERO);
	assert_int_equal(len, SIZE / 4 - 5);
	assert_int_equal(source_extent(f->src, SIZE / 4, 7, &kind, &len, &f->err), 0);
	assert_int_equal(len, 7);
}

NBD_TEST(an_export_without_extents_is_all_data)
{
	struct fixture *f = opened(state);
	enum source_extent kind;
	uint64_t len;

	assert_int_equal(source_extent(f->src, SIZE / 4, SIZE / 4, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_DATA);
	assert_true(len > 0);
}

NBD_TEST(a_lost_connection_is_made_again)
{
	struct fixture *f = opened(state);

	reads(f, 4096, 0);
	stop(f);
	assert_true(source_read(f->src, f->buf, 4096, 0, NULL, &f->err) < 0);
	assert_non_null(strstr(f->err.text, f->socket));
	start(f, "noextents", NULL);
	reads(f, 4096, 8192);
	/* Killed and back between two reads: the reader does not notice. */
	stop(f);
	start(f, "noextents", NULL);
	reads(f, 4096, 4096);
}

NBD_TEST(another_export_behind_the_same_name_is_stale)
{
	struct fixture *f = opened(state);

	stop(f);
	f->data[0] ^= 1;
	write_image(f);
	start(f, "noextents", NULL);
	assert_int_equal(source_read(f->src, f->buf, 4096, 0, NULL, &f->err), -ESTALE);
	assert_non_null(strstr(f->err.text, "the export was changed on the server"));
	assert_int_equal(source_read(f->src, f->buf, 4096, 4096, NULL, &f->err), -ESTALE);
}

NBD_TEST(a_server_that_fails_is_told)
{
	struct fixture *f = *state;

	start(f, "error", "error-pread-rate=0%");
	if (source_open(f->url, &quick, &f->src, &f->err) < 0)
		fail_msg("%s", f->err.text);
	stop(f);
	start(f, "error", "error-pread-rate=100%");
	assert_true(source_read(f->src, f->buf, 4096, 0, NULL, &f->err) < 0);
	assert_non_null(strstr(f->err.text, f->socket));
}

/* Stop the server, all its threads: the signal alone is on its way for a while. */
static void silence(struct fixture *f)
{
	int status;

	assert_int_equal(kill(f->server, SIGSTOP), 0);
	assert_int_equal(waitpid(f->server, &status, WUNTRACED), f->server);
	assert_true(WIFSTOPPED(status));
}

NBD_TEST(a_server_that_says_nothing_is_a_stall)
{
	struct fixture *f = *state;
	const struct source_options impatient = { .stall_ms = 300 };

	start(f, "noextents", NULL);
	assert_int_equal(source_open(f->url, &impatient, &f->src, &f->err), 0);
	silence(f);
	assert_int_equal(source_read(f->src, f->buf, 4096, 0, NULL, &f->err), -ETIMEDOUT);
	assert_non_null(strstr(f->err.text, "no answer for 0.3 s (stalled)"));
	kill(f->server, SIGCONT);
	reads(f, 4096, 0);
}

NBD_TEST(an_export_that_is_not_there_is_told)
{
	struct fixture *f = *state;

	assert_int_equal(source_open(f->url, &quick, &f->src, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.text, "cannot connect"));
}

struct reader {
	pthread_t thread;
	struct fixture *f;
	unsigned int seed;
	struct source_cancel cancel;
	int result;
	uint8_t buf[65536];
};

static void *read_many(void *arg)
{
	struct reader *reader = arg;

	for (unsigned int i = 0; i < 100 && reader->result == 0; i++) {
		uint64_t off = (uint64_t)rand_r(&reader->seed) % (SIZE - sizeof(reader->buf));

		reader->result = source_read(reader->f->src, reader->buf, sizeof(reader->buf), off,
		                             NULL, NULL);
		if (memcmp(reader->buf, reader->f->data + off, sizeof(reader->buf)) != 0)
			reader->result = -EBADMSG;
	}
	return NULL;
}

NBD_TEST(many_threads_read_at_once)
{
	struct fixture *f = opened(state);
	struct reader *readers = calloc(8, sizeof(*readers));

	for (unsigned int i = 0; i < 8; i++) {
		readers[i].f = f;
		readers[i].seed = i;
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_many, &readers[i]),
		                 0);
	}
	for (unsigned int i = 0; i < 8; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].result, 0);
	}
	free(readers);
}

static void *read_once(void *arg)
{
	struct reader *reader = arg;
	const struct source_read how = { .cancel = &reader->cancel };

	reader->result = source_read(reader->f->src, reader->buf, 4096, 0, &how, NULL);
	return NULL;
}

NBD_TEST(a_read_that_is_cancelled_returns_while_the_server_is_silent)
{
	struct fixture *f = *state;
	struct reader *reader = calloc(1, sizeof(*reader));

	start(f, "noextents", NULL);
	assert_int_equal(source_open(f->url, NULL, &f->src, &f->err), 0);
	silence(f);
	reader->f = f;
	source_cancel_init(&reader->cancel);
	assert_int_equal(pthread_create(&reader->thread, NULL, read_once, reader), 0);
	source_cancel_fire(&reader->cancel);
	pthread_join(reader->thread, NULL);
	assert_int_equal(reader->result, -ECANCELED);
	source_cancel_destroy(&reader->cancel);
	kill(f->server, SIGCONT);
	free(reader);
	reads(f, 4096, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NBD_CASE(an_export_is_read_and_known_by_a_sample),
		NBD_CASE(a_server_with_blocks_and_a_limit_gets_what_it_wants),
		NBD_CASE(holes_of_an_export_are_known_to_be_zero),
		NBD_CASE(an_export_without_extents_is_all_data),
		NBD_CASE(a_lost_connection_is_made_again),
		NBD_CASE(another_export_behind_the_same_name_is_stale),
		NBD_CASE(a_server_that_fails_is_told),
		NBD_CASE(a_server_that_says_nothing_is_a_stall),
		NBD_CASE(an_export_that_is_not_there_is_told),
		NBD_CASE(many_threads_read_at_once),
		NBD_CASE(a_read_that_is_cancelled_returns_while_the_server_is_silent),
	};

	return cmocka_run_group_tests_name("source-nbd", tests, NULL, NULL);
}
