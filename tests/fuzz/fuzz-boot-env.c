// SPDX-License-Identifier: GPL-2.0-or-later
/* An environment block from a disk that anybody could write: read, changed, and still a block. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/boot-env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char signature[] = "# GRUB Environment Block\n";
	uint8_t raw[BOOT_ENV_BYTES];
	struct boot_env env, again;
	char value[BOOT_ENV_BYTES], name[9] = "";

	if (len < 16)
		return 0;
	memcpy(name, data, 8);
	data += 8;
	len -= 8;
	/* No mutation finds the first line and the size. */
	memset(raw, '#', sizeof(raw));
	memcpy(raw, signature, sizeof(signature) - 1);
	memcpy(raw + sizeof(signature) - 1, data,
	       len < sizeof(raw) - sizeof(signature) ? len : sizeof(raw) - sizeof(signature));
	if (boot_env_parse(raw, sizeof(raw), &env, NULL) < 0)
		return 0;
	boot_env_get(&env, name, value, sizeof(value));
	if (name[0] && boot_env_set(&env, name, "1", NULL) == 0) {
		if (boot_env_parse(env.raw, sizeof(env.raw), &again, NULL) < 0 ||
		    boot_env_get(&env, name, value, sizeof(value)) < 0 || strcmp(value, "1") != 0)
			abort();
		if (boot_env_set(&env, name, NULL, NULL) < 0 ||
		    boot_env_parse(env.raw, sizeof(env.raw), &again, NULL) < 0)
			abort();
	}
	return 0;
}
