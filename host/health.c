// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/health.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "host/boot-env.h"
#include "include/sill/hypercall.h"
#include "util/cleanup.h"
#include "util/io.h"

const char *health_verdict(const struct health *health)
{
	if (!health->data_kept)
		return "the data partition cannot be used";
	if (health->data_error)
		return "nothing can be written to the data partition";
	if (health->bare)
		return NULL;
	if (health->beneath)
		return health->module ? NULL : "the hypervisor's module was not loaded";
	/* Without AMD-V there is nothing that the hypervisor could have done. */
	return health->has_svm ? "the hypervisor did not start" : NULL;
}

static bool sill_beneath(void)
{
	unsigned int a, b, c, d;
	char signature[12];

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 31))
		return false;
	__cpuid(SILL_CPUID_BASE, a, b, c, d);
	memcpy(signature, &b, 4);
	memcpy(signature + 4, &c, 4);
	memcpy(signature + 8, &d, 4);
	return memcmp(signature, SILL_CPUID_SIGNATURE, sizeof(signature)) == 0;
}

/* CPUID 8000_0001 ECX bit 2 (AMD64 manual, volume 3, appendix E.4.2). */
static bool svm_to_be_had(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000001u, &a, &b, &c, &d) && (c & 1u << 2);
}

static int write_probe(const struct state *state)
{
	char path[PATH_MAX];
	cleanup_close int fd = -1;
	int r;

	snprintf(path, sizeof(path), "%s/.healthy-%d", state->dir, (int)getpid());
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	r = write_all(fd, path, strlen(path));
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	unlink(path);
	return -r;
}

void health_look(const struct host_root *root, const struct state *state, struct health *ret)
{
	char word[8];

	*ret = (struct health){
		.bare = host_word(root, "sill.bare", word, sizeof(word)) == 0,
		.beneath = sill_beneath(),
		.module = faccessat(root->dirfd, root->sill, R_OK | W_OK, 0) == 0,
		.has_svm = svm_to_be_had(),
		.data_kept = faccessat(root->dirfd, HOST_WITHOUT_DATA, F_OK, 0) < 0,
		.data_error = write_probe(state),
	};
}

int host_confirm(const struct host_root *root, const struct state *state, const char *boot_env,
                 struct error *err)
{
	struct boot_env env;
	struct health health;
	const char *why;
	char slot[8];
	int r;

	if (host_word(root, "sill.slot", slot, sizeof(slot)) < 0)
		return error_set(err, ENODEV, "this is no Sill PC: it was not started from a slot");
	health_look(root, state, &health);
	why = health_verdict(&health);
	if (why)
		return error_set(err, EHOSTDOWN, "this start is not healthy: %s", why);
	r = boot_env_load(root->dirfd, boot_env, &env, err);
	if (r == 0)
		r = boot_env_set(&env, "tries", "0", err);
	if (r == 0)
		r = boot_env_set(&env, "good", slot, err);
	return r < 0 ? r : boot_env_store(root->dirfd, boot_env, &env, err);
}
