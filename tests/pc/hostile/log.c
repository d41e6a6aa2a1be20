// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the hypervisor says about all this: each denial is a line of its log or counted as left out,
 * and in the end it is as it was.
 */
#include "tests/pc/hostile/hostile.h"

#define LEFT_OUT " lines were left out\n"

/* The lines that came since `from`, as a string. */
static struct {
	struct sill_log head;
	char text[8192];
} news __attribute__((aligned(8)));

static bool read_news(uint64_t from)
{
	news.head.from = from;
	if (hypercall(SILL_CALL_LOG, (uintptr_t)&news, sizeof(news) - 8, 0) < 0)
		return false;
	news.text[news.head.length] = '\0';
	return news.head.length > 0;
}

static uint64_t log_end(void)
{
	read_news(UINT64_MAX);
	return news.head.end;
}

static const char *find(const char *in, const char *what)
{
	size_t length = strlen(what);

	for (; *in; in++) {
		if (strlen(in) >= length && memcmp(in, what, length) == 0)
			return in;
	}
	return NULL;
}

/* Adds the news to what was told and left out.  A line is its level, one digit, and a text. */
static void tell(uint64_t *told, uint64_t *skipped)
{
	for (const char *line = news.text; *line; line = find(line, "\n") + 1) {
		uint64_t n = 0;
		const char *at = line + 1;

		for (; *at >= '0' && *at <= '9'; at++)
			n = n * 10 + (uint64_t)(*at - '0');
		if (at > line + 1 && memcmp(at, LEFT_OUT, strlen(LEFT_OUT)) == 0)
			*skipped += n;
		else
			(*told)++;
	}
}

static void be_denied(struct cpu *cpu)
{
	act(cpu, MODE_LONG, &act_read, (uint32_t)info.memory_base, 0, 0);
}

/* Until a line passes: it says how many were left out before, and from then on all are known. */
static uint64_t pass_one(struct cpu *cpu, uint64_t from)
{
	for (uint64_t n = 1; n < 100000000; n++) {
		be_denied(cpu);
		if (log_end() != from)
			return n;
	}
	return 0;
}

static bool every_denial_is_told(struct cpu *cpu, const struct test *test)
{
	uint64_t from, made, told = 0, skipped = 0;

	(void)test;
	pass_one(cpu, log_end());
	from = log_end();
	for (made = 0; made < 1000; made++)
		be_denied(cpu);
	made += pass_one(cpu, log_end());
	while (read_news(from)) {
		tell(&told, &skipped);
		from = news.head.start + news.head.length;
	}
	return (told + skipped == made && skipped > 0) ||
	       say(&cpu->why, "of %llu denials %llu were told and %llu left out",
	           (unsigned long long)made, (unsigned long long)told, (unsigned long long)skipped);
}

static bool line_says_what(struct cpu *cpu, const struct test *test)
{
	char expected[80];
	uint64_t from = log_end();

	(void)test;
	pass_one(cpu, from);
	read_news(from);
	format(expected, sizeof(expected), "the root may not read %llx (at %llx)",
	       (unsigned long long)info.memory_base, (unsigned long long)act_read.at[2]);
	return find(news.text, expected) != NULL || say(&cpu->why, "it says: %s", news.text);
}

static bool as_it_was(struct cpu *cpu, const struct test *test)
{
	struct sill_info now = { 0 };

	(void)test;
	if (hypercall(SILL_CALL_VERSION, SILL_ABI, 0, 0) != SILL_ABI ||
	    hypercall(SILL_CALL_INFO, (uintptr_t)&now, sizeof(now), 0) != sizeof(now))
		return say(&cpu->why, "it does not answer");
	return memcmp(&now, &info, sizeof(now)) == 0 ||
	       say(&cpu->why, "it uses %llx bytes, not %llx; %llu frames are lent, %llu donated",
	           (unsigned long long)now.memory_used, (unsigned long long)info.memory_used,
	           (unsigned long long)now.frames_lent, (unsigned long long)now.frames_donated);
}

static const struct test tests[] = {
	{ .name = "a line of the log says what the root did",
	  .run = line_says_what,
	  .where = ON_BOOT },
	{ .name = "every denial is told or counted as left out",
	  .run = every_denial_is_told,
	  .where = ON_BOOT },
	{ .name = "the hypervisor is as it was", .run = as_it_was },
};

const struct suite log_suite = SUITE("log", tests);
