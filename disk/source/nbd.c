// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "disk/source/kinds.h"

int nbd_source_create(const struct source_url *url, const struct source_options *options,
                      struct source **ret, struct error *err)
{
	(void)options;
	(void)ret;
	return error_set(err, ENOTSUP, "%s: NBD sources come with the next commit", url->name);
}
