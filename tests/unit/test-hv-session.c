// SPDX-License-Identifier: GPL-2.0-or-later
/* Control memory, and sessions' calls one at a time; test-hv-session-model.c has them at random. */
#include "tests/unit/unit.h"

#include "tests/unit/hv-ground.h"

#define ARRAY (GROUND_RAM - 16 * PAGE_SIZE) /* where MAP reads */
#define FIRST (8 * MIB)                     /* the donation of a test */

static int64_t map(uint64_t session, uint64_t guest, uint64_t root, uint32_t level, uint32_t flags)
{
	struct sill_page page = { guest, root, level, flags };

	memcpy(pc.memory + ARRAY, &page, sizeof(page));
	return session_map(&pc.ground, &pc.root, session, ARRAY, 1);
}

static uint64_t open_session(uint64_t flags)
{
	pc_open();
	assert_int_equal(ground_donate(&pc.ground, FIRST), 0);
	return (uint64_t)session_create(&pc.ground, flags);
}

/* Everything is the root's again. */
static void close_all(uint64_t session)
{
	while (session && session_destroy(&pc.ground, session) == -SILL_EAGAIN)
		;
	while (ground_reclaim(&pc.ground) >= 0)
		;
	assert_int_equal(pc.frames.lent, 0);
	assert_int_equal(pc.frames.donated, 0);
	pc_close();
}

TEST(a_donation_has_511_pages_of_zeros)
{
	static uint8_t *pages[511];

	pc_open();
	assert_int_equal(ground_donate(&pc.ground, FIRST), 0);
	for (int i = 0; i < 511; i++) {
		pages[i] = control_page(&pc.ground.control);
		assert_non_null(pages[i]);
		for (unsigned int byte = 0; byte < PAGE_SIZE; byte += 64)
			assert_int_equal(pages[i][byte], 0);
		memset(pages[i], 0xEE, PAGE_SIZE);
		assert_ptr_not_equal(pages[i], pc.memory + FIRST);
		for (int j = 0; j < i; j++)
			assert_ptr_not_equal(pages[i], pages[j]);
	}
	assert_null(control_page(&pc.ground.control));
	assert_int_equal(ground_reclaim(&pc.ground), -SILL_ENONE);
	control_release(&pc.ground.control, pages[300]);
	assert_ptr_equal(control_page(&pc.ground.control), pages[300]);
	assert_int_equal(pages[300][0], 0);
	for (int i = 0; i < 511; i++)
		control_release(&pc.ground.control, pages[i]);
	close_all(0);
}

TEST(a_second_donation_serves_when_the_first_is_full)
{
	pc_open();
	assert_int_equal(ground_donate(&pc.ground, FIRST), 0);
	assert_int_equal(ground_donate(&pc.ground, 2 * FIRST), 0);
	for (int i = 0; i < 2 * 511; i++)
		assert_non_null(control_page(&pc.ground.control));
	assert_null(control_page(&pc.ground.control));
	pc_close();
}

TEST(a_donation_leaves_the_root_and_comes_back_scrubbed)
{
	pc_open();
	assert_int_equal(ground_donate(&pc.ground, FIRST), 0);
	assert_int_equal(pc.root_flushes, 1);
	assert_false(pc.reached[FIRST / PAGE_SIZE]);
	assert_false(pc.reached[FIRST / PAGE_SIZE + 511]);
	assert_int_equal(pc.frames.donated, 512);
	assert_int_equal(ground_donate(&pc.ground, FIRST), -SILL_EOWNER);
	assert_int_equal(ground_reclaim(&pc.ground), FIRST);
	assert_true(pc.reached[FIRST / PAGE_SIZE]);
	for (uint64_t i = 0; i < SILL_DONATION; i++)
		assert_int_equal(pc.memory[FIRST + i], 0);
	close_all(0);
}

TEST(a_donation_that_cannot_leave_changes_nothing)
{
	static const struct {
		uint64_t at;
		int64_t result;
	} rows[] = {
		{ FIRST + 8, -SILL_EALIGN },   { FIRST + PAGE_SIZE, -SILL_EALIGN },
		{ GROUND_RAM, -SILL_EOWNER },  { GROUND_SIZE - 2 * MIB, -SILL_EOWNER },
		{ GROUND_SIZE, -SILL_EOWNER }, { UINT64_MAX - 2 * MIB + 1, -SILL_EOWNER },
	};

	pc_open();
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(ground_donate(&pc.ground, rows[i].at), rows[i].result);
	pc.tables_left = 0;
	assert_int_equal(ground_donate(&pc.ground, FIRST), -SILL_ENOMEM);
	pc.tables_left = -1;
	assert_true(frame_lend(&pc.frames, FIRST / PAGE_SIZE + 511));
	assert_int_equal(ground_donate(&pc.ground, FIRST), -SILL_EOWNER);
	assert_true(frame_unlend(&pc.frames, FIRST / PAGE_SIZE + 511));
	spin_lock(&pc.ground.waits);
	assert_int_equal(ground_donate(&pc.ground, FIRST), -SILL_EAGAIN);
	spin_unlock(&pc.ground.waits);
	assert_int_equal(pc.frames.donated, 0);
	assert_int_equal(pc.root_flushes, 0);
	assert_int_equal(ground_donate(&pc.ground, FIRST), 0);
	close_all(0);
}

TEST(there_are_255_sessions_and_numbers_are_used_again)
{
	pc_open();
	assert_int_equal(session_create(&pc.ground, 0), -SILL_ENOMEM);
	assert_int_equal(ground_donate(&pc.ground, FIRST), 0);
	for (int i = 1; i <= 255; i++)
		assert_int_equal(session_create(&pc.ground, 0), i);
	assert_int_equal(session_create(&pc.ground, 0), -SILL_ENONE);
	assert_int_equal(session_destroy(&pc.ground, 77), 0);
	assert_int_equal(session_destroy(&pc.ground, 77), -SILL_ENONE);
	assert_int_equal(session_create(&pc.ground, 0), 77);
	for (uint64_t i = 1; i <= 255; i++)
		assert_int_equal(session_destroy(&pc.ground, i), 0);
	close_all(0);
}

TEST(a_session_that_runs_is_not_destroyed)
{
	uint64_t session = open_session(0);

	pc.running = (uint32_t)session;
	assert_int_equal(session_destroy(&pc.ground, session), -SILL_EBUSY);
	pc.running = 0;
	assert_int_equal(map(session, 0, 0, 0, 0), 1);
	close_all(session);
}

TEST(while_another_call_is_at_a_session_calls_say_so)
{
	uint64_t session = open_session(0);
	struct session *at = pc.ground.slot[session - 1].session;

	spin_lock(&at->lock);
	assert_int_equal(map(session, 0, 0, 0, 0), -SILL_EAGAIN);
	assert_int_equal(session_change(&pc.ground, session, 0, PAGE_SIZE, 0), -SILL_EAGAIN);
	assert_int_equal(session_vcpu(&pc.ground, session, 0), -SILL_EAGAIN);
	spin_unlock(&at->lock);
	spin_lock(&pc.ground.waits);
	assert_int_equal(session_change(&pc.ground, session, 0, PAGE_SIZE, 0), -SILL_EAGAIN);
	spin_unlock(&pc.ground.waits);
	/* One that holds it, and one that takes it apart. */
	pc.ground.slot[session - 1].use++;
	assert_int_equal(session_destroy(&pc.ground, session), -SILL_EAGAIN);
	pc.ground.slot[session - 1].use--;
	spin_lock(&pc.ground.slot[session - 1].ending);
	assert_int_equal(session_destroy(&pc.ground, session), -SILL_EAGAIN);
	spin_unlock(&pc.ground.slot[session - 1].ending);
	close_all(session);
}

TEST(a_session_that_goes_is_there_for_nobody_else)
{
	uint64_t session = open_session(0);

	/* More than one call can take apart. */
	for (uint64_t i = 0; i < 600; i++)
		assert_int_equal(map(session, i * 2 * MIB, i % 2 * 2 * MIB, 1, 0), 1);
	assert_int_equal(session_destroy(&pc.ground, session), -SILL_EAGAIN);
	assert_int_equal(map(session, UINT64_C(1) << 40, 0, 0, 0), -SILL_ENONE);
	assert_int_equal(session_vcpu(&pc.ground, session, 0), -SILL_ENONE);
	assert_int_equal(session_change(&pc.ground, session, 0, PAGE_SIZE, 0), -SILL_ENONE);
	close_all(session);
}

TEST(a_large_page_that_belongs_to_others_in_part_is_not_mapped_at_all)
{
	uint64_t session = open_session(0);

	assert_true(frame_donate(&pc.frames, 2 * MIB / PAGE_SIZE + 511, 9));
	assert_int_equal(map(session, 0, 2 * MIB, 1, 0), -SILL_EOWNER);
	assert_int_equal(pc.frames.lent, 0);
	assert_int_equal(map(session, 0, GROUND_RAM, 0, 0), -SILL_EOWNER);
	assert_true(frame_reclaim(&pc.frames, 2 * MIB / PAGE_SIZE + 511, 9));
	close_all(session);
}

TEST(a_page_is_widened_by_mapping_it_again)
{
	uint64_t session = open_session(0);
	struct session *at = pc.ground.slot[session - 1].session;

	assert_int_equal(map(session, 0, 4 * MIB, 1, 0), 1);
	assert_int_equal(map(session, 0, 4 * MIB, 1, SILL_PAGE_WRITE), 1);
	assert_int_equal(map(session, 0, 4 * MIB, 1, SILL_PAGE_EXECUTE), 1);
	assert_int_equal(
		tables_below(&at->tables, tables_below(&at->tables, at->tables.root[0])[0])[0],
		4 * MIB | pc.ground.leaf | PTE_W | PTE_PS);
	assert_int_equal(at->frames, 512);
	assert_int_equal(map(session, 0, 6 * MIB, 1, 0), -SILL_EEXIST);
	assert_int_equal(map(session, 0, 4 * MIB, 0, 0), -SILL_EEXIST);
	assert_int_equal(pc.flushes, 0);
	close_all(session);
}

TEST(a_change_of_nothing_interrupts_nobody)
{
	uint64_t session = open_session(0);

	assert_int_equal(session_change(&pc.ground, session, 0, GIB, SILL_CHANGE_UNMAP), GIB);
	assert_int_equal(map(session, 0, 0, 0, 0), 1);
	assert_int_equal(session_change(&pc.ground, session, 0, GIB, SILL_CHANGE_PROTECT), GIB);
	assert_int_equal(pc.flushes, 0);
	assert_int_equal(session_change(&pc.ground, session, 0, GIB, SILL_CHANGE_UNMAP), GIB);
	assert_int_equal(pc.flushes, 1);
	close_all(session);
}

TEST(a_change_does_4096_entries_and_says_how_far_it_came)
{
	uint64_t session = open_session(0), from = 0;
	int64_t done;
	int calls = 0;

	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(map(session, i * PAGE_SIZE, i % 1000 * PAGE_SIZE, 0, 1), 1);
	for (; from < 5000 * PAGE_SIZE; from += (uint64_t)done, calls++) {
		done = session_change(&pc.ground, session, from, 5000 * PAGE_SIZE - from,
		                      SILL_CHANGE_UNMAP);
		assert_in_range(done, PAGE_SIZE, 4096 * PAGE_SIZE);
	}
	assert_in_range(calls, 2, 3);
	assert_int_equal(pc.frames.lent, 0);
	close_all(session);
}

TEST(a_split_without_a_page_says_so_and_keeps_the_page)
{
	uint64_t session = open_session(0);
	uint32_t taken = 0;

	assert_int_equal(map(session, 0, 4 * MIB, 1, SILL_PAGE_WRITE), 1);
	while (control_page(&pc.ground.control))
		taken++;
	assert_true(taken > 0);
	assert_int_equal(session_change(&pc.ground, session, 0, 2 * MIB, SILL_CHANGE_SPLIT),
	                 -SILL_ENOMEM);
	assert_int_equal(map(session, 0, 4 * MIB, 1, 0), 1);
	assert_int_equal(session_change(&pc.ground, session, 0, 2 * MIB, SILL_CHANGE_UNMAP),
	                 2 * MIB);
	assert_int_equal(session_destroy(&pc.ground, session), 0);
	pc_close();
}

TEST(a_sealed_session_takes_large_pages_and_gives_them_back_scrubbed)
{
	uint64_t session = open_session(SILL_SESSION_SEALED);

	assert_int_equal(map(session, 0, 4 * MIB, 0, 0), -SILL_EINVAL);
	assert_int_equal(map(session, 0, 4 * MIB, 1, SILL_PAGE_WRITE), 1);
	assert_false(pc.reached[4 * MIB / PAGE_SIZE]);
	assert_int_equal(pc.memory[4 * MIB], 0xA5);
	assert_int_equal(map(session, 2 * MIB, 4 * MIB, 1, 0), -SILL_EOWNER);
	assert_int_equal(session_change(&pc.ground, session, 0, PAGE_SIZE, SILL_CHANGE_UNMAP),
	                 -SILL_EALIGN);
	assert_int_equal(session_change(&pc.ground, session, 0, 2 * MIB, SILL_CHANGE_SPLIT),
	                 -SILL_EINVAL);
	assert_int_equal(session_change(&pc.ground, session, 0, 2 * MIB, SILL_CHANGE_UNMAP),
	                 2 * MIB);
	assert_true(pc.reached[4 * MIB / PAGE_SIZE]);
	assert_int_equal(pc.memory[4 * MIB], 0);
	spin_lock(&pc.ground.waits);
	assert_int_equal(map(session, 0, 4 * MIB, 1, 0), -SILL_EAGAIN);
	spin_unlock(&pc.ground.waits);
	close_all(session);
}

TEST(a_session_has_256_virtual_processors)
{
	uint64_t session = open_session(0);
	struct sill_session_stats stats;

	assert_int_equal(ground_donate(&pc.ground, 2 * FIRST), 0);
	assert_int_equal(session_vcpu(&pc.ground, session, 8), -SILL_EALIGN);
	assert_int_equal(session_vcpu(&pc.ground, session, GROUND_RAM), -SILL_EOWNER);
	for (int i = 0; i < 256; i++)
		assert_int_equal(session_vcpu(&pc.ground, session, PAGE_SIZE), i);
	assert_int_equal(session_vcpu(&pc.ground, session, PAGE_SIZE), -SILL_EINVAL);
	assert_int_equal(pc.frames.lent, 1);
	assert_int_equal(session_stats(&pc.ground, session, &stats), 0);
	assert_int_equal(stats.vcpus, 256);
	assert_int_equal(stats.control_pages, 2 + 2 * 256);
	close_all(session);
}

TEST(the_array_of_pages_is_checked_before_it_is_read)
{
	uint64_t session = open_session(0);

	assert_int_equal(session_map(&pc.ground, &pc.root, session, ARRAY, 0), -SILL_EINVAL);
	assert_int_equal(session_map(&pc.ground, &pc.root, session, ARRAY, 2731), -SILL_EINVAL);
	assert_int_equal(session_map(&pc.ground, &pc.root, session, ARRAY, UINT64_MAX / 24 + 2),
	                 -SILL_EINVAL);
	assert_int_equal(session_map(&pc.ground, &pc.root, session, ARRAY + 4, 1), -SILL_EALIGN);
	assert_int_equal(session_map(&pc.ground, &pc.root, session, FIRST, 1), -SILL_EFAULT);
	assert_int_equal(session_map(&pc.ground, &pc.root, session, GROUND_RAM - 24, 2),
	                 -SILL_EFAULT);
	assert_int_equal(session_map(&pc.ground, &pc.root, 0, ARRAY, 1), -SILL_ENONE);
	close_all(session);
}

TEST(a_map_of_many_stops_at_the_first_that_is_wrong)
{
	uint64_t session = open_session(0);

	for (uint32_t i = 0; i < 10; i++) {
		struct sill_page page = { i * PAGE_SIZE, i == 7 ? GROUND_RAM : i * PAGE_SIZE, 0,
			                  0 };

		memcpy(pc.memory + ARRAY + i * sizeof(page), &page, sizeof(page));
	}
	assert_int_equal(session_map(&pc.ground, &pc.root, session, ARRAY, 10), 7);
	assert_int_equal(session_map(&pc.ground, &pc.root, session, ARRAY + 7 * 24, 3),
	                 -SILL_EOWNER);
	assert_int_equal(pc.frames.lent, 7);
	close_all(session);
}

TEST(a_map_of_many_large_pages_does_a_part_of_them)
{
	uint64_t session = open_session(0);
	int64_t done;

	for (uint64_t i = 0; i < 1000; i++) {
		struct sill_page page = { i * 2 * MIB, 0, 1, 0 };

		memcpy(pc.memory + ARRAY + i * sizeof(page), &page, sizeof(page));
	}
	done = session_map(&pc.ground, &pc.root, session, ARRAY, 1000);
	assert_in_range(done, 1, 512);
	assert_int_equal(pc.words[0] & FRAME_COUNT_MAX, done);
	close_all(session);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(a_donation_has_511_pages_of_zeros),
		CASE(a_second_donation_serves_when_the_first_is_full),
		CASE(a_donation_leaves_the_root_and_comes_back_scrubbed),
		CASE(a_donation_that_cannot_leave_changes_nothing),
		CASE(there_are_255_sessions_and_numbers_are_used_again),
		CASE(a_session_that_runs_is_not_destroyed),
		CASE(while_another_call_is_at_a_session_calls_say_so),
		CASE(a_session_that_goes_is_there_for_nobody_else),
		CASE(a_large_page_that_belongs_to_others_in_part_is_not_mapped_at_all),
		CASE(a_page_is_widened_by_mapping_it_again),
		CASE(a_change_of_nothing_interrupts_nobody),
		CASE(a_change_does_4096_entries_and_says_how_far_it_came),
		CASE(a_split_without_a_page_says_so_and_keeps_the_page),
		CASE(a_sealed_session_takes_large_pages_and_gives_them_back_scrubbed),
		CASE(a_session_has_256_virtual_processors),
		CASE(the_array_of_pages_is_checked_before_it_is_read),
		CASE(a_map_of_many_stops_at_the_first_that_is_wrong),
		CASE(a_map_of_many_large_pages_does_a_part_of_them),
	};

	return cmocka_run_group_tests_name("hv-session", tests, NULL, NULL);
}
