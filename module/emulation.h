/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An instruction that is being carried out for a virtual processor.
 */
#ifndef MODULE_EMULATION_H
#define MODULE_EMULATION_H

#include "module/emulate.h"
#include "module/vcpu.h"

struct emulation {
	struct emulate emulate;
	struct emulate_cpu cpu;
};

#endif
