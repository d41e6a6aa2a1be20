/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions and numbers of the architecture that both vendors share (AMD64 Architecture
 * Programmer's Manual volume 2, revision 3.40; Intel SDM volume 3).
 */
#ifndef HYPERVISOR_CORE_X86_H
#define HYPERVISOR_CORE_X86_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SIZE         4096u

#define CR0_PE            (1u << 0)
#define CR0_ET            (1u << 4)
#define CR0_PG            (1u << 31)
#define CR4_PSE           (1u << 4)
#define CR4_PAE           (1u << 5)
#define CR4_LA57          (1u << 12)
#define CR4_OSXSAVE       (1u << 18)
#define CR4_PKE           (1u << 22)
#define RFLAGS_FIXED      2u
#define RFLAGS_TF         (1u << 8)

#define MSR_APIC_BASE     0x1Bu
#define MSR_X2APIC_FIRST  0x800u
#define MSR_X2APIC_ICR    0x830u
#define MSR_EFER          0xC0000080u
#define EFER_LME          (1u << 8)
#define EFER_LMA          (1u << 10)
#define EFER_NXE          (1u << 11)
#define EFER_SVME         (1u << 12)
#define APIC_BASE_BSP     (1u << 8)
#define APIC_BASE_EXTD    (1u << 10)
#define APIC_BASE_EN      (1u << 11)
#define APIC_BASE_ADDRESS 0x000FFFFFFFFFF000u

/* Exceptions. */
enum {
	VECTOR_DB = 1,
	VECTOR_NMI = 2,
	VECTOR_UD = 6,
	VECTOR_DF = 8,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_MC = 18,
	VECTOR_SX = 30,
	VECTOR_COUNT = 32
};

/* Page table entries; nested tables of AMD have the same form. */
#define PTE_P       (UINT64_C(1) << 0)
#define PTE_W       (UINT64_C(1) << 1)
#define PTE_U       (UINT64_C(1) << 2)
#define PTE_A       (UINT64_C(1) << 5)
#define PTE_D       (UINT64_C(1) << 6)
#define PTE_PS      (UINT64_C(1) << 7)
#define PTE_NX      (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000FFFFFFFFFF000)

struct cpuid {
	uint32_t a, b, c, d;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
	                 : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
	                 : "a"(leaf), "c"(sub));
	return r;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
	                 : "memory");
}

/* The same where the processor may not know the MSR: false for its #GP. */
bool rdmsr_safe(uint32_t msr, uint64_t *ret);
bool wrmsr_safe(uint32_t msr, uint64_t value);

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static inline void write_cr3(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr3" ::"r"(value) : "memory");
}

static inline uint64_t read_cr3(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	return value;
}

static inline uint64_t read_cr2(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr2, %0" : "=r"(value));
	return value;
}

#endif
