// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What must not be published is found in file systems that mke2fs made, and taken out so that
 * nothing of it is left and e2fsck finds nothing wrong.
 */
#include "tests/unit/guest-memory.h"

#include "library/guest/identity.h"
#include "library/guest/worker.h"

#define SIZE (16 * MIB)

struct said {
	char text[16384];
	unsigned int found, notes;
};

static void found(void *arg, const char *what, const char *where)
{
	struct said *said = arg;
	size_t at = strlen(said->text);

	snprintf(said->text + at, sizeof(said->text) - at, "%s|%s\n", what, where);
	said->found++;
}

static void note(void *arg, const char *text)
{
	struct said *said = arg;
	size_t at = strlen(said->text);

	snprintf(said->text + at, sizeof(said->text) - at, "note|%s\n", text);
	said->notes++;
}

static int look(struct memory_disk *memory, bool strip, struct said *said, struct error *err)
{
	const struct identity_report report = { .found = found, .note = note, .arg = said };

	*said = (struct said){ 0 };
	return identity_look(&memory->disk, strip, &report, err);
}

static void expect_said(const struct said *said, const char *line)
{
	if (!strstr(said->text, line))
		fail_msg("'%s' is not among\n%s", line, said->text);
}

static const char *folder(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/sill-guest-%d", (int)getpid());
	return path;
}

/* A system's tree with one of each; SECRET is in all that must go, KEPT in what must stay. */
static void make_tree(void)
{
	shell("rm -rf %1$s; mkdir -p %1$s/t/etc/ssh %1$s/t/var/lib/dhcp "
	      "%1$s/t/var/log/journal/SECRET0123 "
	      "%1$s/t/home/anna/.ssh %1$s/t/root %1$s/t/var/lib/cloud/instances/i-1 "
	      "%1$s/t/etc/NetworkManager/system-connections %1$s/t/var/lib/systemd; cd %1$s/t; "
	      "echo SECRET-id >etc/machine-id; echo SECRET-key >etc/ssh/ssh_host_rsa_key; "
	      "echo KEPT-config >etc/ssh/sshd_config; echo SECRET-lease >var/lib/dhcp/a.leases; "
	      "seq -f SECRET-log%%g 9999 >var/log/syslog; "
	      "seq -f SECRET-journal%%g 99999 >var/log/journal/SECRET0123/system.journal; "
	      "echo SECRET-history >home/anna/.bash_history; echo KEPT-file >home/anna/file; "
	      "echo SECRET-mine >home/anna/.ssh/id_ed25519; echo SECRET-root >root/.bash_history; "
	      "echo SECRET-cloud >var/lib/cloud/instances/i-1/user-data; "
	      "echo SECRET-wifi >etc/NetworkManager/system-connections/home; "
	      "ln -s user-data var/lib/cloud/instances/i-1/link; "
	      "ln etc/ssh/ssh_host_rsa_key var/lib/systemd/random-seed; "
	      "echo 'UUID=11111111-2222-3333-4444-555555555555 /var ext4 defaults 0 2' >etc/fstab",
	      folder());
}

static struct memory_disk make_disk(const char *options)
{
	struct memory_disk memory = memory_disk_new(SIZE);
	char path[128];

	make_tree();
	shell("cd %s; mke2fs -q -t ext4 %s -d t disk 16M >/dev/null 2>&1", folder(), options);
	snprintf(path, sizeof(path), "%s/disk", folder());
	load_file(&memory, 0, path);
	return memory;
}

static void check_disk(const struct memory_disk *memory, uint64_t off)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/checked", folder());
	save_file(memory, off, memory->disk.size - off, path);
	shell("e2fsck -fn %s/checked >%s/said 2>&1 || { cat %s/said >&2; false; }", folder(),
	      folder(), folder());
}

static void forget(struct memory_disk *memory)
{
	memory_disk_free(memory);
	shell("rm -rf %s", folder());
}

TEST(what_must_not_be_published_is_found_and_nothing_is_changed)
{
	struct memory_disk memory = make_disk("");
	struct error err = { 0 };
	struct said said;

	if (look(&memory, false, &said, &err) < 0)
		fail_msg("%s", err.text);
	expect_said(&said, "machine id|the disk: /etc/machine-id\n");
	expect_said(&said, "SSH host key|the disk: /etc/ssh/ssh_host_rsa_key\n");
	expect_said(&said, "DHCP lease|the disk: /var/lib/dhcp/a.leases\n");
	expect_said(&said, "journal|the disk: /var/log/journal/SECRET0123/system.journal\n");
	expect_said(&said, "log|the disk: /var/log/syslog\n");
	expect_said(&said, "history of a shell|the disk: /home/anna/.bash_history\n");
	expect_said(&said, "history of a shell|the disk: /root/.bash_history\n");
	expect_said(&said, "person's SSH key|the disk: /home/anna/.ssh/id_ed25519\n");
	expect_said(&said, "cloud-init's instance|the disk: "
	                   "/var/lib/cloud/instances/i-1/user-data\n");
	expect_said(&said, "network's password|the disk: "
	                   "/etc/NetworkManager/system-connections/home\n");
	/* The random seed is the host key under another name: one file, told once. */
	assert_int_equal(said.found, 10);
	assert_int_equal(memory.writes, 0);
	forget(&memory);
}

static void strips_clean(const char *options)
{
	struct memory_disk memory = make_disk(options);
	struct error err = { 0 };
	struct said said;

	assert_true(has_text(&memory, "SECRET"));
	if (look(&memory, true, &said, &err) < 0)
		fail_msg("%s: %s", options, err.text);
	assert_int_equal(said.found, 10);
	assert_false(has_text(&memory, "SECRET"));
	assert_true(has_text(&memory, "KEPT-config"));
	assert_true(has_text(&memory, "KEPT-file"));
	check_disk(&memory, 0);
	assert_int_equal(look(&memory, false, &said, &err), 0);
	if (said.found > 0)
		fail_msg("%s: still there: %s", options, said.text);
	/* The folders of the journal are named by the machine's id. */
	assert_false(has_text(&memory, "user-data"));
	forget(&memory);
}

TEST(what_is_taken_out_is_nowhere_any_more_and_the_file_system_is_whole)
{
	strips_clean("");
}

TEST(small_blocks_old_kinds_and_data_in_inodes_are_stripped_too)
{
	strips_clean("-b 1024");
	strips_clean("-O ^metadata_csum,^64bit");
	strips_clean("-O ^extents,^64bit,^has_journal,^metadata_csum");
	strips_clean("-O inline_data -I 512");
	strips_clean("-O bigalloc -C 16384");
}

TEST(what_was_deleted_before_is_gone_with_the_free_blocks)
{
	struct memory_disk memory = make_disk("");
	struct said said;

	shell("cd %s; seq -f SECRET%%g 20000 >old; debugfs -w -R 'write old old' disk 2>/dev/null "
	      ">&2; debugfs -w -R 'rm old' disk 2>/dev/null >&2",
	      folder());
	memory_disk_free(&memory);
	memory = memory_disk_new(SIZE);
	{
		char path[128];

		snprintf(path, sizeof(path), "%s/disk", folder());
		load_file(&memory, 0, path);
	}
	assert_true(has_text(&memory, "SECRET19999"));
	assert_int_equal(look(&memory, true, &said, NULL), 0);
	assert_false(has_text(&memory, "SECRET"));
	forget(&memory);
}

TEST(the_same_disk_is_stripped_to_the_same_bytes)
{
	struct memory_disk memory = make_disk(""), again = memory_disk_new(SIZE);
	struct said said;

	memcpy(again.bytes, memory.bytes, SIZE);
	assert_int_equal(look(&memory, true, &said, NULL), 0);
	/* In another second. */
	shell("t=$(date +%%s); while [ $t = $(date +%%s) ]; do :; done");
	assert_int_equal(look(&again, true, &said, NULL), 0);
	assert_memory_equal(memory.bytes, again.bytes, SIZE);
	memory_disk_free(&again);
	forget(&memory);
}

/* Root on the first partition, /var on the second as its fstab says, swap on the third. */
TEST(a_file_system_is_looked_through_as_what_it_is_mounted_as)
{
	struct memory_disk memory = memory_disk_new(48 * MIB);
	struct error err = { 0 };
	struct said said;
	char path[128];

	make_tree();
	shell("cd %s; mv t/var v; mkdir t/var; mke2fs -q -t ext4 -d t root 16M >/dev/null 2>&1; "
	      "mke2fs -q -t ext4 -U 11111111-2222-3333-4444-555555555555 -d v var 16M "
	      ">/dev/null 2>&1; truncate -s 8M swap; mkswap swap >/dev/null 2>&1",
	      folder());
	snprintf(path, sizeof(path), "%s/root", folder());
	load_file(&memory, MIB, path);
	snprintf(path, sizeof(path), "%s/var", folder());
	load_file(&memory, 17 * MIB, path);
	snprintf(path, sizeof(path), "%s/swap", folder());
	load_file(&memory, 33 * MIB, path);
	memcpy(memory.bytes + 35 * MIB, "SECRET in memory", sizeof("SECRET in memory"));
	set_mbr(memory.bytes, 0, 0x83, 2048, 16 * 2048);
	set_mbr(memory.bytes, 1, 0x83, 17 * 2048, 16 * 2048);
	set_mbr(memory.bytes, 2, 0x82, 33 * 2048, 8 * 2048);
	if (look(&memory, true, &said, &err) < 0)
		fail_msg("%s", err.text);
	expect_said(&said, "machine id|partition 1: /etc/machine-id\n");
	expect_said(&said, "log|partition 2: /var/log/syslog\n");
	expect_said(&said, "random seed|partition 2: /var/lib/systemd/random-seed\n");
	expect_said(&said, "memory of the system|partition 3: swap\n");
	assert_false(has_text(&memory, "SECRET"));
	assert_true(has_text(&memory, "SWAPSPACE2"));
	forget(&memory);
}

static void refuses(struct memory_disk *memory, int code, const char *words)
{
	struct error err = { 0 };
	struct said said;

	assert_int_equal(look(memory, true, &said, &err), -code);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in '%s'", words, err.text);
}

TEST(what_cannot_be_looked_into_is_refused_by_name)
{
	struct memory_disk memory = make_disk("-O ^metadata_csum");
	uint8_t *super = memory.bytes + 1024;

	super[0x60] |= 4; /* the journal has to be replayed */
	refuses(&memory, EBUSY, "was not unmounted");
	super[0x60] &= (uint8_t)~4;
	memset(memory.bytes, 0, SIZE);
	memcpy(memory.bytes + 65536 + 64, "_BHRfS_M", 8);
	refuses(&memory, EOPNOTSUPP, "the disk: it has btrfs, which cannot be looked into");
	memset(memory.bytes, 0, SIZE);
	memcpy(memory.bytes, "LUKS\xba\xbe", 6);
	refuses(&memory, EOPNOTSUPP, "LUKS");
	memset(memory.bytes, 'x', SIZE);
	refuses(&memory, EOPNOTSUPP, "something unknown");
	forget(&memory);
}

TEST(encrypted_folders_are_refused)
{
	struct memory_disk memory = make_disk("-O encrypt");

	refuses(&memory, EOPNOTSUPP, "encrypted");
	forget(&memory);
}

TEST(the_worker_says_and_does_the_same)
{
	struct memory_disk memory = make_disk("");
	struct guest_worker *worker = NULL;
	struct said here, there = { 0 };
	const struct identity_report report = { .found = found, .note = note, .arg = &there };
	struct error err = { 0 };

	assert_int_equal(look(&memory, false, &here, NULL), 0);
	assert_int_equal(guest_worker_start(&worker, &err), 0);
	if (guest_worker_look(worker, &memory.disk, true, &report, &err) < 0)
		fail_msg("%s", err.text);
	guest_worker_end(worker);
	assert_string_equal(here.text, there.text);
	assert_false(has_text(&memory, "SECRET"));
	check_disk(&memory, 0);
	forget(&memory);
}

TEST(a_worker_that_may_not_change_the_disk_cannot)
{
	struct memory_disk memory = make_disk("");
	struct guest_worker *worker = NULL;
	struct said said = { 0 };
	const struct identity_report report = { .found = found, .note = note, .arg = &said };

	assert_int_equal(guest_worker_start(&worker, NULL), 0);
	assert_int_equal(guest_worker_look(worker, &memory.disk, false, &report, NULL), 0);
	guest_worker_end(worker);
	assert_int_equal(memory.writes, 0);
	assert_int_equal(said.found, 10);
	forget(&memory);
}

TEST(a_disk_that_fails_is_said_in_its_own_words)
{
	struct memory_disk memory = make_disk("");
	struct guest_worker *worker = NULL;
	struct said said = { 0 };
	const struct identity_report report = { .found = found, .note = note, .arg = &said };
	struct error err = { 0 };

	memory.fail_after = 12;
	assert_int_equal(guest_worker_start(&worker, NULL), 0);
	assert_int_equal(guest_worker_look(worker, &memory.disk, false, &report, &err), -EIO);
	assert_non_null(strstr(err.text, "the link is down"));
	guest_worker_end(worker);
	forget(&memory);
}

/* Whatever is in the file system, the walk ends and says something. */
TEST(damaged_file_systems_end_the_walk)
{
	struct memory_disk memory = make_disk("-O ^metadata_csum"), spoilt = memory_disk_new(SIZE);
	uint64_t x = 88172645463325252ULL;
	unsigned int failed = 0;

	for (unsigned int round = 0; round < 60; round++) {
		struct said said;

		memcpy(spoilt.bytes, memory.bytes, SIZE);
		for (unsigned int i = 0; i < 400; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			spoilt.bytes[1024 + x % (2 * MIB)] = (uint8_t)(x >> 40);
		}
		memcpy(spoilt.bytes + 1024, memory.bytes + 1024, 1024);
		failed += look(&spoilt, true, &said, NULL) < 0;
	}
	/* Some of them are noticed. */
	assert_true(failed > 5);
	memory_disk_free(&spoilt);
	forget(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_must_not_be_published_is_found_and_nothing_is_changed),
		CASE(what_is_taken_out_is_nowhere_any_more_and_the_file_system_is_whole),
		CASE(small_blocks_old_kinds_and_data_in_inodes_are_stripped_too),
		CASE(what_was_deleted_before_is_gone_with_the_free_blocks),
		CASE(the_same_disk_is_stripped_to_the_same_bytes),
		CASE(a_file_system_is_looked_through_as_what_it_is_mounted_as),
		CASE(what_cannot_be_looked_into_is_refused_by_name),
		CASE(encrypted_folders_are_refused),
		CASE(the_worker_says_and_does_the_same),
		CASE(a_worker_that_may_not_change_the_disk_cannot),
		CASE(a_disk_that_fails_is_said_in_its_own_words),
		CASE(damaged_file_systems_end_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
