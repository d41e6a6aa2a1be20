// SPDX-License-Identifier: GPL-2.0-or-later
/* A specification and a record of an image: JSON from anywhere. */
#include "disk/image-dir.h"
#include "disk/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	json_t *object = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
	struct image_record *record = NULL;
	struct disk_spec *spec = NULL;

	if (disk_spec_parse(object, &spec, NULL) == 0)
		disk_spec_free(spec);
	if (image_record_parse(object, &record, NULL) == 0)
		image_record_free(record);
	json_decref(object);
	return 0;
}
