// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's FPU, in XSAVE's standard format (APM volume 2, 11.4.4 and CPUID leaf Dh), in which a
 * part that is as after a reset says so.
 */
#include <asm/fpu/api.h>
#include <linux/slab.h>

#include "module/vcpu.h"

#define XMM       160u
#define HEADER    512u /* begins with which parts are there */
#define YMM       576u
#define HAS_X87   1ull
#define HAS_SSE   2ull
#define HAS_YMM   4ull
#define AREA_SIZE sizeof(struct kvm_xsave)
#define GUEST_HAS (cpuid_host_xcr0() | HAS_X87 | HAS_SSE)

void vcpu_get_xsave(struct vcpu *vcpu, struct kvm_xsave *area)
{
	fpu_copy_guest_fpstate_to_uabi(&vcpu->fpu, area, AREA_SIZE, GUEST_HAS, 0);
}

int vcpu_set_xsave(struct vcpu *vcpu, const struct kvm_xsave *area)
{
	u32 pkru = 0;

	return fpu_copy_uabi_to_guest_fpstate(&vcpu->fpu, area, GUEST_HAS, &pkru);
}

static u8 *get_area(struct vcpu *vcpu, gfp_t flags)
{
	u8 *area = kzalloc(AREA_SIZE, GFP_KERNEL | flags);

	if (area)
		vcpu_get_xsave(vcpu, (struct kvm_xsave *)area);
	return area;
}

/* And frees it. */
static int put_area(struct vcpu *vcpu, u8 *area, u64 has)
{
	int error;

	*(u64 *)(area + HEADER) |= has;
	error = vcpu_set_xsave(vcpu, (const struct kvm_xsave *)area);
	kfree(area);
	return error;
}

/* Where parts of struct kvm_fpu are.  FCW, FSW, FTW, opcode, and the last addresses are one. */
static const struct {
	u16 fpu, area, size;
} parts[] = {
	{ offsetof(struct kvm_fpu, fcw), 0, 24 },
	{ offsetof(struct kvm_fpu, mxcsr), 24, 4 },
	{ offsetof(struct kvm_fpu, fpr), 32, 128 },
	{ offsetof(struct kvm_fpu, xmm), XMM, 256 },
};

int vcpu_get_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu)
{
	u8 *area = get_area(vcpu, 0);
	unsigned int i;

	if (!area)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		memcpy((u8 *)fpu + parts[i].fpu, area + parts[i].area, parts[i].size);
	kfree(area);
	return 0;
}

int vcpu_set_fpu(struct vcpu *vcpu, const struct kvm_fpu *fpu)
{
	u8 *area = get_area(vcpu, 0);
	unsigned int i;

	if (!area)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		memcpy(area + parts[i].area, (const u8 *)fpu + parts[i].fpu, parts[i].size);
	return put_area(vcpu, area, HAS_X87 | HAS_SSE);
}

/*
 * While KVM_RUN is under way the registers may be in the processor: whoever takes the FPU for the
 * kernel has them saved, and loaded again before the guest runs.
 */
static u8 *take_area(struct vcpu *vcpu)
{
	kernel_fpu_begin();
	kernel_fpu_end();
	return get_area(vcpu, __GFP_NOFAIL);
}

void vcpu_vector_read(void *context, unsigned int number, u8 *data, unsigned int size)
{
	u8 *area = take_area(context);

	memcpy(data, area + XMM + 16 * number, 16);
	if (size > 16)
		memcpy(data + 16, area + YMM + 16 * number, 16);
	kfree(area);
}

void vcpu_vector_write(void *context, unsigned int number, const u8 *data, unsigned int size,
                       bool clear)
{
	u8 *area = take_area(context);

	memcpy(area + XMM + 16 * number, data, 16);
	if (size > 16)
		memcpy(area + YMM + 16 * number, data + 16, 16);
	else if (clear)
		memset(area + YMM + 16 * number, 0, 16);
	put_area(context, area, HAS_SSE | (size > 16 ? HAS_YMM : 0));
}
