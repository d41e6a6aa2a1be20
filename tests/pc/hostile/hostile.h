/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hostile root: a kernel that runs on every processor and does what a root should not.  Each
 * thing it tries is a row of a table (struct test); main.c runs all rows on one processor after the
 * other, while the others serve what a row asks of them (processor.c).
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "hypervisor/core/say.h"
#include "hypervisor/core/string.h"
#include "hypervisor/core/x86.h"
#include "include/sill/hypercall.h"
#include "tests/pc/hostile/layout.h"

#define DONE 256 /* the vector of what did not trap */

#define WAKE 0x50 /* the vector by which processors wake each other */

/* Exceptions that the hypervisor has no name for. */
#define VECTOR_DIVIDE 0

struct trap {
	uint32_t vector, error;
	uint64_t rip, rflags, cr2;
	uint64_t rax; /* when it was over */
};

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map;
} __attribute__((packed));

/* What LIDT and LGDT take. */
struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static inline void load_idt(uint64_t base, uint16_t limit)
{
	__asm__ volatile("lidt %0" ::"m"((struct table_pointer){ limit, base }) : "memory");
}

static inline void load_gdt(uint64_t base, uint16_t limit)
{
	__asm__ volatile("lgdt %0" ::"m"((struct table_pointer){ limit, base }) : "memory");
}

/* At the bottom of its area.  The first two are known to trap.S. */
struct cpu {
	uint64_t recover; /* the stack to go back to when something traps, or 0 */
	uint64_t revive;  /* the stack to go on with after INIT and SIPI, or 0 */
	uint32_t id;      /* APIC ID, and its place in the areas */
	uint32_t hypervisor_index;
	struct trap trap;
	struct sentence why; /* a test failed */
	struct tss tss __attribute__((aligned(8)));
	uint8_t user_ports[8]; /* the I/O map of ring 3 */

	/*
	 * What another asks of this one: `job` is set last, and taken first; `busy` lasts until it
	 * is done.
	 */
	void (*job)(struct cpu *cpu, uint64_t argument);
	uint64_t job_argument;
	bool busy;

	/* Counted by this processor, watched by others. */
	volatile uint32_t starts, marks, nmis, nested_nmis, interrupts;
	bool in_nmi;
	void (*on_nmi)(struct cpu *cpu);
	uint64_t nmi_rip, nmi_rflags; /* where the last one came */
};

struct area {
	struct cpu cpu;
	uint8_t stacks[AREA_SIZE - sizeof(struct cpu)];
};

extern struct area areas[MAX_CPUS];
extern uint32_t cpus;         /* how many there are; their IDs are 0 and up */
extern bool hypervisor;       /* Sill is below */
extern struct sill_info info; /* what it said at the start */
extern char command_line[];
extern uint8_t zero_page[];
extern uint64_t page_tables[], gdt[];

struct test {
	const char *name;
	bool (*run)(struct cpu *cpu, const struct test *test);
	/* For the function, as it likes. */
	const struct act *act;
	uint32_t mode, size;
	uint64_t a, b, c;
	int64_t result;
	/* It makes no sense without. */
	bool on_any; /* also on the bare PC */
	bool single; /* an emulator that runs processors side by side would lose something itself */
	uint32_t processors;
	enum { ANYWHERE, ON_BOOT, ON_OTHERS } where;
};

struct suite {
	const char *name;
	const struct test *tests;
	size_t count;
};

#define SUITE(name, list)                   \
	{                                   \
		name, list, ARRAY_LEN(list) \
	}

extern const struct suite memory_suite, walk_suite, svm_suite, msr_suite, call_suite, apic_suite,
	nmi_suite, init_suite, register_suite, suspend_suite, log_suite, session_exit_suite,
	session_event_suite, session_state_suite, session_run_suite, session_call_suite;

/* print.c */
void print(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* processor.c */
struct cpu *cpu_at(uint32_t id);
void processors_start(void);
/*
 * Lets another processor do something; await() serves what others ask of this one meanwhile, and is
 * false when nothing came of it in a long time.
 */
void ask(struct cpu *cpu, void (*job)(struct cpu *cpu, uint64_t argument), uint64_t argument);
bool await(struct cpu *self, struct cpu *cpu);
/* It does what it is asked to; it does not, and what was asked is taken back. */
bool answers(struct cpu *self, struct cpu *cpu);
bool is_silent(struct cpu *self, struct cpu *cpu);
/* It will not do what it was asked to. */
void forget(struct cpu *cpu);
/* Any processor but this one. */
struct cpu *another(struct cpu *self);
/* Waits until *what is at least `least`; false when it does not happen in a long time. */
bool wait_count(const volatile uint32_t *what, uint32_t least);
/* Gives others the time in which they would do what they must not. */
void linger(void);

/* trap.S, trap.c */
uint64_t try_call(struct cpu *cpu, uint64_t (*function)(uint64_t argument), uint64_t argument);
bool survive(struct cpu *cpu, void (*end)(void));
void traps_load(struct cpu *cpu);
void gate_set(unsigned int vector, unsigned int ist, bool user);
void idt_load(const void *at);                  /* NULL: ours */
const void *idt_from(unsigned int vector);      /* our gates from this one on */
extern uint8_t on_trap_entry[], on_trap_exit[]; /* the code around on_trap() */
/* Runs it; true when it came to its end, else cpu->trap says what stopped it. */
bool attempt(struct cpu *cpu, uint64_t (*function)(uint64_t argument), uint64_t argument);
const char *vector_name(uint32_t vector);
/* Did the last attempt end in this trap?  Else says what happened instead. */
bool trapped(struct cpu *cpu, uint32_t vector, uint32_t error);

/* calls.c */
int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c);
/* How often the hypervisor has denied this processor something. */
uint64_t denials(struct cpu *cpu);
bool denied(struct cpu *cpu, uint64_t before, uint64_t times);
uint32_t cpu_state(const struct cpu *cpu);
/* How often it has heard what another processor of the hypervisor asked of it. */
uint64_t cpu_kicks(const struct cpu *cpu);

/* paging.c */
enum page_size { PAGE_4K, PAGE_2M, PAGE_4M, PAGE_1G };
#define WINDOW 0x80000000u
/* Makes `physical` visible in the mode's window, by a page of this size; returns the address. */
uint32_t window(uint32_t mode, uint32_t size, uint32_t physical);
/* Lets a walk for the window's first page go through a table at `physical`; 1 is a page table. */
void window_table(uint32_t mode, uint32_t level, uint32_t physical);
uint32_t window_root(uint32_t mode);
/* In long mode 1 GiB of any address. */
uint32_t window_far(uint64_t physical);
/* The modes below long mode use the tables at this address from now on. */
void window_foreign(uint32_t physical);
/* In long mode two pages that need not be neighbours. */
uint32_t window_pair(uint32_t first, uint32_t second);

/* modes.c */
enum mode {
	MODE_REAL,
	MODE_FLAT,
	MODE_32,
	MODE_PAE,
	MODE_LONG,
	MODE_COMPAT,
	MODE_USER32,
	MODE_USER64
};
struct act {
	uint32_t at[3]; /* in 16, 32 and 64 bits */
};
extern const struct act act_read, act_write, act_run, act_push, act_add, act_exchange,
	act_string_read, act_string_write, act_port_read, act_port_write, act_vmrun, act_vmload,
	act_vmsave, act_stgi, act_clgi, act_skinit, act_invlpga, act_vmmcall, act_cpuid, act_port,
	act_undefined, act_wait, act_cpuid_segment;
/*
 * Does the act in that mode: EBX is the address, EAX the value, EDX the port.  True when it came to
 * its end.
 */
bool act(struct cpu *cpu, uint32_t mode, const struct act *act, uint32_t address, uint32_t value,
         uint32_t port);
extern uint32_t mode_nmis;
/* Our own word to read, write, and run: in 16, 32 and 64 bits it is a jump to (E)DI. */
#define CANARY 0x9090e7ffu
extern uint32_t canary[];

/* apic.c */
uint32_t apic_read(uint32_t offset);
void apic_write(uint32_t offset, uint32_t value);
void apic_send(uint32_t destination, uint32_t command);

/* ends.c: what ends the machine, chosen by the command line. */
void end_machine(struct cpu *cpu, const char *how);

#endif
