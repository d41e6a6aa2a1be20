// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes parent.vhdx and child.vhdx, a differencing disk, into the current directory: no other
 * program of the tests writes such a disk.  The child's block of zeros has nothing below it,
 * because libvhdi would show what is there, against the specification.
 */
#include <stdio.h>

#include "tests/unit/vhdx-make.h"

static int write_out(const char *name, uint8_t *data)
{
	FILE *file = fopen(name, "w");
	int bad = !file || fwrite(data, 1, MADE_LEN, file) != MADE_LEN;

	if (file && fclose(file) != 0)
		bad = 1;
	free(data);
	return bad;
}

int main(void)
{
	static const char *const locator[] = { "parent_linkage",
		                               "{01010101-0101-0101-0101-010101010101}",
		                               "relative_path",
		                               ".\\parent.vhdx",
		                               "absolute_win32_path",
		                               "C:\\disks\\parent.vhdx",
		                               NULL };
	uint8_t *parent = make_vhdx(6 * MIB, 512, 1), *child = make_vhdx(6 * MIB, 512, 2);

	set_bat(parent, 0, ENTRY_AT(3));
	set_bat(parent, 3, ENTRY_AT(2));
	make_child(child, locator);
	set_bat(child, 0, ENTRY_AT(1) | 7);
	set_bat(child, 1, ENTRY_AT(0));
	set_bat(child, 2, 2);
	set_bat(child, 4096, MADE_BITMAP | 6);
	for (unsigned int s = 0; s < 2048; s++)
		if (s % 3 == 0 || (s >= 100 && s < 300))
			child[MADE_BITMAP + s / 8] |= (uint8_t)(1 << s % 8);
	return write_out("parent.vhdx", parent) | write_out("child.vhdx", child);
}
