// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Descriptions of machines as VMware and VirtualBox write them, archives with them, and what is
 * refused.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/ovf.h"
#include "library/tar.h"

/* The parts of what VirtualBox 7 writes for a machine with two disks, the second one first. */
static const char virtualbox[] =
	"<?xml version=\"1.0\"?>\n"
	"<Envelope ovf:version=\"1.0\" xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" "
	"xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" xmlns:rasd=\"r\" xmlns:vbox=\"v\">\n"
	" <References><File ovf:id=\"file1\" ovf:href=\"a-disk001.vmdk\"/>"
	"<File ovf:id=\"file2\" ovf:href=\"a-disk002.vmdk\"/></References>\n"
	" <DiskSection><Info>Disks</Info>"
	"<Disk ovf:capacity=\"21474836480\" ovf:diskId=\"vmdisk1\" ovf:fileRef=\"file1\"/>"
	"<Disk ovf:capacity=\"8\" ovf:capacityAllocationUnits=\"byte * 2^30\" "
	"ovf:diskId=\"vmdisk2\" ovf:fileRef=\"file2\"/></DiskSection>\n"
	" <VirtualSystem ovf:id=\"a\"><Info>A machine</Info>"
	"<OperatingSystemSection ovf:id=\"96\"><Info>os</Info>"
	"<Description>Debian_64</Description></OperatingSystemSection>"
	"<VirtualHardwareSection><Info>hw</Info>"
	"<Item><rasd:ResourceType>3</rasd:ResourceType>"
	"<rasd:VirtualQuantity>4</rasd:VirtualQuantity></Item>"
	"<Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits>"
	"<rasd:ResourceType>4</rasd:ResourceType>"
	"<rasd:VirtualQuantity>3072</rasd:VirtualQuantity></Item>"
	"<Item><rasd:HostResource>/disk/vmdisk2</rasd:HostResource>"
	"<rasd:ResourceType>17</rasd:ResourceType></Item>"
	"<Item><rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>"
	"<rasd:ResourceType>17</rasd:ResourceType></Item>"
	"</VirtualHardwareSection>"
	"<vbox:Machine><Hardware><Firmware type=\"EFI\"/></Hardware></vbox:Machine>"
	"</VirtualSystem></Envelope>";

static struct ovf parsed(const char *text)
{
	struct ovf ovf;
	struct error err = { 0 };

	if (ovf_parse(text, strlen(text), &ovf, &err) < 0)
		fail_msg("%s", err.text);
	return ovf;
}

static void refused(const char *text, int code, const char *words)
{
	struct ovf ovf;
	struct error err = { 0 };

	assert_int_equal(ovf_parse(text, strlen(text), &ovf, &err), -code);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in '%s'", words, err.text);
}

/* The description above with one text in place of another. */
static char *with(const char *from, const char *to)
{
	const char *at = strstr(virtualbox, from);
	char *text;

	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - virtualbox), virtualbox, to,
	                     at + strlen(from)) > 0);
	return text;
}

static void refused_with(const char *from, const char *to, int code, const char *words)
{
	char *text = with(from, to);

	refused(text, code, words);
	free(text);
}

TEST(a_machine_of_virtualbox_is_read_whole)
{
	struct ovf ovf = parsed(virtualbox);

	assert_string_equal(ovf.name, "a");
	assert_string_equal(ovf.os, "linux");
	assert_string_equal(ovf.firmware, "uefi");
	assert_int_equal(ovf.cpus, 4);
	assert_true(ovf.memory == 3 * GIB);
	assert_int_equal(ovf.n_disks, 2);
	/* As the machine has them, and not as the section lists them. */
	assert_string_equal(ovf.disks[0].file, "a-disk002.vmdk");
	assert_true(ovf.disks[0].capacity == 8 * GIB);
	assert_string_equal(ovf.disks[1].file, "a-disk001.vmdk");
	assert_true(ovf.disks[1].capacity == 20 * GIB);
}

TEST(vmware_says_its_firmware_in_a_line_of_its_own)
{
	char *text =
		with("<vbox:Machine><Hardware><Firmware type=\"EFI\"/></Hardware></vbox:Machine>",
	             "<vmw:Config xmlns:vmw=\"w\" vmw:key=\"firmware\" vmw:value=\"efi\"/>");

	assert_string_equal(parsed(text).firmware, "uefi");
	free(text);
}

TEST(what_makes_no_sense_or_does_harm_is_refused)
{
	refused("<Envelope>", EBADMSG, "line 1");
	refused("<html/>", EBADMSG, "no description of a machine");
	refused("<Envelope/>", EBADMSG, "no machine");
	refused_with("a-disk001.vmdk", "../../etc/shadow", EBADMSG, "another folder");
	refused_with("ovf:fileRef=\"file1\"", "ovf:fileRef=\"file9\"", EBADMSG, "in no file");
	refused_with("ovf:href=\"a-disk001.vmdk\"", "ovf:href=\"a\" ovf:compression=\"gzip\"",
	             ENOTSUP, "compressed");
	refused_with("</VirtualSystem>", "</VirtualSystem><VirtualSystem/>", ENOTSUP, "several");
	refused_with("<?xml version=\"1.0\"?>",
	             "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e \"eeee\">]>", EBADMSG,
	             "document type");
}

TEST(elements_too_deep_end_the_reading)
{
	char text[8192] = "<Envelope>";

	for (unsigned int i = 0; i < 100; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "<a>");
	refused(text, EBADMSG, "too deep");
}

TEST(what_we_write_we_read)
{
	struct ovf ovf = { .name = "a <b> & \"c\"",
		           .os = "linux",
		           .firmware = "uefi",
		           .cpus = 3,
		           .memory = 1536 * MIB,
		           .n_disks = 1 };
	struct ovf again;
	char *text;
	size_t len;

	strcpy(ovf.disks[0].file, "disk.vmdk");
	ovf.disks[0].capacity = 12345 * 512;
	assert_int_equal(ovf_write(&ovf, 4711, &text, &len, NULL), 0);
	again = parsed(text);
	assert_string_equal(again.name, ovf.name);
	assert_string_equal(again.os, "linux");
	assert_string_equal(again.firmware, "uefi");
	assert_int_equal(again.cpus, 3);
	assert_true(again.memory == ovf.memory);
	assert_string_equal(again.disks[0].file, "disk.vmdk");
	assert_true(again.disks[0].capacity == ovf.disks[0].capacity);
	free(text);
}

struct members {
	struct tar_member at[8];
	size_t n;
};

static int take(void *arg, const struct tar_member *member, struct error *err)
{
	struct members *members = arg;

	(void)err;
	assert_true(members->n < ARRAY_LEN(members->at));
	members->at[members->n++] = *member;
	return 0;
}

static int walk(const void *data, size_t len, struct members *members, struct error *err)
{
	struct source *src;
	int r;

	*members = (struct members){ 0 };
	assert_int_equal(source_open_memory(data, len, "it.ova", &src), 0);
	r = tar_each(src, take, members, err);
	source_close(src);
	return r;
}

TEST(archives_of_ours_are_archives)
{
	uint8_t tar[4096] = { 0 };
	struct members members;

	tar_head("machine.ovf", 5, tar);
	tar_head("disk.vmdk", 513, tar + 1024);
	assert_true(tar_begins(tar));
	assert_int_equal(walk(tar, sizeof(tar), &members, NULL), 0);
	assert_int_equal(members.n, 2);
	assert_string_equal(members.at[0].name, "machine.ovf");
	assert_true(members.at[0].off == 512 && members.at[0].size == 5);
	assert_string_equal(members.at[1].name, "disk.vmdk");
	assert_true(members.at[1].off == 1536 && members.at[1].size == 513);
	/* A size that octal digits cannot say. */
	tar_head("large", UINT64_C(1) << 40, tar);
	assert_true(tar_begins(tar));
}

/* GNU tar and pax write long names and large sizes in front. */
TEST(archives_of_tar_are_read_with_their_long_names)
{
	static const char *const formats[] = { "gnu", "pax", "ustar" };
	char command[600], path[64], name[160];

	memset(name, 'n', 90);
	memcpy(name + 90, ".vmdk", sizeof(".vmdk"));
	snprintf(path, sizeof(path), "/tmp/sill-tar-%d", (int)getpid());
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct members members;
		struct source *src;

		snprintf(command, sizeof(command),
		         "rm -rf %s; mkdir -p %s/folder-that-is-long && cd %s && echo hello "
		         ">folder-that-is-long/%s && tar --format=%s -cf t folder-that-is-long",
		         path, path, path, name, formats[i]);
		assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
		snprintf(command, sizeof(command), "%s/t", path);
		assert_int_equal(source_open(command, NULL, &src, NULL), 0);
		members = (struct members){ 0 };
		assert_int_equal(tar_each(src, take, &members, NULL), 0);
		source_close(src);
		assert_int_equal(members.n, 1);
		assert_non_null(strstr(members.at[0].name, "folder-that-is-long/nnn"));
		assert_true(members.at[0].size == 6);
	}
	snprintf(command, sizeof(command), "rm -rf %s", path);
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
}

TEST(an_archive_that_is_damaged_or_cut_is_refused)
{
	uint8_t tar[4096] = { 0 };
	struct members members;
	struct error err;

	tar_head("disk.vmdk", 100000, tar);
	assert_int_equal(walk(tar, sizeof(tar), &members, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "ends within"));
	tar[130] ^= 1;
	assert_int_equal(walk(tar, sizeof(tar), &members, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "damaged at byte 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_machine_of_virtualbox_is_read_whole),
		CASE(vmware_says_its_firmware_in_a_line_of_its_own),
		CASE(what_makes_no_sense_or_does_harm_is_refused),
		CASE(elements_too_deep_end_the_reading),
		CASE(what_we_write_we_read),
		CASE(archives_of_ours_are_archives),
		CASE(archives_of_tar_are_read_with_their_long_names),
		CASE(an_archive_that_is_damaged_or_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
