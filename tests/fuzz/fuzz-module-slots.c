// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VMM that sets memory slots as it likes.  After each call the table is sorted, nothing overlaps,
 * and what is looked up is what a search of all slots finds.
 */
#include <stdlib.h>

#include "base/endian.h"
#include "module/slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct slot_table table;

/* Numbers near each other and near the ends, so that they meet. */
static uint64_t address(const uint8_t *data)
{
	uint64_t page = load_le16(data + 1);

	switch (data[0] % 5) {
	case 0:
		return page * SLOT_PAGE;
	case 1:
		return (UINT64_C(1) << 48) - page * SLOT_PAGE;
	case 2:
		return 0 - page * SLOT_PAGE;
	case 3:
		return page << 21;
	default:
		return page * SLOT_PAGE + data[2];
	}
}

static void free_slot(struct slot *slot)
{
	slot_remove(&table, slot);
	free(slot);
}

static void add(const struct kvm_userspace_memory_region *region)
{
	struct slot *slot = malloc(sizeof(*slot));

	if (!slot)
		abort();
	*slot = (struct slot){ .guest = region->guest_phys_addr,
		               .size = region->memory_size,
		               .user = region->userspace_addr,
		               .id = region->slot,
		               .flags = region->flags };
	slot_insert(&table, slot);
}

static void set(const struct kvm_userspace_memory_region *region)
{
	struct slot *old;

	switch (slot_plan(&table, region, &old)) {
	case SLOT_CREATE:
		add(region);
		break;
	case SLOT_DELETE:
		free_slot(old);
		break;
	case SLOT_MOVE:
		free_slot(old);
		add(region);
		break;
	case SLOT_FLAGS:
		old->flags = region->flags;
		break;
	default:
		break;
	}
}

static void check_table(void)
{
	for (uint32_t i = 0; i < table.count; i++) {
		const struct slot *slot = table.slots[i];

		if (slot->size == 0 || slot->guest + slot->size > UINT64_C(1) << 48 ||
		    slot->user + slot->size < slot->user || slot_by_id(&table, slot->id) != slot)
			abort();
		if (i && table.slots[i - 1]->guest + table.slots[i - 1]->size > slot->guest)
			abort();
	}
}

static void check_address(uint64_t guest)
{
	const struct slot *found = NULL, *slot = slot_find(&table, guest);

	for (uint32_t i = 0; i < table.count; i++)
		if (guest - table.slots[i]->guest < table.slots[i]->size)
			found = table.slots[i];
	if (found != slot)
		abort();
	for (unsigned int level = 0; slot && level < 3; level++) {
		unsigned int got = slot_level(slot, guest, level);
		uint64_t size = (uint64_t)SLOT_PAGE << (9 * got), start = guest & ~(size - 1);

		if (got > level ||
		    (got && (start < slot->guest || start + size > slot->guest + slot->size ||
		             (slot->user - slot->guest) % size)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > 4096)
		return 0;
	for (; len >= 14; data += 14, len -= 14) {
		struct kvm_userspace_memory_region region = {
			.slot = data[0] % 12,
			.flags = data[1] % 4,
			.guest_phys_addr = address(data + 2),
			.memory_size = data[5] & 64 ? 0 : address(data + 5),
			.userspace_addr = address(data + 8),
		};

		if (data[1] & 128)
			region.slot |= (uint32_t)data[11] << 12;
		set(&region);
		check_table();
		check_address(region.guest_phys_addr);
		check_address(address(data + 11));
	}
	while (table.count)
		free_slot(table.slots[0]);
	return 0;
}
