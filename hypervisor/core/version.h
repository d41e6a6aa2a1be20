/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HYPERVISOR_CORE_VERSION_H
#define HYPERVISOR_CORE_VERSION_H

/* SILL_MAJOR, SILL_MINOR and SILL_PATCH come from the build: the project's version. */
#define SILL_RELEASE ((uint32_t)(SILL_MAJOR << 16 | SILL_MINOR << 8 | SILL_PATCH))

#endif
