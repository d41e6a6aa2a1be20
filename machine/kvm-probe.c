// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The KVM probe: a child process makes a virtual machine, runs the guest of kvm-probe-guest.S in it
 * and tells each step that the guest has done through a pipe; the parent waits with a deadline, for
 * KVM_RUN may never return.  A child that hangs in the kernel is killed and left behind.
 */
#include "machine/kvm-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/io.h"

#define GUEST_MEMORY 0x20000u
#define GUEST_START  0x8000u
#define GUEST_PORT   0x5a
#define GUEST_STOPS  0xff
#define LAST_STEP    9
#define MAX_EXITS    1000

extern const char kvm_probe_guest[];
extern const size_t kvm_probe_guest_size;

/* What the guest was about to do when it had done step i. */
static const char *const steps[LAST_STEP + 1] = {
	[0] = "to start",
	[1] = "to enter protected mode",
	[2] = "to find a 64-bit processor",
	[3] = "to enter 64-bit mode",
	[4] = "to set system registers",
	[5] = "to compute",
	[6] = "to handle a page fault",
	[7] = "to enter user mode and come back",
	[8] = "to take a timer interrupt",
	[9] = "to stop",
};

/* What the child tells: the last step done, and what stopped it. */
struct verdict {
	int32_t step;
	int32_t code; /* errno, 0: the guest came to its end */
	char text[160];
};

static int fail(struct verdict *verdict, int code, const char *what)
{
	verdict->code = code;
	snprintf(verdict->text, sizeof(verdict->text), "%s: %s", what, strerror(code));
	return -code;
}

/* A virtual machine with the guest in its memory; *ret_fd stays open. */
static int make_machine(int kvm, int *ret_fd, struct verdict *verdict)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_MEMORY };
	void *memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                    -1, 0);
	uint64_t identity = 0xfffbc000;
	int fd;

	if (memory == MAP_FAILED)
		return fail(verdict, errno, "memory");
	memcpy((char *)memory + GUEST_START, kvm_probe_guest, kvm_probe_guest_size);
	region.userspace_addr = (uintptr_t)memory;
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return fail(verdict, ENOTTY, "it does not speak KVM's API");
	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (fd < 0)
		return fail(verdict, errno, "KVM_CREATE_VM");
	if (ioctl(fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
	    ioctl(fd, KVM_SET_TSS_ADDR, 0xfffbd000ul) < 0)
		return fail(verdict, errno, "KVM_SET_TSS_ADDR");
	if (ioctl(fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return fail(verdict, errno, "KVM_CREATE_IRQCHIP");
	if (ioctl(fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return fail(verdict, errno, "KVM_SET_USER_MEMORY_REGION");
	*ret_fd = fd;
	return 0;
}

/* A processor like the host's, at the guest's first instruction in real mode. */
static int make_processor(int kvm, int machine, int *ret_fd, struct verdict *verdict)
{
	struct kvm_regs regs = { .rip = GUEST_START, .rflags = 2 };
	const unsigned int room = 256;
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + room * sizeof(cpuid->entries[0]));
	struct kvm_sregs sregs;
	int fd;

	if (!cpuid)
		return fail(verdict, ENOMEM, "memory");
	cpuid->nent = room;
	fd = ioctl(machine, KVM_CREATE_VCPU, 0);
	if (fd < 0)
		return fail(verdict, errno, "KVM_CREATE_VCPU");
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 || ioctl(fd, KVM_SET_CPUID2, cpuid) < 0)
		return fail(verdict, errno, "KVM_SET_CPUID2");
	if (ioctl(fd, KVM_GET_SREGS, &sregs) < 0)
		return fail(verdict, errno, "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(fd, KVM_SET_REGS, &regs) < 0)
		return fail(verdict, errno, "KVM_SET_REGS");
	*ret_fd = fd;
	return 0;
}

/* Run until the guest stops; `tell` is where each step goes at once, for a later step may hang. */
static int run_guest(int cpu, volatile struct kvm_run *run, int tell, struct verdict *verdict)
{
	for (int exits = 0; exits < MAX_EXITS; exits++) {
		uint8_t said;

		if (ioctl(cpu, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return fail(verdict, errno, "KVM_RUN");
		}
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != GUEST_PORT) {
			verdict->code = EIO;
			snprintf(verdict->text, sizeof(verdict->text), "KVM stopped it (exit %u)",
			         run->exit_reason);
			return -EIO;
		}
		said = ((volatile uint8_t *)run)[run->io.data_offset];
		if (said == GUEST_STOPS || said != verdict->step + 1) {
			verdict->code = verdict->step == LAST_STEP ? 0 : EIO;
			snprintf(verdict->text, sizeof(verdict->text), "a result was wrong");
			return -verdict->code;
		}
		verdict->step = said;
		if (write_all(tell, verdict, sizeof(*verdict)) < 0)
			return -EPIPE;
	}
	return fail(verdict, EIO, "it does not end");
}

static void child(const char *device, int tell)
{
	struct verdict verdict = { .code = EINPROGRESS };
	int kvm = open(device, O_RDWR | O_CLOEXEC);
	int machine = -1, cpu = -1, size;

	if (kvm < 0) {
		fail(&verdict, errno, "open");
	} else if (make_machine(kvm, &machine, &verdict) == 0 &&
	           make_processor(kvm, machine, &cpu, &verdict) == 0) {
		size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

		void *run = size < (int)sizeof(struct kvm_run)
		                    ? MAP_FAILED
		                    : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED,
		                           cpu, 0);

		if (run == MAP_FAILED)
			fail(&verdict, EINVAL, "KVM_GET_VCPU_MMAP_SIZE");
		else
			run_guest(cpu, run, tell, &verdict);
	}
	(void)!write_all(tell, &verdict, sizeof(verdict));
}

/* Read verdicts until the pipe ends or the deadline passes; the last one counts. */
static bool listen_to(int from, struct verdict *ret)
{
	uint64_t deadline = now_ns() + KVM_PROBE_MS * NS_PER_MS;

	for (;;) {
		uint64_t now = now_ns();
		struct pollfd fd = { .fd = from, .events = POLLIN };
		struct verdict heard;
		ssize_t n;

		if (now >= deadline)
			return false;
		if (poll(&fd, 1, (int)((deadline - now) / NS_PER_MS) + 1) <= 0)
			continue;
		n = read(from, &heard, sizeof(heard)); /* whole: shorter than PIPE_BUF */
		if (n != (ssize_t)sizeof(heard))
			return true;
		heard.step = heard.step < 0 || heard.step > LAST_STEP ? 0 : heard.step;
		heard.text[sizeof(heard.text) - 1] = '\0';
		*ret = heard;
	}
}

/* Killed already.  One that is stuck in the kernel must not make us wait: init will reap it. */
static void reap(pid_t pid, int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0 || poll(&fd, 1, 500) > 0)
		waitpid(pid, NULL, 0);
}

int kvm_probe(const char *device, struct error *err)
{
	struct verdict verdict = { .code = EINPROGRESS };
	cleanup_close int from = -1, to = -1, pidfd = -1;
	int ends[2];
	bool ended;
	pid_t pid;

	if (access(device, F_OK) < 0)
		return error_set(err, errno, "there is no %s", device);
	if (access(device, R_OK | W_OK) < 0)
		return error_set(err, errno, "%s may not be used by this person", device);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "pipe");
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid < 0)
		return error_sys(err, errno, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		child(device, to);
		_exit(0);
	}
	close(take_fd(&to));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ended = listen_to(from, &verdict);
	kill(pid, SIGKILL);
	reap(pid, pidfd);
	if (ended && verdict.code == 0 && verdict.step == LAST_STEP)
		return 0;
	if (!ended)
		return error_set(err, ETIMEDOUT,
		                 "%s cannot run 64-bit guests: one hung when it had %s", device,
		                 steps[verdict.step]);
	if (verdict.code == EINPROGRESS)
		return error_set(err, EIO, "%s cannot run 64-bit guests: the probe died", device);
	if (verdict.step == 0)
		return error_set(err, verdict.code, "%s does not work: %s", device, verdict.text);
	return error_set(err, verdict.code, "%s cannot run 64-bit guests: one had %s, and %s",
	                 device, steps[verdict.step], verdict.text);
}
