// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MSRs that keep a value, or have a fixed one, and no effect.  A row for each, with what a write
 * may set.  Names are those of the manuals: AMD64 Architecture Programmer's Manual volume 2,
 * appendix A; Intel SDM volume 4.  A guest that finds none of what firmware and kernels always
 * touch would stop.
 */
#include "module/msr.h"

enum kind {
	KEPT,    /* what is written is read */
	FIXED,   /* the guest cannot write; the VMM can, within the mask */
	IGNORED, /* writes do nothing */
	FLAGGED, /* machine check status: the guest writes 0, or anything once HWCR lets it */
};

struct row {
	uint32_t first, count;
	uint8_t kind;
	bool listed;  /* part of a guest's state */
	bool feature; /* says what the processor can do */
	uint64_t reset;
	uint64_t writable;
};

#define ALL      UINT64_MAX
#define HWCR     0xc0010015u
#define MCG_CAP  0x179u
#define MC_FIRST 0x400u
#define MC_COUNT 128u
/* HWCR: McStatusWrEn */
#define HWCR_STATUS (UINT64_C(1) << 18)

static const struct row rows[] = {
	/* Pentium's machine check. */
	{ 0x0, 2, IGNORED, false, false, 0, 0 },
	/* PLATFORM_ID; EBL_CR_POWERON */
	{ 0x17, 1, FIXED, false, false, 0, 0 },
	{ 0x2a, 1, IGNORED, false, false, 0, 0 },
	{ 0x34, 1, FIXED, true, false, 0, ALL }, /* SMI_COUNT */
	/* The microcode's revision: guests write 0 before they read it. */
	{ 0x8b, 1, IGNORED, true, true, 0x01000065, ALL },
	{ 0xce, 1, FIXED, true, false, 0, ALL }, /* PLATFORM_INFO */
	{ 0xcd, 1, FIXED, false, false, 3, 0 },  /* FSB_FREQ */
	{ 0xfe, 1, FIXED, false, false, 0x508,
	  0 }, /* MTRRcap: 8 ranges, fixed ones, write combining */
	{ 0x11e, 1, FIXED, false, false, 0xbe702111, 0 }, /* BBL_CR_CTL3 */
	{ MCG_CAP, 1, FIXED, false, false, 0x1000100 | 10, 0 },
	{ 0x17a, 1, KEPT, true, false, 0, ALL },                        /* MCG_STATUS */
	{ 0x17b, 1, KEPT, true, false, ALL, ALL },                      /* MCG_CTL */
	{ 0x198, 1, FIXED, false, false, UINT64_C(4) << 40 | 1000, 0 }, /* PERF_STATUS */
	{ 0x199, 1, IGNORED, false, false, 0, 0 },                      /* PERF_CTL */
	{ 0x1a0, 1, KEPT, true, false, 1, ALL }, /* MISC_ENABLE: fast strings */
	/* Last branches and interrupts, which are not recorded. */
	{ 0x1db, 4, FIXED, false, false, 0, 0 },
	/* MTRRs: nested paging's memory types do not follow them. */
	{ 0x1fc, 1, KEPT, true, false, 0, ALL }, /* POWER_CTL */
	{ 0x200, 16, KEPT, true, false, 0, ALL },
	{ 0x250, 1, KEPT, true, false, 0, ALL },
	{ 0x258, 2, KEPT, true, false, 0, ALL },
	{ 0x268, 8, KEPT, true, false, 0, ALL },
	{ 0x2ff, 1, KEPT, true, false, 0, 0xcff },
	{ MC_FIRST, MC_COUNT, FLAGGED, false, false, 0, ALL },
	/* Power: RAPL's unit and counters. */
	{ 0x606, 1, FIXED, false, false, 0, 0 },
	{ 0x611, 1, FIXED, false, false, 0, 0 },
	{ 0x619, 1, FIXED, false, false, 0, 0 },
	{ 0x639, 1, FIXED, false, false, 0, 0 },
	{ 0x641, 1, FIXED, false, false, 0, 0 },
	/* Performance counters of the K7, which count nothing. */
	{ 0xc0010000, 8, IGNORED, false, false, 0, 0 },
	{ 0xc0010010, 1, IGNORED, false, false, 0, 0 }, /* SYSCFG */
	{ HWCR, 1, KEPT, true, false, 0, HWCR_STATUS | 0x1000178 },
	{ 0xc001001a, 1, FIXED, false, false, 0, 0 },   /* TOP_MEM */
	{ 0xc001001d, 1, FIXED, false, false, 0, 0 },   /* TOP_MEM2 */
	{ 0xc001001f, 1, IGNORED, false, false, 0, 0 }, /* NB_CFG */
	{ 0xc0010020, 1, IGNORED, false, false, 0, 0 }, /* PATCH_LOADER */
	{ 0xc0010055, 1, IGNORED, false, false, 0, 0 }, /* INT_PENDING */
	{ 0xc0010058, 1, IGNORED, false, false, 0, 0 }, /* MMIO_CFG_BASE */
	{ 0xc0010111, 3, FIXED, false, false, 0, 0 },   /* SMM_BASE, SMM_ADDR, SMM_MASK */
	/* Errata that the guest need not work around. */
	{ 0xc0010140, 1, FIXED, true, false, 0, ALL },
	{ 0xc0010141, 1, FIXED, true, false, 0, ALL },
	{ 0xc0011020, 4, IGNORED, false, false, 0, 0 }, /* LS_CFG, IC_CFG, DC_CFG, BU_CFG */
	/* DE_CFG: LFENCE waits for what is before it. */
	{ 0xc0011029, 1, FIXED, true, true, 2, 2 },
	{ 0xc001102a, 1, IGNORED, false, false, 0, 0 }, /* BU_CFG2 */
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* MSRs with an effect (msr.c) that are part of a guest's state. */
static const uint32_t others[] = {
	0x10,                          /* TSC */
	0x1b,                          /* APIC_BASE */
	0x3b,                          /* TSC_ADJUST */
	0x174,                         /* SYSENTER_CS, _ESP, _EIP */
	0x175,      0x176,      0x1d9, /* DEBUGCTL */
	0x277,                         /* PAT */
	0x4b564d00, /* the paravirtual clock: wall, system; and their first numbers */
	0x4b564d01, 0x12,       0x11,       0xc0000080, /* EFER */
	0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, /* STAR, LSTAR, CSTAR, SFMASK */
	0xc0000100, 0xc0000101, 0xc0000102,             /* FS, GS and kernel GS base */
	0xc0000103,                                     /* TSC_AUX */
};

#define OTHERS ((unsigned int)(sizeof(others) / sizeof(others[0])))

/* The row of an MSR, and where its value is; NULL. */
static const struct row *find(uint32_t index, uint32_t *ret_at)
{
	uint32_t at = 0, i;

	for (i = 0; i < ROWS; i++) {
		if (index - rows[i].first < rows[i].count) {
			*ret_at = at + (index - rows[i].first);
			return &rows[i];
		}
		at += rows[i].count;
	}
	return NULL;
}

void msr_values_reset(struct msr_values *values)
{
	uint32_t at = 0, i, j;

	for (i = 0; i < ROWS; i++) {
		for (j = 0; j < rows[i].count && at < MSR_VALUES; j++)
			values->value[at++] = rows[i].reset;
	}
}

static uint64_t value_of(const struct msr_values *values, uint32_t index)
{
	uint32_t at;

	return find(index, &at) ? values->value[at] : 0;
}

/* Banks beyond those that MCG_CAP counts are not there. */
static bool is_there(const struct msr_values *values, const struct row *row, uint32_t index)
{
	return row->first != MC_FIRST ||
	       (index - MC_FIRST) / 4 < (value_of(values, MCG_CAP) & 0xff);
}

enum msr_answer msr_values_read(const struct msr_values *values, uint32_t index, uint64_t *ret)
{
	uint32_t at;
	const struct row *row = find(index, &at);

	if (!row)
		return MSR_UNKNOWN;
	if (!is_there(values, row, index))
		return MSR_FAULT;
	*ret = values->value[at];
	return MSR_OK;
}

/* A bank of machine check: control is all or nothing, the rest is cleared by the guest. */
static bool bank_takes(const struct msr_values *values, uint32_t index, uint64_t value)
{
	if ((index - MC_FIRST) % 4 == 0)
		/* Linux leaves bit 10 of bank 4 clear on some processors. */
		return value == 0 || (value | UINT64_C(1) << 10) == ALL;
	return value == 0 || (value_of(values, HWCR) & HWCR_STATUS) != 0;
}

enum msr_answer msr_values_write(struct msr_values *values, uint32_t index, uint64_t value,
                                 bool by_host)
{
	uint32_t at;
	const struct row *row = find(index, &at);

	if (!row)
		return MSR_UNKNOWN;
	if (!is_there(values, row, index))
		return MSR_FAULT;
	if (!by_host && row->kind == IGNORED)
		return MSR_OK;
	if (!by_host && row->kind == FIXED)
		return MSR_FAULT;
	if (!by_host && row->kind == FLAGGED && !bank_takes(values, index, value))
		return MSR_FAULT;
	/* A VMM that restores what it has read is right. */
	if ((value & ~row->writable) != 0 && !(by_host && value == values->value[at]))
		return by_host && row->kind == IGNORED ? MSR_OK : MSR_FAULT;
	values->value[at] = value;
	return MSR_OK;
}

void msr_values_setup_mce(struct msr_values *values, uint64_t capability)
{
	uint32_t at, i;

	if (!find(MCG_CAP, &at))
		return;
	values->value[at] = capability;
	for (i = 0; i < MC_COUNT; i += 4) {
		if (find(MC_FIRST + i, &at))
			values->value[at] = ALL;
	}
}

bool msr_feature(uint32_t index, uint64_t *ret)
{
	uint32_t at;
	const struct row *row = find(index, &at);

	if (!row || !row->feature)
		return false;
	*ret = row->reset;
	return true;
}

bool msr_list(bool features, unsigned int n, uint32_t *ret_index)
{
	uint32_t i;

	for (i = 0; !features && i < OTHERS; i++) {
		if (n-- == 0) {
			*ret_index = others[i];
			return true;
		}
	}
	for (i = 0; i < ROWS; i++) {
		if (!(features ? rows[i].feature : rows[i].listed))
			continue;
		if (n < rows[i].count) {
			*ret_index = rows[i].first + n;
			return true;
		}
		n -= rows[i].count;
	}
	return false;
}
