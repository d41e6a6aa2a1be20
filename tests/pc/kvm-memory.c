// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest's memory is ordinary memory of its VMM, whatever Linux does with it meanwhile: swaps it
 * out, merges it, copies it on write, moves it, takes it away, makes it large or small.
 *
 * kvm-memory [NAME]…      only these.  Swap space must be on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/sill/device.h"
#include "tests/pc/kvm-guest.h"

#define LARGE (2u << 20)
/* How large the area is that a test is about, if nothing is said. */
#define SIZE  (8u << 20)
#define PAGES (SIZE / PAGE)
/* Pages that a guest goes over while they change. */
#define CHURNED 300u

/* An aligned piece of address space for an area. */
static void *reserve(size_t size)
{
	uint8_t *start = mmap(NULL, size + LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED) {
		must(-1, "address space");
		return NULL;
	}
	return start + (-(uintptr_t)start & (LARGE - 1));
}

static void *map(size_t size, int flags, int fd)
{
	void *place = reserve(size);

	if (!place)
		return NULL;
	if (mmap(place, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) != place) {
		must(-1, "mmap");
		return NULL;
	}
	return place;
}

/* Anonymous memory of small pages. */
static void *map_small(size_t size)
{
	void *area = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (area && !must(madvise(area, size, MADV_NOHUGEPAGE), "no huge pages"))
		return NULL;
	return area;
}

/* All of a file of zeros in memory, of which nothing is there yet. */
static int memory_file(size_t size)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	if (must(fd, "memfd"))
		must(ftruncate(fd, (off_t)size), "ftruncate");
	return fd;
}

static void fill(struct machine *machine, uint32_t first, uint32_t pages, uint32_t key)
{
	guest_call(machine, guest_fill, first, pages, key);
}

/* The guest finds what it filled in. */
static void check(struct machine *machine, uint32_t first, uint32_t pages, uint32_t key)
{
	uint32_t wrong = guest_call(machine, guest_check, first, pages, key);

	if (wrong)
		fail("%u of %u pages from %u on are not what was written", wrong, pages, first);
}

static void check_zero(struct machine *machine, uint32_t first, uint32_t pages)
{
	if (guest_call(machine, guest_any, first, pages, 0))
		fail("pages from %u on are not zero", first);
}

/* 4 KiB frames that the session has. */
static uint64_t frames(struct machine *machine)
{
	struct sill_session_stats stats = { 0 };

	must(ioctl(machine->vm, SILL_GET_SESSION, &stats), "statistics");
	return stats.frames;
}

/* KVM_RUN of a routine must fail like that. */
static void expect_fault(struct machine *machine, const uint8_t *routine, uint32_t first)
{
	if (!test_failed && guest_prepare(machine, routine, first, 1, 0) &&
	    (ioctl(machine->vcpu, KVM_RUN, 0) != -1 || errno != EFAULT))
		fail("KVM_RUN did not say EFAULT but exit %u", machine->run->exit_reason);
}

/* A number behind a word in a file of /proc or /sys; 0 if it is not there. */
static long number_in(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	char line[256];
	long value = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, word, strlen(word)) == 0)
			value = strtol(line + strlen(word), NULL, 10);
	}
	if (file)
		fclose(file);
	return value;
}

static bool write_to(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool done = file && fputs(text, file) >= 0;

	if (file)
		done &= fclose(file) == 0;
	return done || must(-1, path);
}

static void page_out(void *area, size_t size)
{
	must(madvise(area, size, MADV_PAGEOUT), "MADV_PAGEOUT");
}

static void memory_swaps_out_and_comes_back(void)
{
	void *area = map_small(SIZE);
	struct machine machine;
	uint32_t turn;

	if (guest_start(&machine, 0, area, SIZE)) {
		for (turn = 1; turn <= 3 && !test_failed; turn++) {
			fill(&machine, 0, PAGES, turn);
			page_out(area, SIZE);
			if (number_in("/proc/self/status", "VmSwap:") < (long)(SIZE / 1024 / 2))
				fail("little is swapped out");
			if (frames(&machine) > PAGES / 2 + 16)
				fail("the session still has %u frames",
				     (unsigned int)frames(&machine));
			check(&machine, 0, PAGES, turn);
			/* Those that were only read since go and come too. */
			page_out(area, SIZE);
			check(&machine, 0, PAGES, turn);
		}
	}
	end(&machine);
	munmap(area, SIZE);
}

static void shared_memory_that_was_read_first_swaps_too(void)
{
	int fd = memory_file(SIZE);
	void *area = map(SIZE, MAP_SHARED, fd);
	struct machine machine;

	if (guest_start(&machine, 0, area, SIZE)) {
		check_zero(&machine, 0, PAGES);
		fill(&machine, 0, PAGES, 7);
		page_out(area, SIZE);
		check(&machine, 0, PAGES, 7);
	}
	end(&machine);
	munmap(area, SIZE);
	close(fd);
}

/* More pages than the hypervisor lends one frame times. */
static void untouched_memory_reads_as_zero(void)
{
	const size_t size = 40u << 20;
	void *area = map_small(size);
	struct machine machine;

	if (guest_start(&machine, 0, area, size)) {
		check_zero(&machine, 0, (uint32_t)(size / PAGE));
		fill(&machine, 0, 16, 3);
		check(&machine, 0, 16, 3);
	}
	end(&machine);
	munmap(area, size);
}

static void same_pages_are_merged_until_one_is_written(void)
{
	const char *shared = "/sys/kernel/mm/ksm/pages_sharing";
	void *area = map_small(SIZE);
	struct machine machine;
	long scans;

	if (guest_start(&machine, 0, area, SIZE) &&
	    must(madvise(area, SIZE, MADV_MERGEABLE), "MADV_MERGEABLE") &&
	    write_to("/sys/kernel/mm/ksm/pages_to_scan", "100000") &&
	    write_to("/sys/kernel/mm/ksm/sleep_millisecs", "0") &&
	    write_to("/sys/kernel/mm/ksm/run", "1")) {
		guest_call(&machine, guest_same, 0, PAGES, 0x5a5a5a5a);
		scans = number_in("/sys/kernel/mm/ksm/full_scans", "");
		while (number_in("/sys/kernel/mm/ksm/full_scans", "") < scans + 4)
			usleep(1000);
		write_to("/sys/kernel/mm/ksm/run", "0");
		if (number_in(shared, "") < PAGES / 2)
			fail("%ld of %u pages are merged", number_in(shared, ""), PAGES);
		fill(&machine, 5, 1, 1);
		check(&machine, 5, 1, 1);
		if (guest_call(&machine, guest_any, 0, 5, 0) != 0x5a5a5a5a ||
		    guest_call(&machine, guest_any, 6, PAGES - 6, 0) != 0x5a5a5a5a)
			fail("a write changed more than its page");
		/* And all of them. */
		fill(&machine, 0, PAGES, 2);
		check(&machine, 0, PAGES, 2);
		write_to("/sys/kernel/mm/ksm/run", "2");
		write_to("/sys/kernel/mm/ksm/run", "0");
		check(&machine, 0, PAGES, 2);
	}
	end(&machine);
	munmap(area, SIZE);
}

static void a_balloons_pages_come_back_as_zeros(void)
{
	uint8_t *area = map(SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct machine machine;

	if (guest_start(&machine, 0, area, SIZE)) {
		fill(&machine, 0, PAGES, 9);
		must(madvise(area + 100 * PAGE, 700 * PAGE, MADV_DONTNEED), "MADV_DONTNEED");
		check(&machine, 0, 100, 9);
		check_zero(&machine, 100, 700);
		check(&machine, 800, PAGES - 800, 9);
		/* MADV_FREE: the old, or zeros; what is written after it stays. */
		must(madvise(area, SIZE, MADV_FREE), "MADV_FREE");
		fill(&machine, 0, PAGES, 10);
		page_out(area, SIZE);
		check(&machine, 0, PAGES, 10);
	}
	end(&machine);
	munmap(area, SIZE);
}

static void a_guest_writes_to_its_copy_of_a_file(void)
{
	int fd = memory_file(SIZE);
	uint32_t *file = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	void *area = map(SIZE, MAP_PRIVATE, fd);
	struct machine machine;
	uint32_t i;

	for (i = 0; i < PAGES; i++)
		file[i * PAGE / 4] = (AREA + i * PAGE) ^ 4;
	if (guest_start(&machine, 0, area, SIZE)) {
		check(&machine, 0, PAGES, 4);
		/* What nobody has copied is the file's. */
		file[0] = AREA ^ 5;
		check(&machine, 0, 1, 5);
		fill(&machine, 1, PAGES / 2, 6);
		page_out(area, SIZE);
		check(&machine, 0, 1, 5);
		check(&machine, 1, PAGES / 2, 6);
		check(&machine, 1 + PAGES / 2, PAGES / 2 - 1, 4);
	}
	for (i = 1; i < PAGES; i++) {
		if (file[i * PAGE / 4] != ((AREA + i * PAGE) ^ 4))
			fail("page %u of the file has changed", i);
	}
	end(&machine);
	munmap(area, SIZE);
	munmap(file, SIZE);
	close(fd);
}

/* Serves a userfaultfd's pages: the first word as the guest's routines want it, with the key 8. */
struct pager {
	int fd, stop;
	uint8_t *area;
	unsigned int served;
};

static void *serve_pages(void *argument)
{
	struct pager *pager = argument;
	struct pollfd polls[2] = { { .fd = pager->fd, .events = POLLIN },
		                   { .fd = pager->stop, .events = POLLIN } };
	static uint32_t page[PAGE / 4];
	struct uffd_msg message;

	while (poll(polls, 2, -1) > 0 && !polls[1].revents) {
		struct uffdio_copy copy = { .src = (uintptr_t)page, .len = PAGE };

		if (read(pager->fd, &message, sizeof(message)) != sizeof(message) ||
		    message.event != UFFD_EVENT_PAGEFAULT)
			continue;
		copy.dst = message.arg.pagefault.address & ~(uint64_t)(PAGE - 1);
		page[0] = (AREA + (uint32_t)(copy.dst - (uintptr_t)pager->area)) ^ 8;
		if (ioctl(pager->fd, UFFDIO_COPY, &copy) == 0)
			pager->served++;
	}
	return NULL;
}

static void pages_that_a_thread_serves_late(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	uint8_t *area = map_small(SIZE);
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)area, .len = SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct pager pager = { .fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK),
		               .area = area };
	struct machine machine;
	int stop[2];
	pthread_t thread;

	if (guest_start(&machine, 0, area, SIZE) && must(pager.fd, "userfaultfd") &&
	    must(ioctl(pager.fd, UFFDIO_API, &api), "UFFDIO_API") &&
	    must(ioctl(pager.fd, UFFDIO_REGISTER, &range), "UFFDIO_REGISTER") &&
	    must(pipe(stop), "pipe")) {
		pager.stop = stop[0];
		if (pthread_create(&thread, NULL, serve_pages, &pager))
			fail("no thread");
		check(&machine, 0, 300, 8);
		fill(&machine, 300, 300, 8);
		check(&machine, 300, 300, 8);
		/* Gone again: they are asked for once more. */
		must(madvise(area, 100 * PAGE, MADV_DONTNEED), "MADV_DONTNEED");
		check(&machine, 0, 600, 8);
		must(write(stop[1], "", 1), "stop");
		pthread_join(thread, NULL);
		if (pager.served != 700)
			fail("%u pages were served", pager.served);
	}
	end(&machine);
	close(pager.fd);
	munmap(area, SIZE);
}

static void *map_large(size_t size)
{
	void *area = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (area && !must(madvise(area, size, MADV_HUGEPAGE), "huge pages"))
		return NULL;
	return area;
}

/* One access more, and so many frames more. */
static void expect_frames(struct machine *machine, uint32_t page, uint64_t more)
{
	uint64_t before = frames(machine);

	fill(machine, page, 1, 1);
	if (frames(machine) - before != more)
		fail("a touch of page %u maps %u frames instead of %u", page,
		     (unsigned int)(frames(machine) - before), (unsigned int)more);
}

static void huge_pages_are_large_and_are_split(void)
{
	uint8_t *area = map_large(SIZE);
	struct machine machine;

	if (guest_start(&machine, 0, area, SIZE)) {
		/* The code is there after that. */
		fill(&machine, 1024, 1, 1);
		expect_frames(&machine, 0, 512);
		expect_frames(&machine, 512, 512);
		fill(&machine, 0, PAGES, 1);
		/* Part of one becomes read-only. */
		must(mprotect(area + 7 * PAGE, PAGE, PROT_READ), "mprotect");
		check(&machine, 0, PAGES, 1);
		expect_fault(&machine, guest_fill, 7);
		fill(&machine, 8, 100, 2);
		check(&machine, 8, 100, 2);
		check(&machine, 0, 8, 1);
		must(mprotect(area + 7 * PAGE, PAGE, PROT_READ | PROT_WRITE), "mprotect");
		fill(&machine, 7, 1, 3);
		check(&machine, 7, 1, 3);
		/* Part of another goes. */
		must(munmap(area + LARGE + 10 * PAGE, 20 * PAGE), "munmap");
		expect_fault(&machine, guest_check, 512 + 15);
		check(&machine, 512, 10, 1);
		check(&machine, 512 + 30, PAGES - 512 - 30, 1);
	}
	end(&machine);
	munmap(area, SIZE);
}

static void the_dirty_log_is_of_small_pages(void)
{
	static uint64_t bitmap[PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	uint8_t *area = map_large(SIZE);
	struct machine machine;
	uint32_t i, bits, turn;

	if (guest_start(&machine, 0, area, SIZE)) {
		fill(&machine, 0, PAGES, 1);
		add_memory(&machine, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, SIZE, (uintptr_t)area);
		for (turn = 0; turn < 3 && !test_failed; turn++) {
			fill(&machine, 3 + turn, 1, 2);
			fill(&machine, 600, 70, 2);
			check(&machine, 800, 200, 1);
			must(ioctl(machine.vm, KVM_GET_DIRTY_LOG, &log), "dirty log");
			for (i = bits = 0; i < PAGES; i++)
				bits += bitmap[i / 64] >> (i % 64) & 1;
			if (bits != 71 || !(bitmap[0] >> (3 + turn) & 1))
				fail("turn %u: %u pages are dirty", turn, bits);
		}
		add_memory(&machine, 1, 0, AREA, SIZE, (uintptr_t)area);
		expect_frames(&machine, 1536, 512);
		check(&machine, 600, 70, 2);
	}
	end(&machine);
	munmap(area, SIZE);
}

static void a_forks_child_has_the_memory_of_then(void)
{
	uint8_t *area = map_small(SIZE);
	struct machine machine;
	int status = 1, go[2];
	pid_t child;
	char byte;

	if (guest_start(&machine, 0, area, SIZE) && must(pipe(go), "pipe")) {
		fill(&machine, 0, PAGES, 1);
		child = fork();
		if (child == 0) {
			close(go[1]);
			if (read(go[0], &byte, 1) != 0)
				_exit(2);
			for (uint32_t i = 0; i < PAGES; i++) {
				uint32_t word;

				memcpy(&word, area + i * PAGE, 4);
				if (word != ((AREA + i * PAGE) ^ 1))
					_exit(3);
			}
			/* Whose machine it is, nobody else may run. */
			_exit(ioctl(machine.vcpu, KVM_RUN, 0) == -1 && errno == EIO ? 0 : 4);
		}
		fill(&machine, 0, PAGES, 2);
		close(go[1]);
		waitpid(child, &status, 0);
		close(go[0]);
		if (status)
			fail("the child ends with %x", status);
		check(&machine, 0, PAGES, 2);
	}
	end(&machine);
	munmap(area, SIZE);
}

/* Runs the guest's churn in a thread; what it finds wrong counts. */
struct churn {
	struct machine *machine;
	bool stop;
	unsigned int turns, wrong, devices;
};

static void *run_churn(void *argument)
{
	struct churn *churn = argument;
	struct kvm_run *run = churn->machine->run;
	uint32_t wrong;

	while (!__atomic_load_n(&churn->stop, __ATOMIC_ACQUIRE)) {
		if (ioctl(churn->machine->vcpu, KVM_RUN, 0)) {
			fail("KVM_RUN: %s", strerror(errno));
			break;
		}
		if (run->exit_reason == KVM_EXIT_MMIO) {
			churn->devices++;
		} else if (run->exit_reason == KVM_EXIT_IO) {
			memcpy(&wrong, port_data(churn->machine), 4);
			churn->wrong += wrong;
			__atomic_add_fetch(&churn->turns, 1, __ATOMIC_RELEASE);
		} else {
			fail("exit %u", run->exit_reason);
			break;
		}
	}
	return NULL;
}

static bool begin_churn(struct churn *churn, pthread_t *thread, struct machine *machine,
                        uint32_t pages)
{
	*churn = (struct churn){ .machine = machine };
	if (!guest_prepare(machine, guest_churn, 0, pages, 0x1234))
		return false;
	return pthread_create(thread, NULL, run_churn, churn) == 0;
}

static void wait_turns(struct churn *churn, unsigned int count)
{
	unsigned int since = __atomic_load_n(&churn->turns, __ATOMIC_ACQUIRE);

	while (!test_failed && __atomic_load_n(&churn->turns, __ATOMIC_ACQUIRE) - since < count)
		usleep(100);
}

static void end_churn(struct churn *churn, pthread_t thread)
{
	__atomic_store_n(&churn->stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

static void memory_changes_under_a_guest_that_runs(void)
{
	uint8_t *area = map_large(SIZE), *other = reserve(SIZE);
	struct machine machine;
	struct churn churn;
	pthread_t thread;
	unsigned int turn;

	if (guest_start(&machine, 0, area, SIZE) &&
	    begin_churn(&churn, &thread, &machine, CHURNED)) {
		for (turn = 0; turn < 6 && !test_failed; turn++) {
			page_out(area, CHURNED * PAGE);
			/* Rights that change here and there. */
			for (uint32_t i = 0; i < CHURNED; i += 16)
				must(mprotect(area + i * PAGE, PAGE,
				              turn % 2 ? PROT_READ | PROT_WRITE
				                       : PROT_READ | PROT_WRITE | PROT_EXEC),
				     "mprotect");

			if (madvise(area, SIZE, turn % 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
				fail("madvise: %s", strerror(errno));
			wait_turns(&churn, 1);
		}
		end_churn(&churn, thread);
		if (churn.wrong || churn.devices)
			fail("%u pages were wrong, %u accesses were devices'", churn.wrong,
			     churn.devices);
		/* Another address, other memory. */
		fill(&machine, 0, PAGES, 1);
		if (other &&
		    mremap(area, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, other) != other)
			must(-1, "mremap");
		expect_fault(&machine, guest_check, 3);
		if (mmap(area, SIZE, PROT_READ | PROT_WRITE,
		         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != area)
			must(-1, "mmap");
		check_zero(&machine, 0, PAGES);
		if (mremap(other, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, area) != area)
			must(-1, "mremap");
		check(&machine, 0, PAGES, 1);
	}
	end(&machine);
	munmap(area, SIZE);
	munmap(other, SIZE);
}

static void slots_move_and_go_under_a_guest_that_runs(void)
{
	uint8_t *area = map_small(SIZE);
	struct machine machine;
	struct churn churn;
	pthread_t thread;
	unsigned int turn;
	uint64_t there;

	if (guest_start(&machine, 0, area, SIZE) && begin_churn(&churn, &thread, &machine, 64)) {
		for (turn = 0; turn < 60 && !test_failed; turn++) {
			/* Away and back by moving it; every third time it is deleted. */
			if (turn % 3)
				add_memory(&machine, 1, 0, 2 * (uint64_t)AREA, SIZE,
				           (uintptr_t)area);
			else
				add_memory(&machine, 1, 0, AREA, 0, (uintptr_t)area);
			sched_yield();
			add_memory(&machine, 1, turn % 2 ? KVM_MEM_LOG_DIRTY_PAGES : 0, AREA, SIZE,
			           (uintptr_t)area);
			sched_yield();
		}
		there = churn.turns;
		wait_turns(&churn, 1);
		end_churn(&churn, thread);
		if (!test_failed && churn.turns == there)
			fail("the guest got no further");
		fill(&machine, 0, PAGES, 1);
		check(&machine, 0, PAGES, 1);
	}
	end(&machine);
	munmap(area, SIZE);
}

static const struct test tests[] = {
	TEST(memory_swaps_out_and_comes_back),
	TEST(shared_memory_that_was_read_first_swaps_too),
	TEST(untouched_memory_reads_as_zero),
	TEST(same_pages_are_merged_until_one_is_written),
	TEST(a_balloons_pages_come_back_as_zeros),
	TEST(a_guest_writes_to_its_copy_of_a_file),
	TEST(pages_that_a_thread_serves_late),
	TEST(huge_pages_are_large_and_are_split),
	TEST(the_dirty_log_is_of_small_pages),
	TEST(a_forks_child_has_the_memory_of_then),
	TEST(memory_changes_under_a_guest_that_runs),
	TEST(slots_move_and_go_under_a_guest_that_runs),
};

int main(int argc, char **argv)
{
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
