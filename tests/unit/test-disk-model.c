// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random work against a model, from several threads at once, over a far file that fails now and
 * then, with fill and readahead beside it.
 *
 * Sectors belong to threads by turns, so that most blocks are shared by all of them: a lost update
 * inside a block, or a fetch that overwrites a write, shows in somebody's sector.  Each thread
 * writes only its own sectors, knows what they hold, and reads them back.  FULL=1 does more.
 */
#include "tests/unit/disk-fixture.h"

#define SECTOR  512u
#define WORKERS 4u
#define SIZE    (8 * MIB + 3 * SECTOR)

struct model_worker {
	struct world *world;
	uint8_t *model; /* of the whole disk; a thread uses its own sectors of it */
	unsigned int n;
	unsigned int steps;
	uint64_t random;
	pthread_t thread;
};

static uint64_t next(struct model_worker *worker, uint64_t below)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return worker->random % below;
}

/* Is the sector this thread's?  Runs of a few sectors are, so that blocks are covered at times. */
static bool owns(const struct model_worker *worker, uint64_t sector)
{
	/* The first half of the disk is shared sector by sector, the second in 64 KiB. */
	return (sector < SIZE / SECTOR / 2 ? sector / 3 : sector / 128) % WORKERS == worker->n;
}

/* A run of own sectors: its first, and how many. */
static uint64_t pick(struct model_worker *worker, uint64_t *ret_n)
{
	uint64_t sector, n = 1, most = 1 + next(worker, 100);

	do
		sector = next(worker, SIZE / SECTOR);
	while (!owns(worker, sector));
	while (n < most && sector + n < SIZE / SECTOR && owns(worker, sector + n))
		n++;
	*ret_n = n;
	return sector;
}

static void must(int r, const struct error *err)
{
	/* The far fails at times, on purpose; nothing else may. */
	if (r < 0 && r != -EIO)
		fail_msg("%s", err->text);
}

static void step(struct model_worker *worker, uint8_t *buf)
{
	struct disk *disk = worker->world->disk;
	uint64_t n, sector = pick(worker, &n), off = sector * SECTOR, len = n * SECTOR;
	unsigned int flags = next(worker, 50) ? 0 : DISK_FUA;
	struct error err = { 0 };
	int r;

	switch (next(worker, 10)) {
	case 0 ... 3:
		r = disk_read(disk, buf, len, off, &err);
		must(r, &err);
		if (r == 0 && memcmp(buf, worker->model + off, len) != 0)
			fail_msg("%llu bytes at %llu are wrong", (unsigned long long)len,
			         (unsigned long long)off);
		break;
	case 4 ... 6:
		memset(buf, (int)next(worker, 256), len);
		r = disk_write(disk, buf, len, off, flags, &err);
		/* A failed merge has changed nothing in the block it failed for: do it over. */
		while (r == -EIO)
			r = disk_write(disk, buf, len, off, flags, &err);
		must(r, &err);
		memcpy(worker->model + off, buf, len);
		break;
	case 7:
		do
			r = disk_zero(disk, len, off, flags, &err);
		while (r == -EIO);
		must(r, &err);
		memset(worker->model + off, 0, len);
		break;
	case 8:
		r = disk_trim(disk, len, off, flags, &err);
		must(r, &err);
		/* What a trim leaves of partial blocks is its own affair: whole ones are zero. */
		off = round_up(off, BLOCK);
		len = (sector + n) * SECTOR;
		len = len == SIZE ? len : round_down(len, BLOCK);
		if (off < len)
			memset(worker->model + off, 0, len - off);
		break;
	default:
		must(disk_prefetch(disk, len, off, &err), &err);
		break;
	}
}

static void *model_thread(void *arg)
{
	struct model_worker *worker = arg;
	uint8_t *buf = malloc(128 * SECTOR);

	for (unsigned int i = 0; i < worker->steps; i++)
		step(worker, buf);
	free(buf);
	return NULL;
}

/* One life of a disk: threads work, the far fails at times, then all is compared. */
static void live(struct world *world, uint8_t *model, unsigned int steps, uint64_t seed)
{
	struct model_worker workers[WORKERS];

	disk_set_fill(world->disk, true, 4 * MIB);
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i] = (struct model_worker){ .world = world,
			                            .model = model,
			                            .n = i,
			                            .steps = steps,
			                            .random = seed * 1000 + i + 1 };
		pthread_create(&workers[i].thread, NULL, model_thread, &workers[i]);
	}
	for (unsigned int i = 0; i < 20; i++) {
		size_t n = far_reads(&world->far);

		far_set(&world->far, NO_LIMIT, i % 4 == 3 ? EIO : 0);
		/* Let somebody meet it, if anybody still fetches. */
		for (unsigned int spin = 0; spin < 2000 && far_reads(&world->far) == n; spin++)
			sched_yield();
	}
	far_set(&world->far, NO_LIMIT, 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
}

TEST(many_threads_see_what_they_wrote_and_nothing_else)
{
	unsigned int steps = getenv("FULL") ? 60000 : 10000;
	struct world *world = world_new(SIZE);
	uint8_t *model = malloc(SIZE), *buf = malloc(SIZE);

	memcpy(model, world->far.data, SIZE);
	world->parts.readahead = true;
	for (unsigned int life = 0; life < 3; life++) {
		struct error err = { 0 };

		world_open(world);
		live(world, model, steps, life + 1);
		if (disk_read(world->disk, buf, SIZE, 0, &err) < 0)
			fail_msg("%s", err.text);
		assert_memory_equal(buf, model, SIZE);
		world_close(world);
	}
	free(model);
	free(buf);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(many_threads_see_what_they_wrote_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
