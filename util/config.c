// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST_FOLDER "/etc/sill"

static const char *given_folder(void)
{
	const char *given = getenv("SILL_CONFIG");

	return given && *given ? given : NULL;
}

int config_path(const char *file, char ret[PATH_MAX], struct error *err)
{
	const char *given = given_folder(), *config = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	int n;

	if (given)
		n = snprintf(ret, PATH_MAX, "%s/%s", given, file);
	else if (geteuid() == 0)
		n = snprintf(ret, PATH_MAX, HOST_FOLDER "/%s", file);
	else if (config && config[0] == '/')
		n = snprintf(ret, PATH_MAX, "%s/sill/%s", config, file);
	else if (home && home[0] == '/')
		n = snprintf(ret, PATH_MAX, "%s/.config/sill/%s", home, file);
	else
		return error_set(err, ENOENT,
		                 "no place for %s: SILL_CONFIG, XDG_CONFIG_HOME and HOME are all "
		                 "unset",
		                 file);
	if (n < 0 || n >= PATH_MAX)
		return error_set(err, ENAMETOOLONG, "the path of %s is too long", file);
	return 0;
}

bool config_host_path(const char *file, char ret[PATH_MAX])
{
	int n = snprintf(ret, PATH_MAX, HOST_FOLDER "/%s", file);

	return !given_folder() && geteuid() != 0 && n > 0 && n < PATH_MAX;
}
