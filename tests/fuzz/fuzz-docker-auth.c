// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file of docker's or podman's and the look-up of a URL in it: the text up to the first NUL, then
 * the URL.  The same text as a helper program's answer, too.
 */
#include <stdlib.h>
#include <string.h>

#include "disk/source/credential-helper.h"
#include "disk/source/docker-auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = calloc(1, len + 2);
	struct credential said = { 0 };
	struct docker_auth *auth;
	struct docker_answer answer;
	size_t n;

	if (!text)
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	n = strlen(text);
	if (docker_auth_parse(text, n, "fuzz", &auth, NULL) == 0) {
		const char *url = n < len ? text + n + 1 : "https://r.example/v2/";

		if (docker_auth_find(auth, url, &answer) &&
		    (answer.credential ? !answer.credential->secret[0]
		                       : strchr(answer.helper, '/') != NULL))
			abort();
		docker_auth_free(auth);
	}
	if (credential_helper_parse(text, n, "fuzz", &said, NULL) == 0 && !said.secret[0])
		abort();
	credential_wipe(&said);
	free(text);
	return 0;
}
