/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few facts we take from ACPI (6.5): which processors there are (MADT, 5.2.12), and the port
 * and value that suspend to RAM (FADT, 5.2.9; the \_S3 package of DSDT or SSDT, 7.4.2.4).  Tables
 * are firmware's: lengths and checksums are verified, and every walk is bounded.
 */
#ifndef HYPERVISOR_BOOT_ACPI_H
#define HYPERVISOR_BOOT_ACPI_H

#include "hypervisor/core/phys.h"
#include "hypervisor/core/say.h"

#define CPUS_MAX 256

struct acpi_facts {
	uint32_t cpus;
	uint32_t apic_id[CPUS_MAX]; /* the enabled ones, in the MADT's order */
	uint16_t pm1_control[2];    /* ports of PM1a_CNT and PM1b_CNT; 0: none */
	bool has_s3;
	uint8_t *s3_name;   /* its four bytes, in the window of the table */
	uint8_t s3_type[2]; /* SLP_TYP for each of the two */
};

/*
 * rsdp 0: look where BIOS puts it (5.2.5.1).  Fails without a good MADT; a FADT, DSDT or \_S3 that
 * is missing or damaged leaves its fields 0.
 */
bool acpi_read(const struct phys *phys, uint64_t rsdp, struct acpi_facts *ret,
               struct sentence *why);

#endif
