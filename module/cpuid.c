// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which features a guest may have: a row for each leaf, with the bits of each register that may be
 * shown where the processor has them, and the bits that are there because we make them.  What is in
 * no row is not there.
 *
 * A feature may be shown when its state is switched, or has none, and its instructions either work
 * in a guest or exit to us (AMD64 Architecture Programmer's Manual volume 3, appendix E).
 */
#include "module/cpuid.h"

#include <linux/kvm_para.h>

#define BIT_(n) (UINT32_C(1) << (n))

/* Leaf 1. */
#define C1_MWAIT   BIT_(3)
#define C1_XSAVE   BIT_(26)
#define C1_OSXSAVE BIT_(27)
#define C1_AVX     BIT_(28)
#define D1_APIC    BIT_(9)
/* Leaf 7. */
#define C7_PKU      BIT_(3)
#define C7_OSPKE    BIT_(4)

#define CR4_OSXSAVE (UINT64_C(1) << 18)
#define CR4_PKE     (UINT64_C(1) << 22)
#define XCR0_AVX    UINT64_C(4)
#define XCR0_512    UINT64_C(0xe0)

/*
 * SSE3, PCLMULQDQ, SSSE3, FMA, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, AVX, F16C, RDRAND
 */
#define LEAF1_ECX                                                                             \
	(BIT_(0) | BIT_(1) | BIT_(9) | BIT_(12) | BIT_(13) | BIT_(19) | BIT_(20) | BIT_(22) | \
	 BIT_(23) | BIT_(25) | C1_XSAVE | C1_AVX | BIT_(29) | BIT_(30))
/* FPU … PAE, MCE, CX8, APIC, SEP … PSE36, CLFLUSH, MMX, FXSR, SSE, SSE2 */
#define LEAF1_EDX 0x0788fbffu
/* x2APIC, and that there is a hypervisor */
#define LEAF1_ECX_MADE (BIT_(21) | BIT_(31))
#define LEAF1_AVX      (C1_AVX | BIT_(12) | BIT_(29))

/*
 * FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, INVPCID, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA,
 * AVX-512
 */
#define LEAF7_EBX                                                                         \
	(BIT_(0) | BIT_(3) | BIT_(5) | BIT_(6) | BIT_(7) | BIT_(8) | BIT_(9) | BIT_(10) | \
	 BIT_(18) | BIT_(19) | BIT_(20) | BIT_(23) | BIT_(24) | BIT_(29) | LEAF7_EBX_512)
#define LEAF7_EBX_512  (BIT_(16) | BIT_(17) | BIT_(21) | BIT_(28) | BIT_(30) | BIT_(31))
#define LEAF7_EBX_MADE BIT_(1) /* TSC_ADJUST */
#define LEAF7_EBX_AVX  BIT_(5)
/* UMIP, GFNI, VAES, VPCLMULQDQ, LA57, RDPID, AVX-512 */
#define LEAF7_ECX     (BIT_(2) | BIT_(8) | BIT_(9) | BIT_(10) | BIT_(16) | BIT_(22) | LEAF7_ECX_512)
#define LEAF7_ECX_512 (BIT_(1) | BIT_(6) | BIT_(11) | BIT_(12) | BIT_(14))
#define LEAF7_ECX_AVX (BIT_(9) | BIT_(10))
/* FSRM, SERIALIZE */
#define LEAF7_EDX (BIT_(4) | BIT_(14))

/* LAHF, CMP_LEGACY, CR8, ABM, SSE4A, MISALIGNSSE, PREFETCHW, XOP, FMA4, TBM */
#define EXT1_ECX                                                                              \
	(BIT_(0) | BIT_(1) | BIT_(4) | BIT_(5) | BIT_(6) | BIT_(7) | BIT_(8) | EXT1_ECX_AVX | \
	 BIT_(21))
#define EXT1_ECX_AVX (BIT_(11) | BIT_(16))
/* What leaf 1 has, SYSCALL, NX, MMXEXT, FXSR_OPT, 1 GiB pages, RDTSCP, LM, 3DNow */
#define EXT1_EDX 0xefd3fbffu

/* Our own. */
#define PARAVIRT_FEATURES                                                 \
	(BIT_(KVM_FEATURE_CLOCKSOURCE) | BIT_(KVM_FEATURE_NOP_IO_DELAY) | \
	 BIT_(KVM_FEATURE_CLOCKSOURCE2))

/* XSAVEOPT, XSAVEC, XGETBV of 1 */
#define LEAFD1_EAX 7u

/* The hypervisor's nested tables end there. */
#define ADDRESS_BITS_MAX 48u

struct row {
	uint32_t leaf;
	uint32_t shown[4]; /* of EAX, EBX, ECX, EDX: bits that are the processor's */
	uint32_t made[4];  /* bits that are always set */
};

#define ALL UINT32_MAX

static const struct row rows[] = {
	{ 0x0, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x1, { ALL, 0x0000ff00, LEAF1_ECX, LEAF1_EDX }, { 0, 0, LEAF1_ECX_MADE, 0 } },
	/* An APIC timer that does not stop. */
	{ 0x6, { 0 }, { 4, 0, 0, 0 } },
	{ 0x7, { 0, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX }, { 0, LEAF7_EBX_MADE, 0, 0 } },
	{ 0xd, { 0 }, { 0 } },
	{ 0x40000000, { 0 }, { 0x40000001, 0x4b4d564b, 0x564b4d56, 0x0000004d } },
	{ 0x40000001, { 0 }, { PARAVIRT_FEATURES, 0, 0, 0 } },
	{ 0x80000000, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000001, { ALL, 0, EXT1_ECX, EXT1_EDX }, { 0 } },
	/* The name of the processor, and its caches. */
	{ 0x80000002, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000003, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000004, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000005, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000006, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000007, { 0 }, { 0 } },
	/* CLZERO, XSAVEERPTR, WBNOINVD */
	{ 0x80000008, { ALL, BIT_(0) | BIT_(2) | BIT_(9), 0, 0 }, { 0 } },
};

struct out {
	struct kvm_cpuid_entry2 *entries;
	uint32_t count, room;
};

static struct kvm_cpuid_entry2 *add(struct out *out, uint32_t leaf, uint32_t index, uint32_t flags)
{
	static struct kvm_cpuid_entry2 nowhere;
	struct kvm_cpuid_entry2 *entry = &nowhere;

	if (out->count < out->room)
		entry = &out->entries[out->count];
	out->count++;
	*entry = (struct kvm_cpuid_entry2){ .function = leaf, .index = index, .flags = flags };
	return entry;
}

/* Leaf Dh: the state that Linux keeps, component for component. */
static void add_xsave(const struct cpuid_host *host, struct out *out)
{
	const uint32_t indexed = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	struct kvm_cpuid_entry2 *first = add(out, 0xd, 0, indexed), *entry;
	struct cpuid_result result;
	uint32_t size = 512 + 64, i;

	host->read(0xd, 1, &result);
	entry = add(out, 0xd, 1, indexed);
	entry->eax = result.eax & LEAFD1_EAX;
	for (i = 2; i < 63; i++) {
		if (!(host->xcr0 >> i & 1))
			continue;
		host->read(0xd, i, &result);
		entry = add(out, 0xd, i, indexed);
		entry->eax = result.eax;
		entry->ebx = result.ebx;
		/* Whether it is aligned in the compacted format. */
		entry->ecx = result.ecx & 2;
		if (result.ebx + result.eax > size)
			size = result.ebx + result.eax;
	}
	first->eax = (uint32_t)host->xcr0;
	first->edx = (uint32_t)(host->xcr0 >> 32);
	first->ebx = first->ecx = size;
}

/* What depends on more than bits. */
static void adjust(const struct cpuid_host *host, struct kvm_cpuid_entry2 *entry)
{
	bool avx = (host->xcr0 & XCR0_AVX) != 0, avx512 = (host->xcr0 & XCR0_512) == XCR0_512;

	switch (entry->function) {
	case 0x0:
		entry->eax = entry->eax < 0xd ? entry->eax : 0xd;
		break;
	case 0x1:
		if (!host->xcr0)
			entry->ecx &= ~C1_XSAVE;
		if (!avx)
			entry->ecx &= ~LEAF1_AVX;
		break;
	case 0x7:
		if (!avx) {
			entry->ebx &= ~LEAF7_EBX_AVX;
			entry->ecx &= ~LEAF7_ECX_AVX;
		}
		if (!avx512) {
			entry->ebx &= ~LEAF7_EBX_512;
			entry->ecx &= ~LEAF7_ECX_512;
		}
		break;
	case 0x40000001:
		if (host->tsc_stable)
			entry->eax |= BIT_(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
		break;
	case 0x80000000:
		entry->eax = entry->eax < 0x80000008 ? entry->eax : 0x80000008;
		break;
	case 0x80000001:
		if (!avx)
			entry->ecx &= ~EXT1_ECX_AVX;
		break;
	case 0x80000007:
		entry->edx = host->tsc_stable ? BIT_(8) : 0;
		break;
	case 0x80000008:
		if ((entry->eax & 0xff) > ADDRESS_BITS_MAX)
			entry->eax = (entry->eax & ~UINT32_C(0xff)) | ADDRESS_BITS_MAX;
		/* Nested tables of the guest's own are not there to be larger. */
		entry->eax &= 0xffff;
		break;
	default:
		break;
	}
}

/* Does the processor have the leaf, or do we make it? */
static bool exists(const struct cpuid_host *host, uint32_t leaf)
{
	struct cpuid_result highest;

	if (leaf >> 16 == CPUID_PARAVIRT >> 16)
		return true;
	host->read(leaf & 0x80000000u, 0, &highest);
	return leaf <= highest.eax;
}

int cpuid_supported(const struct cpuid_host *host, struct kvm_cpuid_entry2 *entries, uint32_t room)
{
	struct out out = { .entries = entries, .room = room };
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct kvm_cpuid_entry2 *entry;
		struct cpuid_result result;

		if (!exists(host, row->leaf))
			continue;
		if (row->leaf == 0xd) {
			if (host->xcr0)
				add_xsave(host, &out);
			continue;
		}
		host->read(row->leaf, 0, &result);
		entry = add(&out, row->leaf, 0,
		            row->leaf == 0x7 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0);
		entry->eax = (result.eax & row->shown[0]) | row->made[0];
		entry->ebx = (result.ebx & row->shown[1]) | row->made[1];
		entry->ecx = (result.ecx & row->shown[2]) | row->made[2];
		entry->edx = (result.edx & row->shown[3]) | row->made[3];
		adjust(host, entry);
	}
	return out.count <= room ? (int)out.count : -E2BIG;
}

/* Which range of leaves: 0 basic, 1 of hypervisors, 2 extended; -1: another. */
static int range_of(uint32_t leaf)
{
	switch (leaf >> 28) {
	case 0x0:
		return 0;
	case 0x4:
		return 1;
	case 0x8:
		return 2;
	default:
		return -1;
	}
}

int cpuid_set(struct cpuid_table *table, const struct kvm_cpuid_entry2 *entries, uint32_t count)
{
	uint32_t i, j;

	if (count > CPUID_ENTRIES_MAX)
		return -E2BIG;
	for (i = 0; i < count; i++) {
		for (j = 0; j < i; j++) {
			if (entries[i].function == entries[j].function &&
			    (!((entries[i].flags | entries[j].flags) &
			       KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
			     entries[i].index == entries[j].index))
				return -EINVAL;
		}
	}
	memset(table, 0, sizeof(*table));
	memcpy(table->entries, entries, count * sizeof(entries[0]));
	table->count = count;
	for (i = count; i-- > 0;) {
		uint32_t leaf = entries[i].function, low = leaf & 0x0fffffff;
		int range = range_of(leaf);

		if (range < 0)
			continue;
		if (low < CPUID_DIRECT)
			table->first[range][low] = (uint16_t)(i + 1);
		if (leaf > table->highest[range])
			table->highest[range] = leaf;
	}
	return 0;
}

const struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid_table *table, uint32_t leaf,
                                          uint32_t index)
{
	uint32_t low = leaf & 0x0fffffff, i = 0;
	int range = range_of(leaf);

	if (range >= 0 && low < CPUID_DIRECT) {
		i = table->first[range][array_index_nospec(low, CPUID_DIRECT)];
		if (i-- == 0)
			return NULL;
	}
	for (; i < table->count; i++) {
		const struct kvm_cpuid_entry2 *entry = &table->entries[i];

		if (entry->function == leaf &&
		    (!(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || entry->index == index))
			return entry;
	}
	return NULL;
}

/* Intel's processors answer with their highest basic leaf where there is none; AMD's with zeros. */
static bool answers_with_highest(const struct cpuid_table *table, uint32_t leaf)
{
	const struct kvm_cpuid_entry2 *vendor = cpuid_find(table, 0, 0);
	int range = range_of(leaf);

	if (!vendor || vendor->ebx != 0x756e6547 || vendor->edx != 0x49656e69 ||
	    vendor->ecx != 0x6c65746e)
		return false;
	return range < 0 || leaf > (range == 0 ? vendor->eax : table->highest[range]);
}

/* Bytes of the area that XSAVE needs for these components. */
static uint32_t xsave_size(const struct cpuid_table *table, uint64_t components, bool compacted)
{
	uint32_t size = 512 + 64, i;

	for (i = 2; i < 63; i++) {
		const struct kvm_cpuid_entry2 *entry;

		if (!(components >> i & 1))
			continue;
		entry = cpuid_find(table, 0xd, i);
		if (!entry)
			continue;
		if (compacted)
			size = (entry->ecx & 2 ? (size + 63) & ~UINT32_C(63) : size) + entry->eax;
		else if (entry->ebx + entry->eax > size)
			size = entry->ebx + entry->eax;
	}
	return size;
}

/* What of the guest's state shows. */
static void show_state(const struct cpuid_table *table, const struct cpuid_state *state,
                       const struct kvm_cpuid_entry2 *entry, struct cpuid_result *ret)
{
	switch (entry->function) {
	case 0x1:
		ret->ecx &= ~C1_OSXSAVE;
		if ((state->cr4 & CR4_OSXSAVE) && (ret->ecx & C1_XSAVE))
			ret->ecx |= C1_OSXSAVE;
		if (!state->apic_enabled)
			ret->edx &= ~D1_APIC;
		if (state->mwait_switched)
			ret->ecx = (ret->ecx & ~C1_MWAIT) | (state->mwait ? C1_MWAIT : 0);
		break;
	case 0x7:
		if (entry->index != 0)
			break;
		ret->ecx &= ~C7_OSPKE;
		if ((state->cr4 & CR4_PKE) && (ret->ecx & C7_PKU))
			ret->ecx |= C7_OSPKE;
		break;
	case 0xd:
		if (entry->index == 0)
			ret->ebx = xsave_size(table, state->xcr0, false);
		else if (entry->index == 1 && (ret->eax & 0xa))
			ret->ebx = xsave_size(table, state->xcr0 | state->xss, true);
		break;
	default:
		break;
	}
}

void cpuid_execute(const struct cpuid_table *table, const struct cpuid_state *state, uint32_t leaf,
                   uint32_t index, struct cpuid_result *ret)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(table, leaf, index);

	if (!entry && answers_with_highest(table, leaf))
		entry = cpuid_find(table, cpuid_find(table, 0, 0)->eax, index);
	*ret = (struct cpuid_result){ 0 };
	if (!entry)
		return;
	ret->eax = entry->eax;
	ret->ebx = entry->ebx;
	ret->ecx = entry->ecx;
	ret->edx = entry->edx;
	show_state(table, state, entry, ret);
}

bool cpuid_plain(const struct cpuid_table *table, uint64_t gpr[4])
{
	enum { RAX, RCX, RDX, RBX };
	uint32_t leaf = (uint32_t)gpr[RAX];
	const struct kvm_cpuid_entry2 *entry;
	uint32_t place;

	if (leaf == 0x1 || leaf == 0x7 || leaf == 0xd || leaf >> 30 == 3 ||
	    (leaf & 0x3fffffff) >= CPUID_DIRECT)
		return false;
	place = table->first[leaf >> 30][leaf % CPUID_DIRECT];
	entry = &table->entries[place - 1];
	if (!place || ((entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) &&
	               entry->index != (uint32_t)gpr[RCX]))
		return false;
	gpr[RAX] = entry->eax;
	gpr[RBX] = entry->ebx;
	gpr[RCX] = entry->ecx;
	gpr[RDX] = entry->edx;
	return true;
}

unsigned int cpuid_address_bits(const struct cpuid_table *table)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(table, 0x80000008, 0);
	unsigned int bits = entry ? entry->eax & 0xff : 36;

	return bits < 32 ? 32 : bits > 52 ? 52 : bits;
}

uint64_t cpuid_cr4(const struct cpuid_table *table)
{
	/* A bit of CR4, and the feature that it belongs to: leaf, EBX (1) or ECX (2), bit. */
	static const struct {
		uint8_t bit, leaf, reg, feature;
	} rules[] = {
		{ 11, 7, 2, 2 },  /* UMIP */
		{ 12, 7, 2, 16 }, /* LA57 */
		{ 16, 7, 1, 0 },  /* FSGSBASE */
		{ 17, 1, 2, 17 }, /* PCIDE */
		{ 18, 1, 2, 26 }, /* OSXSAVE */
		{ 20, 7, 1, 7 },  /* SMEP */
		{ 21, 7, 1, 20 }, /* SMAP */
		{ 22, 7, 2, 3 },  /* PKE */
	};
	/* VME to OSXMMEXCPT, which all processors that have AMD-V have. */
	uint64_t bits = 0x7ff;
	unsigned int i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct kvm_cpuid_entry2 *entry = cpuid_find(table, rules[i].leaf, 0);

		if (entry &&
		    ((rules[i].reg == 1 ? entry->ebx : entry->ecx) >> rules[i].feature & 1))
			bits |= UINT64_C(1) << rules[i].bit;
	}
	return bits;
}
