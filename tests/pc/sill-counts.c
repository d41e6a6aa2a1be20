// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the hypervisor and the module have of guests, as one line for the tests.  When there are no
 * guests all of it is 0.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "include/sill/device.h"

int main(void)
{
	struct sill_info info;
	struct sill_module_stats module;
	int file = open("/dev/sill", O_RDWR | O_CLOEXEC);

	if (file < 0 || ioctl(file, SILL_GET_INFO, &info) < 0 ||
	    ioctl(file, SILL_GET_MODULE, &module) < 0) {
		perror("/dev/sill");
		return 1;
	}
	close(file);
	printf("machines %u donations %u lent %llu donated %llu\n", module.machines,
	       module.donations, (unsigned long long)info.frames_lent,
	       (unsigned long long)info.frames_donated);
	return 0;
}
