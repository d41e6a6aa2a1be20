// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions' memory against a slow model: for each small page of a few pieces of guest-physical
 * memory, which frame it is, with what rights, and as part of what page.  After every random call
 * tables, owners of frames, the root's reach, and the count of control pages are compared.
 */
#include "tests/unit/unit.h"

#include "tests/unit/hv-ground.h"

#define SESSIONS 3
#define PIECES   3
#define PAGES    2048 /* 8 MiB */
#define SMALL    512  /* in a large page */

static const uint64_t pieces[PIECES] = { 0, GIB - 4 * MIB, (UINT64_C(1) << 48) - 8 * MIB };

struct mapping {
	uint32_t frame; /* and 1 more; 0: none */
	uint32_t flags;
	uint32_t level;
};

static struct {
	int64_t number; /* 0: none */
	bool sealed;
	uint32_t vcpus;
	uint64_t frames;
	struct mapping page[PIECES][PAGES];
} model[SESSIONS];

static uint32_t lent[GROUND_FRAMES], owner[GROUND_FRAMES];
static uint64_t lent_before;
static unsigned int seed;

static uint32_t pick(uint32_t below)
{
	return (uint32_t)rand_r(&seed) % below;
}

static uint64_t lent_count(void)
{
	uint64_t count = 0;

	for (uint32_t f = 0; f < GROUND_FRAMES; f++)
		count += lent[f] > 0;
	return count;
}

/* Frames change hands only after it. */
static void no_frame_is_back_yet(uint32_t session)
{
	assert_in_range(session, 1, SILL_SESSIONS_MAX);
	assert_int_equal(pc.frames.lent, lent_before);
}

static const struct session *session_of(int s)
{
	return pc.ground.slot[model[s].number - 1].session;
}

/* As a processor walks. */
static uint64_t look(const struct session *session, uint64_t guest, unsigned int *ret_level)
{
	const uint64_t *table = session->tables.root;

	for (unsigned int level = 3;; level--) {
		uint64_t entry = table[guest / tables_span(level) % 512];

		*ret_level = level;
		if (!(entry & PTE_P) || level == 0 || (entry & PTE_PS))
			return entry;
		table = tables_below(&session->tables, entry);
	}
}

static void check_page(int s, uint32_t piece, uint32_t n)
{
	const struct mapping *mapping = &model[s].page[piece][n];
	uint64_t guest = pieces[piece] + n * (uint64_t)PAGE_SIZE, entry;
	unsigned int level;

	entry = look(session_of(s), guest, &level);
	if (mapping->frame == 0) {
		assert_int_equal(entry, 0);
		return;
	}
	assert_int_equal(level, mapping->level);
	assert_int_equal((entry & TABLES_ADDRESS) + (guest & (tables_span(level) - 1)),
	                 (mapping->frame - 1) * (uint64_t)PAGE_SIZE);
	assert_int_equal(!!(entry & PTE_W), !!(mapping->flags & SILL_PAGE_WRITE));
	assert_int_equal(!(entry & PTE_NX), !!(mapping->flags & SILL_PAGE_EXECUTE));
}

/* Tables below one, none of them empty; their number. */
static uint64_t count_tables(const struct tables *tables, const uint64_t *table, unsigned int level)
{
	uint64_t count = 1, entries = 0;

	for (unsigned int i = 0; i < 512; i++) {
		entries += table[i] != 0;
		assert_true(table[i] == 0 || (table[i] & PTE_P));
		if (tables_is_table(tables, table[i], level))
			count += count_tables(tables, tables_below(tables, table[i]), level - 1);
	}
	assert_true(level == TABLES_TOP || entries > 0);
	return count;
}

static void check(void)
{
	uint64_t donated = 0;

	for (int s = 0; s < SESSIONS; s++) {
		const struct session *session;

		if (!model[s].number)
			continue;
		session = session_of(s);
		for (uint32_t piece = 0; piece < PIECES; piece++) {
			for (uint32_t n = 0; n < PAGES; n++)
				check_page(s, piece, n);
		}
		assert_int_equal(
			session->control_pages,
			1 + 2 * model[s].vcpus +
				count_tables(&session->tables, session->tables.root, TABLES_TOP));
		assert_int_equal(session->frames, model[s].frames);
	}
	for (uint32_t f = 0; f < GROUND_FRAMES; f++) {
		enum frame_state state = frames_state(&pc.frames, f);

		assert_int_equal(state == FRAME_LENT, lent[f] > 0);
		if (lent[f])
			assert_int_equal(pc.words[f] & FRAME_COUNT_MAX, lent[f]);
		assert_int_equal(state == FRAME_DONATED, owner[f] > 0);
		if (owner[f])
			assert_int_equal(pc.words[f] & FRAME_COUNT_MAX, owner[f]);
		assert_int_equal(pc.reached[f],
		                 state != FRAME_HYPERVISOR && state != FRAME_DONATED);
		donated += owner[f] > 0;
	}
	assert_int_equal(pc.frames.donated, donated);
	assert_int_equal(pc.frames.lent, lent_count());
}

static void own(uint64_t base, uint32_t who)
{
	for (uint32_t i = 0; i < SMALL; i++) {
		owner[base / PAGE_SIZE + i] = who;
		if (who == 0)
			assert_int_equal(pc.memory[base + i * PAGE_SIZE + pick(PAGE_SIZE)], 0);
	}
}

static bool all_root(uint64_t base, uint64_t size)
{
	for (uint64_t f = base / PAGE_SIZE; f < (base + size) / PAGE_SIZE; f++) {
		if (base + size > GROUND_RAM || lent[f] || owner[f])
			return false;
	}
	return true;
}

static void do_donate(void)
{
	uint64_t base = pick(GROUND_SIZE / SILL_DONATION) * SILL_DONATION;
	int64_t result = ground_donate(&pc.ground, base);

	assert_int_equal(result, all_root(base, SILL_DONATION) ? 0 : -SILL_EOWNER);
	if (result == 0)
		own(base, CONTROL_OWNER);
}

static void do_reclaim(void)
{
	int64_t result = ground_reclaim(&pc.ground);

	if (result >= 0)
		own((uint64_t)result, 0);
	else
		assert_int_equal(result, -SILL_ENONE);
}

static void do_create(int s)
{
	int64_t result;

	if (model[s].number)
		return;
	model[s].sealed = pick(2);
	result = session_create(&pc.ground, model[s].sealed ? SILL_SESSION_SEALED : 0);
	if (result != -SILL_ENOMEM) {
		assert_in_range(result, 1, SILL_SESSIONS_MAX);
		model[s].number = result;
	}
}

static void drop(int s, struct mapping *mapping)
{
	if (mapping->frame == 0)
		return;
	model[s].frames--;
	if (model[s].sealed)
		owner[mapping->frame - 1] = 0;
	else
		lent[mapping->frame - 1]--;
	mapping->frame = 0;
}

/* The page for the n-th shared page: small frames at the end of RAM, of which some are lent. */
static uint64_t shared_page(void)
{
	return GROUND_RAM - (1 + pick(8)) * (uint64_t)PAGE_SIZE;
}

static uint64_t shared[SESSIONS][SILL_VCPUS_MAX];

static void do_vcpu(int s)
{
	uint64_t address = shared_page();
	int64_t result;

	if (!model[s].number || model[s].vcpus == 4)
		return;
	result = session_vcpu(&pc.ground, (uint64_t)model[s].number, address);
	if (owner[address / PAGE_SIZE])
		assert_int_equal(result, -SILL_EOWNER);
	else if (result != -SILL_ENOMEM) {
		assert_int_equal(result, model[s].vcpus);
		shared[s][model[s].vcpus++] = address;
		lent[address / PAGE_SIZE]++;
	}
}

static void do_destroy(int s)
{
	int64_t result;

	if (!model[s].number)
		return;
	pc.running = pick(4) == 0 ? (uint32_t)model[s].number : 0;
	do
		result = session_destroy(&pc.ground, (uint64_t)model[s].number);
	while (result == -SILL_EAGAIN);
	assert_int_equal(result, pc.running ? -SILL_EBUSY : 0);
	pc.running = 0;
	if (result != 0)
		return;
	for (uint32_t piece = 0; piece < PIECES; piece++) {
		for (uint32_t n = 0; n < PAGES; n++)
			drop(s, &model[s].page[piece][n]);
	}
	while (model[s].vcpus > 0)
		lent[shared[s][--model[s].vcpus] / PAGE_SIZE]--;
	assert_int_equal(model[s].frames, 0);
	model[s].number = 0;
}

/* What MAP of one page has to say, when there is control memory enough. */
static int64_t expected(int s, const struct sill_page *page, uint32_t piece)
{
	uint32_t first = (uint32_t)((page->guest - pieces[piece]) / PAGE_SIZE);
	uint64_t span = tables_span(page->level);
	const struct mapping *mapping = &model[s].page[piece][first];

	if (model[s].sealed && page->level != 1)
		return -SILL_EINVAL;
	if (page->guest % span || page->root % span)
		return -SILL_EALIGN;
	if (mapping->frame && mapping->level == page->level &&
	    mapping->frame - 1 == page->root / PAGE_SIZE)
		return 1;
	for (uint32_t i = 0; i < span / PAGE_SIZE; i++) {
		if (mapping[i].frame)
			return -SILL_EEXIST;
	}
	for (uint64_t f = page->root / PAGE_SIZE; f < (page->root + span) / PAGE_SIZE; f++) {
		if (page->root + span > GROUND_RAM || owner[f] || (model[s].sealed && lent[f]))
			return -SILL_EOWNER;
	}
	return 1;
}

static void note_map(int s, const struct sill_page *page, uint32_t piece)
{
	uint32_t first = (uint32_t)((page->guest - pieces[piece]) / PAGE_SIZE);
	struct mapping *mapping = &model[s].page[piece][first];

	for (uint32_t i = 0; i < tables_span(page->level) / PAGE_SIZE; i++) {
		uint32_t frame = (uint32_t)(page->root / PAGE_SIZE) + i;
		uint32_t flags = mapping[i].frame ? mapping[i].flags : 0;

		if (!mapping[i].frame) {
			model[s].frames++;
			if (model[s].sealed)
				owner[frame] = (uint32_t)model[s].number;
			else
				lent[frame]++;
		}
		mapping[i] = (struct mapping){ frame + 1, flags | page->flags, page->level };
	}
}

static void do_map(int s)
{
	/* At the root's address 0, whence MAP reads it. */
	struct sill_page *page = (struct sill_page *)(pc.memory + (GROUND_RAM - 16 * PAGE_SIZE));
	uint32_t piece = pick(PIECES);
	int64_t result;

	if (!model[s].number || owner[GROUND_RAM / PAGE_SIZE - 16])
		return;
	page->level = pick(3) == 0;
	page->flags = pick(4);
	page->guest = pieces[piece] + pick(PAGES) * (uint64_t)PAGE_SIZE;
	page->root = pick(GROUND_FRAMES) * (uint64_t)PAGE_SIZE;
	if (page->level && pick(8)) {
		page->guest = round_down(page->guest, 2 * MIB);
		page->root = round_down(page->root, 2 * MIB);
	}
	result = session_map(&pc.ground, &pc.root, (uint64_t)model[s].number,
	                     GROUND_RAM - 16 * PAGE_SIZE, 1);
	if (result == -SILL_ENOMEM)
		return;
	struct sill_page given = *page;

	assert_int_equal(result, expected(s, &given, piece));
	if (result == 1)
		note_map(s, &given, piece);
}

static void note_change(int s, struct mapping *mapping, enum sill_change change)
{
	if (mapping->frame == 0)
		return;
	if (change == SILL_CHANGE_UNMAP) {
		drop(s, mapping);
		return;
	}
	mapping->flags &= ~SILL_PAGE_WRITE;
	if (change == SILL_CHANGE_SPLIT)
		mapping->level = 0;
}

static void do_change(int s)
{
	enum sill_change change = pick(3);
	uint32_t piece = pick(PIECES), unit = model[s].sealed ? SMALL : 1;
	uint32_t from = pick(PAGES) / unit * unit, end, done;
	uint32_t pages = (pick(4) ? 1 + pick(40) : 1 + pick(PAGES)) * unit;
	int64_t result;

	if (!model[s].number)
		return;
	end = from + pages < PAGES ? from + pages : PAGES;
	result = session_change(&pc.ground, (uint64_t)model[s].number,
	                        pieces[piece] + from * (uint64_t)PAGE_SIZE,
	                        (end - from) * (uint64_t)PAGE_SIZE, change);
	if (model[s].sealed && change == SILL_CHANGE_SPLIT) {
		assert_int_equal(result, -SILL_EINVAL);
		return;
	}
	if (result == -SILL_ENOMEM) {
		assert_int_equal(change, SILL_CHANGE_SPLIT);
		return;
	}
	assert_in_range(result, PAGE_SIZE, (end - from) * (uint64_t)PAGE_SIZE);
	done = from + (uint32_t)((uint64_t)result / PAGE_SIZE);
	/* A large page is taken whole. */
	while (change != SILL_CHANGE_SPLIT && from % SMALL && model[s].page[piece][from].frame &&
	       model[s].page[piece][from].level == 1)
		from--;
	while (change != SILL_CHANGE_SPLIT && done % SMALL && model[s].page[piece][done].frame &&
	       model[s].page[piece][done].level == 1)
		done++;
	if (change == SILL_CHANGE_SPLIT) {
		/* The parts of one that were not asked for are small pages with what rights they had. */
		for (uint32_t n = from - from % SMALL; n < from; n++)
			model[s].page[piece][n].level = 0;
		for (uint32_t n = done; n % SMALL; n++)
			model[s].page[piece][n].level = 0;
	}
	for (; from < done; from++)
		note_change(s, &model[s].page[piece][from], change);
}

static void run(unsigned int rounds, uint32_t donations)
{
	pc_open();
	pc.on_flush = no_frame_is_back_yet;
	memset(model, 0, sizeof(model));
	memset(lent, 0, sizeof(lent));
	memset(owner, 0, sizeof(owner));
	for (unsigned int i = 0; i < rounds; i++) {
		int s = (int)pick(SESSIONS);
		uint32_t what = pick(100);

		lent_before = pc.frames.lent;
		if (what < 3 && donations > 0)
			do_donate();
		else if (what < 5)
			do_reclaim();
		else if (what < 10)
			do_create(s);
		else if (what < 12)
			do_destroy(s);
		else if (what < 16)
			do_vcpu(s);
		else if (what < 75)
			do_map(s);
		else
			do_change(s);
		check();
	}
	for (int s = 0; s < SESSIONS; s++) {
		while (model[s].number)
			do_destroy(s);
	}
	for (uint32_t i = 0; i < GROUND_SIZE / SILL_DONATION; i++)
		do_reclaim();
	check();
	assert_int_equal(pc.frames.lent, 0);
	assert_int_equal(pc.frames.donated, 0);
	pc_close();
}

TEST(random_calls_agree_with_the_model)
{
	for (seed = 1; seed <= 8;) {
		unsigned int round = seed;

		run(600, 1);
		seed = round + 1;
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(random_calls_agree_with_the_model),
	};

	return cmocka_run_group_tests_name("hv-session-model", tests, NULL, NULL);
}
