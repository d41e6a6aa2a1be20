/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that are served here and not by the VMM: interrupt controllers and timers, ioeventfds,
 * and zones of coalesced writes.
 */
#ifndef MODULE_IO_H
#define MODULE_IO_H

#include "module/vcpu.h"

enum io_space { IO_MEMORY, IO_PORT };

/* At a machine's start and end. */
void io_create(struct vm *vm);
void io_free(struct vm *vm);

int io_set_watch(struct vm *vm, const struct kvm_ioeventfd *argument);
int io_set_zone(struct vm *vm, const struct kvm_coalesced_mmio_zone *argument, bool add);

/* irqchip.c: the interrupt controllers' registers.  Nothing else here can be read. */
bool irqchip_read(struct vcpu *vcpu, enum io_space space, u64 address, void *data,
                  unsigned int size);
bool irqchip_write(struct vcpu *vcpu, enum io_space space, u64 address, const void *data,
                   unsigned int size);

/* False: it is none of ours. */
bool io_write(struct vcpu *vcpu, enum io_space space, u64 address, const void *data,
              unsigned int size);

#endif
