// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VMM and a guest that are hostile to the module (kvm-fuzz-vmm.c, kvm-fuzz-guest.c), and VMMs
 * that are killed at any moment.  Each seed is a process.  Beside them another guest goes over its
 * memory all the time and must find it right.  When all are gone, nothing is left of them.
 *
 * kvm-hostile SEED COUNT      so many seeds from that one on; what fails names its seed
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/sill/device.h"
#include "tests/pc/kvm-guest.h"
#include "tests/pc/kvm-hostile.h"
#include "tests/pc/kvm-random.h"

#define STEPS  2500u
#define ROUNDS 4u
#define SIZE   (1u << 20)

static uint64_t first_seed;
static uint32_t seeds;

static void on_signal(int number)
{
	(void)number;
}

void interrupt_me(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct itimerspec often = { { 0, 3000000 }, { 0, 3000000 } };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };
	timer_t timer;

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	sigaction(SIGALRM, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
		timer_settime(timer, 0, &often, NULL);
}

/* The well-behaved guest, in a process of its own until the pipe is closed. */
struct bystander {
	pid_t pid;
	int end;
};

static int behave_well(int end)
{
	void *area = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct machine machine;
	uint32_t turn = 0;
	char byte;

	test_failed = false;
	fcntl(end, F_SETFL, O_NONBLOCK);
	if (area == MAP_FAILED || !guest_start(&machine, 0, area, SIZE))
		return 1;
	while (read(end, &byte, 1) < 0 && !test_failed) {
		guest_call(&machine, guest_fill, 0, SIZE / PAGE, ++turn);
		usleep(1000);
		if (guest_call(&machine, guest_check, 0, SIZE / PAGE, turn))
			fail("a guest beside it lost what it wrote");
		usleep(1000);
	}
	return test_failed || turn == 0;
}

static struct bystander begin_bystander(void)
{
	struct bystander bystander = { -1, -1 };
	int ends[2];

	if (!must(pipe2(ends, O_CLOEXEC), "pipe"))
		return bystander;
	bystander.end = ends[1];
	bystander.pid = fork();
	if (bystander.pid == 0) {
		close(ends[1]);
		_exit(behave_well(ends[0]));
	}
	close(ends[0]);
	return bystander;
}

static void end_bystander(const struct bystander *bystander)
{
	int status = 1;

	close(bystander->end);
	if (waitpid(bystander->pid, &status, 0) != bystander->pid || status)
		fail("the guest beside it ends with %x", (unsigned int)status);
}

/* What there is of machines, and whether the hypervisor keeps memory for them. */
static void expect_nothing_left(uint32_t machines)
{
	struct sill_module_stats stats;
	int file = open("/dev/sill", O_RDONLY | O_CLOEXEC);

	if (must(file, "/dev/sill") && must(ioctl(file, SILL_GET_MODULE, &stats), "statistics")) {
		if (stats.machines != machines || (!machines && stats.donations))
			fail("%u machines and %u donations are left", stats.machines,
			     stats.donations);
	}
	close(file);
}

static pid_t start_child(void (*run)(uint64_t seed), uint64_t seed)
{
	pid_t child = fork();

	if (child == 0) {
		run(seed);
		_exit(0);
	}
	must(child, "fork");
	return child;
}

/* With each seed, beside the other guest. */
static void for_each_seed(void (*run)(uint64_t seed))
{
	struct bystander bystander = begin_bystander();
	uint64_t seed;
	int status;

	for (seed = first_seed; seed < first_seed + seeds && !test_failed; seed++) {
		if (waitpid(start_child(run, seed), &status, 0) < 0 || status)
			fail("seed %llu ends with %x", (unsigned long long)seed,
			     (unsigned int)status);
	}
	end_bystander(&bystander);
	expect_nothing_left(0);
}

static void one_vmm(uint64_t seed)
{
	if (!fuzz_vmm(seed, STEPS))
		_exit(1);
}

static void one_guest(uint64_t seed)
{
	if (!fuzz_guest(seed, ROUNDS))
		_exit(1);
}

static void any_ioctl_with_anything(void)
{
	for_each_seed(one_vmm);
}

static void a_guest_that_does_anything(void)
{
	for_each_seed(one_guest);
}

/* Dead after some milliseconds, or while it is being made: in whatever it does. */
static void a_vmm_is_killed_at_any_moment(void)
{
	struct bystander bystander = begin_bystander();
	struct random random = random_from(first_seed);
	uint32_t i;

	for (i = 0; i < 8 * seeds && !test_failed; i++) {
		pid_t child = start_child(i % 2 ? one_vmm : one_guest, first_seed + i);

		usleep(any_of(&random, one_in(&random, 2) ? 5000 : 60000));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	end_bystander(&bystander);
	expect_nothing_left(0);
}

static const struct test tests[] = {
	TEST(any_ioctl_with_anything),
	TEST(a_guest_that_does_anything),
	TEST(a_vmm_is_killed_at_any_moment),
};

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: kvm-hostile SEED COUNT [NAME]...\n");
		return 2;
	}
	first_seed = strtoull(argv[1], NULL, 10);
	seeds = (uint32_t)strtoul(argv[2], NULL, 10);
	printf("kvm: seeds %llu to %llu\n", (unsigned long long)first_seed,
	       (unsigned long long)(first_seed + seeds - 1));
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc - 2, argv + 2);
}
