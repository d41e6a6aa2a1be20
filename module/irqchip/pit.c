// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 8254 data sheet.  A count takes effect with its last byte, in every mode; what the data sheet
 * delays to the next clock or to the end of a period is not delayed.
 *
 * Ticks that come while the last one is still waiting are owed to the guest (KVM_REINJECT_CONTROL)
 * and come when it ends its service of the line.  Where nobody listens to the line, none is owed.
 */
#include "module/irqchip/pit.h"

#define SECOND           1000000000u /* ns */
#define SHORTEST_PERIOD  100000u     /* ns: the host is not kept busier than this */
#define OWED_MAX         4096u

#define GATED            2 /* the channel with a gate */
#define SPEAKER_GATE     0x01u
#define SPEAKER_DATA     0x02u
#define SPEAKER_REFRESH  0x10u
#define SPEAKER_OUT      0x20u
#define REFRESH_TICKS    18u /* of channel 1, as every PC programs it */

#define BACK_KEEP_COUNT  0x20u
#define BACK_KEEP_STATUS 0x10u

/* The values of read_state and write_state; the first three are those of rw_mode too. */
enum { LSB = 1, MSB, WORD_LSB, WORD_MSB };

static uint64_t ns_to_ticks(uint64_t ns)
{
	return ns / SECOND * PIT_HZ + ns % SECOND * PIT_HZ / SECOND;
}

/* The first nanosecond of a tick. */
static uint64_t ticks_to_ns(uint64_t ticks)
{
	return ticks / PIT_HZ * SECOND + (ticks % PIT_HZ * SECOND + PIT_HZ - 1) / PIT_HZ;
}

static bool is_triggered(const struct kvm_pit_channel_state *channel)
{
	return channel->mode == 1 || channel->mode == 5;
}

/* Ticks since the channel was loaded, without those during which its gate stopped it. */
static uint64_t elapsed(const struct pit *pit, unsigned int n)
{
	uint64_t until = pit->stopped[n] ? pit->stopped[n] : pit->ops->now(pit->ctx);
	uint64_t from = (uint64_t)pit->channel[n].count_load_time;

	return until > from ? ns_to_ticks(until - from) : 0;
}

static bool output(const struct pit *pit, unsigned int n)
{
	const struct kvm_pit_channel_state *channel = &pit->channel[n];
	uint64_t ticks, phase;

	if (!pit->counting[n])
		return channel->mode != 0;
	ticks = elapsed(pit, n);
	phase = ticks % channel->count;
	switch (channel->mode) {
	case 0:
	case 1:
		return ticks >= channel->count;
	case 2:
		return !channel->gate || phase != channel->count - 1;
	case 3:
		return !channel->gate || phase < (channel->count + 1) / 2;
	default:
		return ticks != channel->count;
	}
}

/* What the counter shows, in binary. */
static uint32_t counter(const struct pit *pit, unsigned int n)
{
	const struct kvm_pit_channel_state *channel = &pit->channel[n];
	uint32_t size = channel->bcd ? 10000 : 65536, even = channel->count & ~1u, half;
	uint64_t ticks, phase;

	if (!pit->counting[n])
		return channel->count % size;
	ticks = elapsed(pit, n);
	phase = ticks % channel->count;
	switch (channel->mode) {
	case 2:
		return (uint32_t)(channel->count - phase) % size;
	case 3:
		/* By twos, twice in a period; an odd count is high for one clock more. */
		half = (channel->count + 1) / 2;
		return (uint32_t)(even - 2 * (phase < half ? phase : phase - half)) % size;
	default:
		return (uint32_t)(channel->count + size - ticks % size) % size;
	}
}

static uint16_t shown(const struct pit *pit, unsigned int n)
{
	uint32_t value = counter(pit, n);

	if (pit->channel[n].bcd)
		value = value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 |
		        value / 1000 % 10 << 12;
	return (uint16_t)value;
}

/* How often channel 0's output has risen. */
static uint64_t rises(const struct pit *pit)
{
	const struct kvm_pit_channel_state *channel = &pit->channel[0];
	uint64_t ticks;

	if (!pit->counting[0])
		return 0;
	ticks = elapsed(pit, 0);
	switch (channel->mode) {
	case 0:
		return ticks >= channel->count;
	case 4:
		return ticks > channel->count;
	default:
		return ticks / channel->count;
	}
}

static void arm(const struct pit *pit)
{
	const struct kvm_pit_channel_state *channel = &pit->channel[0];
	bool once = channel->mode == 0 || channel->mode == 4;
	uint64_t at, soonest;

	/* Modes 1 and 5 wait for a gate that channel 0 does not have: it never counts in them. */
	if (!pit->counting[0] || (once && pit->ticks) || pit->flags & KVM_PIT_FLAGS_HPET_LEGACY) {
		pit->ops->arm(pit->ctx, 0);
		return;
	}
	at = (uint64_t)channel->count_load_time +
	     ticks_to_ns((pit->ticks + 1) * channel->count + (channel->mode == 4));
	soonest = pit->ops->now(pit->ctx) + SHORTEST_PERIOD;
	pit->ops->arm(pit->ctx, at > soonest || once ? at : soonest);
}

static void owe(struct pit *pit, uint64_t ticks)
{
	if (!pit->reinject)
		return;
	pit->missed = ticks < OWED_MAX - pit->missed ? pit->missed + (uint32_t)ticks : OWED_MAX;
}

static void tick(struct pit *pit)
{
	int taken = pit->ops->tick(pit->ctx);

	if (taken == 0)
		owe(pit, 1);
	else if (taken < 0)
		pit->missed = 0;
}

void pit_expire(struct pit *pit)
{
	uint64_t now_ticks = rises(pit), news = now_ticks - pit->ticks;

	pit->ticks = now_ticks;
	if (news && !(pit->flags & KVM_PIT_FLAGS_HPET_LEGACY)) {
		owe(pit, news - 1);
		tick(pit);
	}
	arm(pit);
}

void pit_ended(struct pit *pit)
{
	if (!pit->missed)
		return;
	pit->missed--;
	tick(pit);
}

void pit_set_reinject(struct pit *pit, bool reinject)
{
	pit->reinject = reinject;
	pit->missed = 0;
}

static void start(struct pit *pit, unsigned int n)
{
	pit->channel[n].count_load_time = (int64_t)pit->ops->now(pit->ctx);
	pit->counting[n] = true;
	if (pit->stopped[n])
		pit->stopped[n] = (uint64_t)pit->channel[n].count_load_time;
	if (n)
		return;
	pit->ticks = 0;
	pit->missed = 0;
	arm(pit);
}

static void load(struct pit *pit, unsigned int n, uint16_t value)
{
	struct kvm_pit_channel_state *channel = &pit->channel[n];
	uint32_t size = channel->bcd ? 10000 : 65536, count = value;

	if (channel->bcd)
		count = (value & 15u) + (value >> 4 & 15u) * 10 + (value >> 8 & 15u) * 100 +
		        (value >> 12) * 1000u;
	/* Zero is the largest; digits above 9 are no number. */
	channel->count = count == 0 || count > size ? size : count;
	if (is_triggered(channel))
		pit->counting[n] = false;
	else
		start(pit, n);
}

/* At a low gate modes 0 and 4 stand, 2 and 3 begin anew after it; a rise triggers 1 and 5. */
static void set_gate(struct pit *pit, bool high)
{
	struct kvm_pit_channel_state *channel = &pit->channel[GATED];
	uint64_t now = pit->ops->now(pit->ctx);

	if (channel->gate == high)
		return;
	channel->gate = high;
	if (is_triggered(channel)) {
		if (high)
			start(pit, GATED);
		return;
	}
	if (!high) {
		pit->stopped[GATED] = now;
		return;
	}
	if (channel->mode == 0 || channel->mode == 4)
		channel->count_load_time += (int64_t)(now - pit->stopped[GATED]);
	else
		channel->count_load_time = (int64_t)now;
	pit->stopped[GATED] = 0;
}

static void latch_count(struct pit *pit, unsigned int n)
{
	struct kvm_pit_channel_state *channel = &pit->channel[n];

	/* A latch that was not read yet stays. */
	if (channel->count_latched)
		return;
	channel->latched_count = shown(pit, n);
	channel->count_latched = channel->rw_mode;
}

static void latch_status(struct pit *pit, unsigned int n)
{
	struct kvm_pit_channel_state *channel = &pit->channel[n];

	if (channel->status_latched)
		return;
	channel->status = (uint8_t)(output(pit, n) << 7 | !pit->counting[n] << 6 |
	                            channel->rw_mode << 4 | channel->mode << 1 | channel->bcd);
	channel->status_latched = 1;
}

static void control(struct pit *pit, uint8_t value)
{
	unsigned int n = value >> 6;
	struct kvm_pit_channel_state *channel;

	if (n == PIT_CHANNELS) {
		for (n = 0; n < PIT_CHANNELS; n++) {
			if (!(value >> (n + 1) & 1))
				continue;
			if (!(value & BACK_KEEP_COUNT))
				latch_count(pit, n);
			if (!(value & BACK_KEEP_STATUS))
				latch_status(pit, n);
		}
		return;
	}
	channel = &pit->channel[n];
	if (!(value & 0x30)) {
		latch_count(pit, n);
		return;
	}
	channel->rw_mode = value >> 4 & 3;
	channel->read_state = channel->rw_mode;
	channel->write_state = channel->rw_mode;
	channel->mode = value >> 1 & 7;
	/* Six and seven are two and three. */
	if (channel->mode > 5)
		channel->mode -= 4;
	channel->bcd = value & 1;
	channel->count_latched = 0;
	channel->status_latched = 0;
	pit->counting[n] = false;
	pit->stopped[n] = channel->gate || is_triggered(channel) ? 0 : pit->ops->now(pit->ctx);
	if (n == 0)
		arm(pit);
}

static void data_write(struct pit *pit, unsigned int n, uint8_t value)
{
	struct kvm_pit_channel_state *channel = &pit->channel[n];

	switch (channel->write_state) {
	case LSB:
		load(pit, n, value);
		break;
	case MSB:
		load(pit, n, (uint16_t)(value << 8));
		break;
	case WORD_LSB:
		channel->write_latch = value;
		channel->write_state = WORD_MSB;
		break;
	case WORD_MSB:
		channel->write_state = WORD_LSB;
		load(pit, n, (uint16_t)(value << 8 | channel->write_latch));
		break;
	default:
		break;
	}
}

static uint8_t data_read(struct pit *pit, unsigned int n)
{
	struct kvm_pit_channel_state *channel = &pit->channel[n];
	uint8_t state = channel->count_latched;
	uint16_t value = channel->latched_count;

	if (channel->status_latched) {
		channel->status_latched = 0;
		return channel->status;
	}
	if (state) {
		channel->count_latched = state == WORD_LSB ? MSB : 0;
	} else {
		state = channel->read_state;
		value = shown(pit, n);
		if (state == WORD_LSB || state == WORD_MSB)
			channel->read_state = WORD_LSB + WORD_MSB - state;
	}
	return (uint8_t)(state == MSB || state == WORD_MSB ? value >> 8 : value);
}

static uint8_t speaker_read(const struct pit *pit)
{
	uint64_t refresh = ns_to_ticks(pit->ops->now(pit->ctx)) / REFRESH_TICKS;

	return (uint8_t)((pit->channel[GATED].gate ? SPEAKER_GATE : 0) |
	                 (pit->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON ? SPEAKER_DATA : 0) |
	                 (refresh & 1 ? SPEAKER_REFRESH : 0) |
	                 (output(pit, GATED) ? SPEAKER_OUT : 0));
}

static void speaker_write(struct pit *pit, uint8_t value)
{
	pit->flags &= ~(uint32_t)KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	if (value & SPEAKER_DATA)
		pit->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	set_gate(pit, value & SPEAKER_GATE);
}

bool pit_write(struct pit *pit, uint16_t port, uint8_t value)
{
	if (port >= 0x40 && port < 0x40 + PIT_CHANNELS)
		data_write(pit, port - 0x40u, value);
	else if (port == 0x43)
		control(pit, value);
	else if (port == 0x61 && pit->speaker)
		speaker_write(pit, value);
	else
		return false;
	return true;
}

bool pit_read(struct pit *pit, uint16_t port, uint8_t *ret_value)
{
	if (port >= 0x40 && port < 0x40 + PIT_CHANNELS)
		*ret_value = data_read(pit, port - 0x40u);
	else if (port == 0x43)
		*ret_value = 0; /* the control word cannot be read */
	else if (port == 0x61 && pit->speaker)
		*ret_value = speaker_read(pit);
	else
		return false;
	return true;
}

void pit_get_state(const struct pit *pit, struct kvm_pit_state2 *ret_state)
{
	uint64_t now = pit->ops->now(pit->ctx);

	memset(ret_state, 0, sizeof(*ret_state));
	for (unsigned int n = 0; n < PIT_CHANNELS; n++) {
		ret_state->channels[n] = pit->channel[n];
		/* What stands is told as if it had begun later. */
		if (pit->stopped[n])
			ret_state->channels[n].count_load_time += (int64_t)(now - pit->stopped[n]);
	}
	ret_state->flags = pit->flags;
}

static void channel_set_state(struct pit *pit, unsigned int n,
                              const struct kvm_pit_channel_state *state)
{
	struct kvm_pit_channel_state *channel = &pit->channel[n];
	uint64_t now = pit->ops->now(pit->ctx);

	*channel = *state;
	channel->bcd = state->bcd != 0;
	if (!channel->count || channel->count > (channel->bcd ? 10000u : 65536u))
		channel->count = channel->bcd ? 10000 : 65536;
	channel->mode &= 7;
	if (channel->mode > 5)
		channel->mode -= 4;
	channel->rw_mode &= 3;
	if (!channel->rw_mode)
		channel->rw_mode = WORD_LSB;
	if (channel->read_state < LSB || channel->read_state > WORD_MSB)
		channel->read_state = channel->rw_mode;
	if (channel->write_state < LSB || channel->write_state > WORD_MSB)
		channel->write_state = channel->rw_mode;
	channel->count_latched &= 3;
	channel->status_latched = state->status_latched != 0;
	channel->gate = n != GATED || state->gate;
	if (channel->count_load_time < 0 || (uint64_t)channel->count_load_time > now)
		channel->count_load_time = (int64_t)now;
	/* The ABI does not tell of a channel that still waits for its trigger. */
	pit->counting[n] = n == GATED || !is_triggered(channel);
	pit->stopped[n] = channel->gate || is_triggered(channel) ? 0 : now;
}

void pit_set_state(struct pit *pit, const struct kvm_pit_state2 *state)
{
	for (unsigned int n = 0; n < PIT_CHANNELS; n++)
		channel_set_state(pit, n, &state->channels[n]);
	pit->flags = state->flags & (KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	pit->missed = 0;
	pit->ticks = rises(pit);
	arm(pit);
}

void pit_init(struct pit *pit, const struct pit_ops *ops, void *ctx, bool speaker)
{
	memset(pit, 0, sizeof(*pit));
	pit->ops = ops;
	pit->ctx = ctx;
	pit->reinject = true;
	pit->speaker = speaker;
	for (unsigned int n = 0; n < PIT_CHANNELS; n++) {
		pit->channel[n].mode = 3;
		pit->channel[n].rw_mode = WORD_LSB;
		pit->channel[n].read_state = WORD_LSB;
		pit->channel[n].write_state = WORD_LSB;
		pit->channel[n].count = 65536;
		pit->channel[n].gate = n != GATED;
	}
	pit->stopped[GATED] = ops->now(ctx);
}
