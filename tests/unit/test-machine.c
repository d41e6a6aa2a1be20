// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/bits.h"
#include "base/endian.h"
#include "machine/firmware.h"
#include "machine/kvm-probe.h"
#include "machine/lines.h"
#include "machine/lock.h"
#include "machine/machine.h"
#include "machine/manifest.h"
#include "machine/name.h"
#include "machine/qemu.h"
#include "machine/session.h"
#include "machine/tree.h"
#include "util/clock.h"
#include "util/io.h"

TEST(a_name_is_small_letters_digits_dots_and_dashes)
{
	static const char *const good[] = { "a", "0", "debian-12", "a.b-c" };
	static const char *const bad[] = { "",   ".a",  "-a",  "A",        "a b", "a/b",
		                           "..", "a\n", "a_b", "\xc3\xa4", "a:b", "lock?" };
	char longest[MACHINE_NAME_MAX + 2] = "";
	struct error err;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(machine_name_check(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(machine_name_check(bad[i], &err), -EINVAL);
		assert_non_null(strstr(err.text, "is not a name"));
	}
	memset(longest, 'x', MACHINE_NAME_MAX);
	assert_int_equal(machine_name_check(longest, NULL), 0);
	longest[MACHINE_NAME_MAX] = 'x';
	assert_int_equal(machine_name_check(longest, NULL), -EINVAL);
}

TEST(a_name_made_from_an_image_is_always_a_name)
{
	static const struct {
		const char *image, *name;
	} cases[] = {
		{ "/images/Debian_12.vhd", "debian-12" },
		{ "https://h/p/Debian-12.QCOW2?token=x/y#z", "debian-12" },
		{ "https://h/", "machine" },
		{ "nbd+unix:///?socket=/x", "machine" },
		{ "...", "machine" },
		{ "win 11 (x64).vhdx", "win-11-x64" },
		{ "a?b.raw", "a-b" },
		{ "x.img", "x" },
		{ ".vhd", "vhd" },
		{ "\xc3\xa4\xc3\xb6", "machine" },
	};
	char longer[300], name[MACHINE_NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		machine_name_from_image(cases[i].image, name);
		assert_string_equal(name, cases[i].name);
		assert_int_equal(machine_name_check(name, NULL), 0);
	}
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	machine_name_from_image(longer, name);
	assert_int_equal(machine_name_check(name, NULL), 0);
}

TEST(a_forwarded_port_has_two_ports_and_perhaps_an_address)
{
	static const char *const bad[] = { "22",
		                           ":22",
		                           "22:",
		                           "0:22",
		                           "22:0",
		                           "65536:22",
		                           "1:65536",
		                           "x:22",
		                           "::1:22:22",
		                           "1.2.3:22:22",
		                           "localhost:1:2",
		                           "1:2:3:4",
		                           "1.2.3.4:22,id=x:22" };
	struct port_forward port;

	assert_int_equal(port_forward_parse("2222:22", &port, NULL), 0);
	assert_string_equal(port.address, "127.0.0.1");
	assert_int_equal(port.host, 2222);
	assert_int_equal(port.guest, 22);
	assert_int_equal(port_forward_parse("0.0.0.0:65535:1", &port, NULL), 0);
	assert_string_equal(port.address, "0.0.0.0");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(port_forward_parse(bad[i], &port, NULL), -EINVAL);
}

static const char manifest[] =
	"{\"version\":1,\"created\":5,\"image\":\"/i.raw\",\"image_dir\":\"/s/images/x\","
	"\"disk\":{\"sources\":[{\"url\":\"/i.raw\"}]},\"cpus\":2,\"memory\":2147483648,"
	"\"firmware\":\"auto\",\"display\":\"vnc\",\"accel\":\"tcg\",\"ephemeral\":true,"
	"\"mac\":\"52:54:00:01:02:03\",\"ports\":[\"127.0.0.1:2222:22\"]}";

TEST(a_manifest_is_read_back_as_it_was_written)
{
	cleanup(manifest_free) struct manifest *first = NULL, *second = NULL;
	char dir[] = "/tmp/test-machine-XXXXXX";

	assert_int_equal(manifest_parse(manifest, strlen(manifest), &first, NULL), 0);
	assert_non_null(mkdtemp(dir));

	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY);

	assert_int_equal(manifest_save(fd, first, NULL), 0);
	assert_int_equal(manifest_load(fd, &second, NULL), 0);
	assert_string_equal(second->image, "/i.raw");
	assert_string_equal(second->image_dir, "/s/images/x");
	assert_true(json_equal(first->disk, second->disk));
	assert_int_equal(second->cpus, 2);
	assert_true(second->memory == 2 * GIB);
	assert_int_equal(second->display, DISPLAY_VNC);
	assert_int_equal(second->accel, ACCEL_TCG);
	assert_true(second->ephemeral);
	assert_string_equal(second->mac, "52:54:00:01:02:03");
	assert_int_equal(second->n_ports, 1);
	assert_int_equal(second->ports[0].host, 2222);
	assert_null(second->library_name);
	assert_null(second->image_digest);
	first->library_name = strdup("registry.example/debian");
	first->image_digest = strdup("sha256:0123");
	manifest_free(second);
	assert_int_equal(manifest_save(fd, first, NULL), 0);
	assert_int_equal(manifest_load(fd, &second, NULL), 0);
	assert_string_equal(second->library_name, "registry.example/debian");
	assert_string_equal(second->image_digest, "sha256:0123");
	assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
}

/* The good manifest with the first `from` in it made `to`. */
static char *changed(const char *from, const char *to)
{
	const char *at = strstr(manifest, from);
	char *text;

	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - manifest), manifest, to,
	                     at + strlen(from)) > 0);
	return text;
}

TEST(a_wrong_manifest_is_refused_with_the_field_that_is_wrong)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{ "\"cpus\":2", "\"cpus\":2,\"more\":1", "more" },
		{ "\"cpus\":2,", "", "cpus" },
		{ "\"cpus\":2", "\"cpus\":0", "cpus" },
		{ "\"cpus\":2", "\"cpus\":\"2\"", "cpus" },
		{ "true", "1", "ephemeral" },
		{ "true", "true,\"library_name\":1", "string" },
		{ "2147483648", "2147483647", "memory" },
		{ "2147483648", "-1", "memory" },
		{ "\"version\":1", "\"version\":2", "version 2" },
		{ "\"version\":1,", "", "version" },
		{ "\"auto\"", "\"efi\"", "firmware" },
		{ "\"tcg\"", "\"hax\"", "accel" },
		{ "\"/s/images/x\"", "\"images/x\"", "image_dir" },
		{ "52:54:00:01:02:03", "52:54:00:01:02:03,x", "mac" },
		{ "52:54:00:01:02:03", "53:54:00:01:02:03", "mac" },
		{ "[\"127.0.0.1:2222:22\"]", "[1]", "ports" },
		{ "[\"127.0.0.1:2222:22\"]", "[\"x\"]", "ports" },
		{ "[\"127.0.0.1:2222:22\"]", "{}", "ports" },
		{ "{\"version\"", "[\"version\"", "line 1" },
		{ "\"created\":5", "\"created\":-5", "created" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *text = changed(cases[i].from, cases[i].to);
		struct manifest *m = NULL;
		struct error err = { 0 };

		assert_int_equal(manifest_parse(text, strlen(text), &m, &err), -EINVAL);
		assert_null(m);
		if (!strstr(err.text, cases[i].says))
			fail_msg("\"%s\" does not say %s", err.text, cases[i].says);
	}
}

/* A disk in memory for firmware_detect(). */
struct small_disk {
	uint8_t data[64 * 512];
	uint64_t size;
};

static int read_small(void *arg, void *buf, size_t len, uint64_t off, struct error *err)
{
	struct small_disk *disk = arg;

	if (!range_inside(off, len, disk->size))
		return error_set(err, EINVAL, "outside");
	memcpy(buf, disk->data + off, len);
	return 0;
}

static const uint8_t esp[16] = { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
	                         0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b };
static const uint8_t bios_boot[16] = "Hah!IdontNeedEFI";

static void make_gpt(struct small_disk *disk, uint64_t lba, uint32_t count, uint32_t size)
{
	memset(disk, 0, sizeof(*disk));
	disk->size = sizeof(disk->data);
	disk->data[446 + 4] = 0xee;
	disk->data[510] = 0x55;
	disk->data[511] = 0xaa;
	memcpy(disk->data + 512, "EFI PART", 8);
	store_le64(disk->data + 512 + 72, lba);
	store_le32(disk->data + 512 + 80, count);
	store_le32(disk->data + 512 + 84, size);
}

static enum firmware detect(struct small_disk *disk)
{
	enum firmware found = FIRMWARE_AUTO;
	char why[80];

	assert_int_equal(firmware_detect(disk->size, read_small, disk, &found, why, NULL), 0);
	assert_true(why[0]);
	return found;
}

TEST(the_firmware_is_chosen_by_what_the_disk_holds)
{
	struct small_disk disk;

	make_gpt(&disk, 2, 128, 128);
	assert_int_equal(detect(&disk), FIRMWARE_BIOS);
	memcpy(disk.data + 1024 + 127 * 128, esp, 16);
	assert_int_equal(detect(&disk), FIRMWARE_UEFI);
	make_gpt(&disk, 2, 128, 128);
	memcpy(disk.data + 1024, bios_boot, 16);
	assert_int_equal(detect(&disk), FIRMWARE_BIOS);
	memcpy(disk.data + 1024 + 128, esp, 16);
	assert_int_equal(detect(&disk), FIRMWARE_UEFI);

	memset(&disk, 0, sizeof(disk));
	disk.size = 512;
	assert_int_equal(detect(&disk), FIRMWARE_BIOS);
	disk.data[0] = 0xfa;
	disk.data[510] = 0x55;
	disk.data[511] = 0xaa;
	assert_int_equal(detect(&disk), FIRMWARE_BIOS);
	disk.data[446 + 16 * 3 + 4] = 0xef;
	assert_int_equal(detect(&disk), FIRMWARE_UEFI);
	disk.data[511] = 0;
	assert_int_equal(detect(&disk), FIRMWARE_BIOS);
}

TEST(a_partition_table_that_lies_about_its_size_is_ignored)
{
	static const struct {
		uint64_t lba;
		uint32_t count, size;
	} lies[] = { { 2, UINT32_MAX, 128 }, { 2, 128, 0 },    { 2, 128, 129 },
		     { 2, 128, UINT32_MAX }, { 60, 128, 128 }, { UINT64_MAX, 4, 128 },
		     { 1ull << 55, 4, 128 }, { 2, 1024, 4096 } };
	struct small_disk disk;

	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		make_gpt(&disk, lies[i].lba, lies[i].count, lies[i].size);
		for (size_t at = 1024; at + 16 <= sizeof(disk.data); at += 128)
			memcpy(disk.data + at, esp, 16);
		assert_int_equal(detect(&disk), FIRMWARE_BIOS);
	}
}

TEST(lines_come_out_whole_and_one_that_is_too_long_is_an_error)
{
	struct lines lines = { .max = 8 };
	size_t len;
	char *line;

	assert_int_equal(lines_feed(&lines, "a\nbc", 4), 0);
	line = lines_next(&lines, &len);
	assert_string_equal(line, "a");
	assert_null(lines_next(&lines, &len));
	assert_int_equal(lines_feed(&lines, "d\n\n", 3), 0);
	line = lines_next(&lines, &len);
	assert_string_equal(line, "bcd");
	assert_int_equal(len, 3);
	line = lines_next(&lines, &len);
	assert_string_equal(line, "");
	assert_null(lines_next(&lines, &len));
	assert_int_equal(lines_feed(&lines, "12345678", 8), 0);
	assert_null(lines_next(&lines, &len));
	assert_int_equal(lines_feed(&lines, "9", 1), -EMSGSIZE);
	assert_int_equal(lines_feed(&lines, "x\n", 2), 0);
	assert_string_equal(lines_next(&lines, &len), "x");
	lines_free(&lines);
}

TEST(a_lock_is_held_until_every_process_that_inherited_it_has_ended)
{
	char dir[] = "/tmp/test-machine-XXXXXX";
	int ends[2], lock;
	pid_t pid;

	assert_non_null(mkdtemp(dir));

	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY);

	assert_false(lock_is_held(fd));
	lock = lock_take(fd, NULL);
	assert_true(lock >= 10);
	assert_true(lock_is_held(fd));
	assert_int_equal(lock_take(fd, NULL), -EALREADY);
	assert_int_equal(lock_wait(fd, now_ns(), NULL), -ETIMEDOUT);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	close(lock);
	assert_true(lock_is_held(fd));
	close(ends[1]);
	assert_int_equal(lock_wait(fd, now_ns() + 20 * NS_PER_SEC, NULL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(lock_is_held(fd));
	close(ends[0]);
	assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
}

TEST(a_tree_is_removed_and_what_its_links_point_at_is_not)
{
	char dir[] = "/tmp/test-machine-XXXXXX", path[80], file[80];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a/b/c", dir);
	assert_int_equal(make_dirs(path, 0700, NULL), 0);
	snprintf(file, sizeof(file), "%s/kept", dir);
	assert_int_equal(replace_file(AT_FDCWD, file, "x", 1, 0600, NULL), 0);
	snprintf(path, sizeof(path), "%s/a/link", dir);
	assert_int_equal(symlink(dir, path), 0);
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(tree_remove(AT_FDCWD, path, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(tree_remove(AT_FDCWD, path, NULL), 0);
	assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
}

TEST(machines_are_listed_by_name_and_half_made_ones_are_not)
{
	static const char *const entries[] = { "b/machine.json", "a/machine.json", "c/other",
		                               ".new-d-1/machine.json", "Bad/machine.json" };
	char dir[] = "/tmp/test-machine-XXXXXX", path[120], run[STATE_RUN_MAX];
	cleanup(state_close) struct state *dirs = NULL;
	char **names;
	size_t n;

	assert_non_null(mkdtemp(dir));
	setenv("SILL_STATE", dir, 1);
	assert_int_equal(state_open(&dirs, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		snprintf(path, sizeof(path), "%s/machines/%s", dir, entries[i]);
		*strrchr(path, '/') = '\0';
		assert_int_equal(make_dirs(path, 0700, NULL), 0);
		path[strlen(path)] = '/';
		assert_int_equal(replace_file(AT_FDCWD, path, "", 0, 0600, NULL), 0);
	}
	assert_int_equal(state_names(dirs, &names, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[1], "b");
	state_names_free(names, n);
	assert_int_equal(machine_open(dirs, "c", NULL), -ENOENT);
	assert_int_equal(machine_open(dirs, "../machines/a", NULL), -EINVAL);

	/* Sockets of two machines with long names that begin the same are apart, and short. */
	struct session_paths one, two;

	assert_int_equal(session_paths(dirs,
	                               "0123456789012345678901234567890123456789012345678901"
	                               "23456789-a",
	                               false, &one, NULL),
	                 0);
	assert_int_equal(session_paths(dirs,
	                               "0123456789012345678901234567890123456789012345678901"
	                               "23456789-b",
	                               false, &two, NULL),
	                 0);
	assert_string_not_equal(one.disk_control, two.disk_control);
	assert_true(strlen(one.disk_control) < sizeof(one.disk_control) - 1);
	assert_non_null(strstr(one.disk_control, "/disk-control"));
	assert_int_equal(state_run_dir(dirs, "a", false, run, NULL), 0);
	assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
}

TEST(commas_in_a_path_do_not_become_options_of_qemu)
{
	char text[64];

	assert_string_equal(qemu_escape("/a,b", text, sizeof(text)), "/a,,b");
	assert_string_equal(qemu_escape("12345678", text, 6), "123");
}

TEST(the_probe_says_why_something_is_no_kvm)
{
	struct error err;

	assert_int_equal(kvm_probe("/nowhere/kvm", &err), -ENOENT);
	assert_string_equal(err.text, "there is no /nowhere/kvm");
	assert_true(kvm_probe("/dev/null", &err) < 0);
	assert_non_null(strstr(err.text, "/dev/null does not work: it does not speak KVM's API"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_name_is_small_letters_digits_dots_and_dashes),
		CASE(a_name_made_from_an_image_is_always_a_name),
		CASE(a_forwarded_port_has_two_ports_and_perhaps_an_address),
		CASE(a_manifest_is_read_back_as_it_was_written),
		CASE(a_wrong_manifest_is_refused_with_the_field_that_is_wrong),
		CASE(the_firmware_is_chosen_by_what_the_disk_holds),
		CASE(a_partition_table_that_lies_about_its_size_is_ignored),
		CASE(lines_come_out_whole_and_one_that_is_too_long_is_an_error),
		CASE(a_lock_is_held_until_every_process_that_inherited_it_has_ended),
		CASE(a_tree_is_removed_and_what_its_links_point_at_is_not),
		CASE(machines_are_listed_by_name_and_half_made_ones_are_not),
		CASE(commas_in_a_path_do_not_become_options_of_qemu),
		CASE(the_probe_says_why_something_is_no_kvm),
	};

	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
