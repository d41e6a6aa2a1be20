// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "library/ovf.h"
#include "util/cleanup.h"

/* Text in XML: five characters have names. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&apos;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void put_item(FILE *out, unsigned int id, unsigned int type, const char *name)
{
	fprintf(out,
	        "      <Item>\n%s        <rasd:ElementName>%s</rasd:ElementName>\n"
	        "        <rasd:InstanceID>%u</rasd:InstanceID>\n"
	        "        <rasd:ResourceType>%u</rasd:ResourceType>\n",
	        type == 4 ? "        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n"
	                  : "",
	        name, id, type);
}

/* A machine that both VirtualBox and VMware start: SATA, e1000. */
static void put_hardware(FILE *out, const struct ovf *ovf)
{
	fputs("    <VirtualHardwareSection>\n      <Info>Virtual hardware</Info>\n"
	      "      <System>\n        <vssd:ElementName>Virtual Hardware Family"
	      "</vssd:ElementName>\n        <vssd:InstanceID>0</vssd:InstanceID>\n"
	      "        <vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType>\n"
	      "      </System>\n",
	      out);
	put_item(out, 1, 3, "processors");
	fprintf(out, "        <rasd:VirtualQuantity>%u</rasd:VirtualQuantity>\n      </Item>\n",
	        ovf->cpus);
	put_item(out, 2, 4, "memory");
	fprintf(out,
	        "        <rasd:VirtualQuantity>%" PRIu64 "</rasd:VirtualQuantity>\n      </Item>\n",
	        ovf->memory / MIB);
	put_item(out, 3, 20, "SATA controller");
	fputs("      </Item>\n", out);
	fputs("      <Item>\n        <rasd:AddressOnParent>0</rasd:AddressOnParent>\n"
	      "        <rasd:ElementName>disk</rasd:ElementName>\n"
	      "        <rasd:HostResource>ovf:/disk/disk1</rasd:HostResource>\n"
	      "        <rasd:InstanceID>4</rasd:InstanceID>\n"
	      "        <rasd:Parent>3</rasd:Parent>\n"
	      "        <rasd:ResourceType>17</rasd:ResourceType>\n      </Item>\n"
	      "      <Item>\n        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>\n"
	      "        <rasd:Connection>network</rasd:Connection>\n"
	      "        <rasd:ElementName>network</rasd:ElementName>\n"
	      "        <rasd:InstanceID>5</rasd:InstanceID>\n"
	      "        <rasd:ResourceSubType>E1000</rasd:ResourceSubType>\n"
	      "        <rasd:ResourceType>10</rasd:ResourceType>\n      </Item>\n",
	      out);
	if (!strcmp(ovf->firmware, "uefi"))
		fputs("      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" "
		      "vmw:value=\"efi\"/>\n",
		      out);
	fputs("    </VirtualHardwareSection>\n", out);
}

static void put_all(FILE *out, const struct ovf *ovf, uint64_t file_size)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	      "<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" "
	      "xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" "
	      "xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
	      "CIM_ResourceAllocationSettingData\" "
	      "xmlns:vssd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
	      "CIM_VirtualSystemSettingData\" "
	      "xmlns:vmw=\"http://www.vmware.com/schema/ovf\">\n"
	      "  <References>\n    <File ovf:id=\"file1\" ovf:href=\"",
	      out);
	put_text(out, ovf->disks[0].file);
	fprintf(out,
	        "\" ovf:size=\"%" PRIu64
	        "\"/>\n  </References>\n  <DiskSection>\n    <Info>Disks</Info>\n"
	        "    <Disk ovf:capacity=\"%" PRIu64 "\" ovf:capacityAllocationUnits=\"byte\" "
	        "ovf:diskId=\"disk1\" ovf:fileRef=\"file1\" ovf:format=\"http://www.vmware.com/"
	        "interfaces/specifications/vmdk.html#streamOptimized\"/>\n  </DiskSection>\n"
	        "  <NetworkSection>\n    <Info>Networks</Info>\n"
	        "    <Network ovf:name=\"network\"/>\n  </NetworkSection>\n"
	        "  <VirtualSystem ovf:id=\"",
	        file_size, ovf->disks[0].capacity);
	put_text(out, ovf->name);
	fputs("\">\n    <Info>A machine</Info>\n    <Name>", out);
	put_text(out, ovf->name);
	fprintf(out,
	        "</Name>\n    <OperatingSystemSection ovf:id=\"%s\">\n"
	        "      <Info>Operating system</Info>\n      <Description>%s</Description>\n"
	        "    </OperatingSystemSection>\n",
	        !strcmp(ovf->os, "linux") ? "101" : "1",
	        !strcmp(ovf->os, "linux")     ? "Linux 64-bit"
	        : !strcmp(ovf->os, "windows") ? "Microsoft Windows"
	                                      : "Other");
	put_hardware(out, ovf);
	fputs("  </VirtualSystem>\n</Envelope>\n", out);
}

int ovf_write(const struct ovf *ovf, uint64_t file_size, char **ret, size_t *ret_len,
              struct error *err)
{
	FILE *out = open_memstream(ret, ret_len);

	if (!out)
		return error_sys(err, ENOMEM, "description of a machine");
	put_all(out, ovf, file_size);
	if (ferror(out) | fclose(out)) {
		free(*ret);
		return error_sys(err, ENOMEM, "description of a machine");
	}
	return 0;
}
