// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The start, in order: what the boot loader says, our place in memory, our address space, the
 * nested tables, the processors, the root kernel.  Runs once, on the boot processor, with nothing
 * else running; until enter_own_space() on the tables and the stack of start.S.
 */
#include "base/bits.h"
#include "hypervisor/boot/acpi.h"
#include "hypervisor/boot/efi.h"
#include "hypervisor/boot/linux.h"
#include "hypervisor/boot/loader.h"
#include "hypervisor/boot/options.h"
#include "hypervisor/core/apic.h"
#include "hypervisor/core/cpu.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/machine.h"
#include "hypervisor/core/panic.h"
#include "hypervisor/core/pool.h"
#include "hypervisor/core/screen.h"
#include "hypervisor/core/session.h"
#include "hypervisor/core/string.h"
#include "hypervisor/core/trap.h"
#include "hypervisor/core/vendor.h"
#include "hypervisor/core/version.h"
#include "hypervisor/core/x86.h"

#define LARGE_PAGE  (2 * MIB)
#define COM1        0x3F8
#define LINUX_64BIT 0x200 /* from the kernel's 32-bit entry to its 64-bit one */
/* Whole pages. */
#define IMAGE_SIZE  (uint64_t)(image_end - image_start)
#define OWN_RW      (PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)
#define OWN_TEXT    (PTE_P | PTE_A)
#define OWN_READ    (PTE_P | PTE_A | PTE_NX)
#define NESTED_READ (PTE_P | PTE_U | PTE_A | PTE_D)
#define NESTED_ALL  (NESTED_READ | PTE_W)

extern uint8_t image_start[], image_rodata[], image_data[], image_end[];

static struct boot_info boot;
static struct options options;
static struct acpi_facts acpi;
static struct linux_plan plan;
static struct tables own_tables;

void boot_main(uint32_t magic, uint32_t information, uint32_t load) __attribute__((noreturn));

/* Before the memory map is known: what start.S has mapped. */
static void *early_window(const struct phys *phys, uint64_t base, uint64_t size)
{
	(void)phys;
	return range_inside(base, size, 4 * GIB) ? (void *)(DIRECT_BASE + base) : NULL;
}

static const struct phys early_memory = { early_window };

/* Of our own direct map. */
static uint64_t mapped_end(void)
{
	return max_u64(round_up(memory_map_end(&boot.map), LARGE_PAGE), 4 * GIB);
}

static void *root_window(const struct phys *phys, uint64_t base, uint64_t size)
{
	(void)phys;
	return frames_reachable(&machine.frames, base, size) ? (void *)(DIRECT_BASE + base) : NULL;
}

static void *code_window(const struct phys *phys, uint64_t base, uint64_t size)
{
	(void)phys;
	return range_inside(base, size, mapped_end()) &&
	                       frames_fetchable(&machine.frames, base, size)
	               ? (void *)(DIRECT_BASE + base)
	               : NULL;
}

/* As soon as it is mapped: if it is all between these. */
static void use_screen(uint64_t from, uint64_t to)
{
	if (boot.screen.kind != SCREEN_NONE && boot.screen.base >= from &&
	    boot.screen.base + (uint64_t)boot.screen.pitch * boot.screen.height <= to)
		screen_setup(&boot.screen);
}

static void read_boot_loader(uint32_t magic, uint32_t information)
{
	struct sentence why;
	bool good = false;

	boot.screen = loader_text_screen;
	if (magic == MULTIBOOT1_MAGIC)
		good = multiboot1_parse(&early_memory, information, &boot, &why);
	else if (magic == MULTIBOOT2_MAGIC)
		good = multiboot2_parse(&early_memory, information, &boot, &why);
	else
		say(&why, "the boot loader speaks neither Multiboot nor Multiboot2 (%x)", magic);
	use_screen(0, 4 * GIB);
	good = good && options_parse(boot.command_line, &options, &why);
	/* Until the options are known, everything is said everywhere. */
	log_setup(good ? options.console : COM1, good ? options.log : LOG_INFO);
	panic_setup(options.panic_seconds);
	log_line(LOG_INFO, "Sill %d.%d.%d", SILL_MAJOR, SILL_MINOR, SILL_PATCH);
	if (!good)
		halt(why.text);
	if (boot.kernel.size == 0)
		halt("the boot loader gave no module: the first one must be the root kernel");
}

/* The kernel runs on the bare PC, by its 64-bit entry, on the tables of start.S. */
static __attribute__((noreturn)) void start_unprotected(uint32_t load)
{
	const struct memory_range none = { 0, 0, MEMORY_RESERVED };
	struct sentence why;

	if (!memory_map_set(&boot.map, load, LARGE_PAGE, MEMORY_RESERVED, &why) ||
	    !linux_plan(&early_memory, &boot, &boot.map, &plan, &why))
		halt(why.text);
	linux_load(&early_memory, &boot, &boot.map, &none, &plan);
	screen_release();
	__asm__ volatile("jmp *%0" ::"r"(plan.kernel + LINUX_64BIT), "S"(plan.params));
	__builtin_unreachable();
}

static void choose_vendor(uint32_t load)
{
	struct sentence why;

	vendor = &amd_vendor;
	if (vendor->present(&why))
		return;
	if (!options.unprotected) {
		log_line(LOG_ERROR, "%s", why.text);
		halt("Sill needs AMD-V with nested paging; missing=unprotected starts the root "
		     "without it");
	}
	log_line(LOG_WARNING, "%s: the root starts WITHOUT the hypervisor", why.text);
	start_unprotected(load);
}

static unsigned int largest_nested(void)
{
	return cpuid(0x80000000, 0).a >= 0x80000001 && cpuid(0x80000001, 0).d >> 26 & 1 ? 2 : 1;
}

/* What pool and image will need, in bytes. */
static uint64_t own_need(void)
{
	uint64_t frames = memory_map_end(&boot.map) / PAGE_SIZE;
	uint64_t borders = 2 * (uint64_t)boot.map.count + 8;
	uint64_t pages = div_round_up(frames * sizeof(uint16_t), PAGE_SIZE) + vendor->pages;

	pages += acpi.cpus *
	         (uint64_t)((AREA_SIZE - AREA_GUARD) / PAGE_SIZE + vendor->pages_per_cpu);
	/* Ours: direct map in 2 MiB pages, image, areas, the trampoline's, a screen above 4 GiB. */
	pages += tables_need(mapped_end(), 16, 1) +
	         div_round_up(acpi.cpus * (uint64_t)AREA_SIZE, LARGE_PAGE);
	/* The root's: a table for each GiB, where donations take 2 MiB out of it. */
	pages += tables_need(mapped_end(), borders, 1) + SPARE_PAGES;
	return IMAGE_SIZE + pages * PAGE_SIZE;
}

/* Takes our range out of the map that the root will get. */
static void carve(uint32_t load)
{
	const struct memory_range avoid[] = {
		{ boot.kernel.base, boot.kernel.size, 0 },
		{ boot.initrd.base, boot.initrd.size, 0 },
		{ load, LARGE_PAGE, 0 },
		{ boot.efi.map, boot.efi.map_size, 0 },
		{ boot.rsdp, boot.rsdp ? 64 : 0, 0 },
	};
	struct memory_wish wish = {
		.align = LARGE_PAGE, .limit = 4 * GIB, .avoid = avoid, .avoids = ARRAY_LEN(avoid)
	};
	struct sentence why;

	wish.size = round_up(own_need(), LARGE_PAGE);
	machine.map = boot.map;
	machine.own = (struct memory_range){ 0, wish.size, MEMORY_RESERVED };
	if (!efi_find(&early_memory, &boot.efi, &boot.map, &wish, &machine.own.base)) {
		say(&why,
		    "too little memory: the hypervisor needs %lu MiB in one piece below 4 GiB",
		    wish.size / MIB);
		halt(why.text);
	}
	if (!memory_map_set(&machine.map, machine.own.base, machine.own.size, MEMORY_RESERVED,
	                    &why))
		halt(why.text);
	pool_setup(machine.own.base + IMAGE_SIZE, machine.own.size - IMAGE_SIZE);
}

static struct tables new_tables(unsigned int largest, uint64_t table_bits)
{
	return (struct tables){ pool_pages(1), DIRECT_BASE,       largest, table_bits,
		                PTE_PS,        pool_page_or_null, NULL };
}

static void map_own(uint64_t from, uint64_t to, uint64_t size, uint64_t leaf)
{
	if (!tables_map(&own_tables, from, to, size, leaf))
		panic("no page for our own page tables");
}

static void map_image_part(const uint8_t *from, const uint8_t *to, uint64_t leaf)
{
	map_own((uint64_t)from, machine.own.base + (uint64_t)(from - image_start),
	        (uint64_t)(to - from), leaf);
}

static void make_own_tables(void)
{
	uint64_t screen = round_down(boot.screen.base, PAGE_SIZE);

	own_tables = new_tables(1, PTE_P | PTE_W | PTE_A);
	map_own(DIRECT_BASE, 0, mapped_end(), OWN_RW);
	if (boot.screen.kind == SCREEN_PIXELS && screen >= mapped_end())
		map_own(DIRECT_BASE + screen, screen,
		        round_up((uint64_t)boot.screen.pitch * boot.screen.height + PAGE_SIZE,
		                 PAGE_SIZE),
		        OWN_RW);
	/* No second way to write what may not be written. */
	map_own(DIRECT_BASE + machine.own.base, machine.own.base,
	        (uint64_t)(image_data - image_start), OWN_READ);
	map_image_part(image_start, image_rodata, OWN_TEXT);
	map_image_part(image_rodata, image_data, OWN_READ);
	map_image_part(image_data, image_end, OWN_RW);
	for (uint32_t i = 0; i < acpi.cpus; i++)
		map_own(AREAS_BASE + i * (uint64_t)AREA_SIZE + AREA_GUARD,
		        pool_address(pool_pages((AREA_SIZE - AREA_GUARD) / PAGE_SIZE)),
		        AREA_SIZE - AREA_GUARD, OWN_RW);
	/* For the trampoline, while processors start. */
	map_own(0, 0, LARGE_PAGE, PTE_P | PTE_W | PTE_A | PTE_D);
}

/*
 * Moves the image to its place and goes on there, on the stack of processor 0, in `next`.  Between
 * the copy and the new tables nothing may be written, so all of it is one piece of assembly.
 */
static __attribute__((noreturn)) void enter_own_space(void (*next)(void))
{
	__asm__ volatile("rep movsb\n\t"
	                 "mov %[root], %%cr3\n\t"
	                 "mov %[stack], %%rsp\n\t"
	                 "xor %%ebp, %%ebp\n\t"
	                 "call *%[next]\n\t"
	                 "ud2"
	                 :
	                 : "S"(image_start), "D"(DIRECT_BASE + machine.own.base),
	                   "c"(IMAGE_SIZE), [root] "a"(pool_address(own_tables.root)),
	                   [stack] "d"(cpu_at(0)), [next] "b"(next)
	                 : "memory");
	__builtin_unreachable();
}

static void map_nested(uint64_t base, uint64_t size, uint64_t leaf)
{
	if (!tables_map(&machine.nested, base, base, size, leaf))
		panic("no page for the nested page tables");
}

/* From where the last piece ended, so that no page is part of two. */
static void map_nested_to(uint64_t *at, uint64_t end)
{
	end = min_u64(round_down(end, PAGE_SIZE), mapped_end());
	if (end > *at) {
		map_nested(*at, end - *at, NESTED_ALL);
		*at = end;
	}
}

static void make_nested_tables(void)
{
	uint64_t at = 0;

	machine.nested = new_tables(largest_nested(), NESTED_ALL);
	machine.nested_read = NESTED_READ;
	machine.nested_all = NESTED_ALL;
	machine.physical_end = UINT64_C(1) << (cpuid(0x80000008, 0).a & 0xFF);
	while (at < LARGE_PAGE)
		map_nested_to(&at, at + PAGE_SIZE);
	for (uint32_t i = 0; i < machine.map.count; i++) {
		map_nested_to(&at, machine.map.range[i].base);
		map_nested_to(&at, machine.map.range[i].base + machine.map.range[i].size);
	}
	map_nested_to(&at, UINT64_MAX);
	map_nested(machine.own.base, machine.own.size, 0);
	map_nested(APIC_BASE_DEFAULT, PAGE_SIZE, NESTED_READ);
}

static void prepare_processors(void)
{
	uint32_t own_id = apic_id(), next = 1;

	for (uint32_t i = 0; i < acpi.cpus; i++) {
		uint32_t index = acpi.apic_id[i] == own_id ? 0 : next++;

		if (index == acpi.cpus)
			halt("ACPI's list of processors does not have the one that started");
		*cpu_at(index) = (struct cpu){ .index = index,
			                       .apic_id = acpi.apic_id[i],
			                       .sipi = SIPI_NONE };
	}
	cpu_count = acpi.cpus;
}

static void start_processors(void)
{
	const struct memory_wish wish = {
		.size = PAGE_SIZE, .align = PAGE_SIZE, .floor = PAGE_SIZE, .limit = MIB
	};
	struct sentence why;
	uint64_t page = 0;

	vendor->setup(pool_address(machine.nested.root));
	if (!vendor->cpu_start(cpu_self(), &why))
		halt(why.text);
	if (!memory_map_find(&machine.map, &wish, &page) && cpu_count > 1)
		halt("there is no free page below 1 MiB to start processors from");
	cpus_start(page);
	map_own(0, 0, LARGE_PAGE, 0);
	write_cr3(read_cr3());
}

/* Everything from here on is in our own memory. */
static __attribute__((noreturn)) void start_root(void)
{
	uint64_t frames = memory_map_end(&boot.map) / PAGE_SIZE;
	struct cpu *self = cpu_self();
	struct sentence why;

	traps_load();
	use_screen(4 * GIB, UINT64_MAX);
	clock_setup();
	log_clock(clock_hz());
	frames_init(&machine.frames, pool_pages(div_round_up(frames * sizeof(uint16_t), PAGE_SIZE)),
	            frames, &machine.map);
	frames_take(&machine.frames, machine.own.base, machine.own.size);
	machine.root_memory = (struct phys){ root_window };
	machine.root_code = (struct phys){ code_window };
	make_nested_tables();
	ground_setup();
	prepare_processors();
	start_processors();
	if (!linux_plan(&machine.root_memory, &boot, &machine.map, &plan, &why))
		halt(why.text);
	linux_load(&machine.root_memory, &boot, &machine.map, &machine.own, &plan);
	machine.own_used = IMAGE_SIZE + pool_used();
	log_line(LOG_INFO,
	         "%u processor%s with %s; %lu KiB of %lu MiB are the hypervisor's, %lu KiB in use",
	         cpu_count, cpu_count == 1 ? "" : "s", vendor->name, machine.own.size / KIB,
	         memory_map_usable(&boot.map) / MIB, machine.own_used / KIB);
	log_line(LOG_INFO, "starting the root: %s", boot.kernel.text);
	screen_release();
	vendor->root_start(self, &(struct cpu_start){ .entry = (uint32_t)plan.kernel,
	                                              .params = (uint32_t)plan.params });
	__atomic_store_n(&self->state, SILL_CPU_RUNNING, __ATOMIC_RELEASE);
	vendor->root_run(self);
}

void boot_main(uint32_t magic, uint32_t information, uint32_t load)
{
	struct sentence why;

	traps_setup();
	traps_load();
	read_boot_loader(magic, information);
	choose_vendor(load);
	if (!acpi_read(&early_memory, boot.rsdp, &acpi, &why))
		halt(why.text);
	if ((rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS) != APIC_BASE_DEFAULT)
		halt("the firmware has moved the local APIC: Sill knows it only at FEE00000h");
	if (acpi.has_s3) {
		/*
		 * Under another name the root does not offer it; the bytes are swapped, so that the
		 * checksum still holds.
		 */
		memcpy(acpi.s3_name, "_3S_", 4);
		memcpy(machine.sleep_port, acpi.pm1_control, sizeof(machine.sleep_port));
		memcpy(machine.sleep_type, acpi.s3_type, sizeof(machine.sleep_type));
	}
	carve(load);
	make_own_tables();
	enter_own_space(start_root);
}
