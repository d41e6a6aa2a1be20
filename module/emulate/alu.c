// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Arithmetic and its flags (AMD64 Architecture Programmer's Manual volume 3).  Where a flag is
 * undefined it gets what is simplest.
 */
#include "module/emulate/internal.h"

static uint64_t top_bit(uint64_t value, unsigned int size)
{
	return value >> (size * 8 - 1) & 1;
}

uint64_t alu_sign_extend(uint64_t value, unsigned int size)
{
	uint64_t mask = size_mask(size);

	return top_bit(value, size) ? value | ~mask : value & mask;
}

static uint64_t flag(uint64_t which, uint64_t value)
{
	return value ? which : 0;
}

static uint64_t result_flags(uint64_t result, unsigned int size)
{
	uint64_t ones = result ^ result >> 4;

	/* Even parity of the low byte: a table of 16 bits. */
	return flag(FLAG_PF, 0x9669u >> (ones & 0xF) & 1) | flag(FLAG_ZF, result == 0) |
	       flag(FLAG_SF, top_bit(result, size));
}

static void set_flags(uint64_t *rflags, uint64_t which, uint64_t value)
{
	*rflags = (*rflags & ~which) | (value & which);
}

static uint64_t add(unsigned int size, uint64_t a, uint64_t b, uint64_t carry, uint64_t *rflags)
{
	uint64_t result = (a + b + carry) & size_mask(size);
	uint64_t carries = (a & b) | ((a | b) & ~result);

	set_flags(rflags, FLAGS_MATH,
	          result_flags(result, size) | flag(FLAG_CF, top_bit(carries, size)) |
	                  flag(FLAG_AF, carries & 8) |
	                  flag(FLAG_OF, top_bit((a ^ result) & (b ^ result), size)));
	return result;
}

static uint64_t subtract(unsigned int size, uint64_t a, uint64_t b, uint64_t borrow,
                         uint64_t *rflags)
{
	uint64_t result = (a - b - borrow) & size_mask(size);
	uint64_t borrows = (~a & b) | ((~a | b) & result);

	set_flags(rflags, FLAGS_MATH,
	          result_flags(result, size) | flag(FLAG_CF, top_bit(borrows, size)) |
	                  flag(FLAG_AF, borrows & 8) |
	                  flag(FLAG_OF, top_bit((a ^ b) & (a ^ result), size)));
	return result;
}

uint64_t alu_binary(uint8_t op, unsigned int size, uint64_t a, uint64_t b, uint64_t *rflags)
{
	uint64_t carry = *rflags & FLAG_CF, result;

	b &= size_mask(size);
	switch (op) {
	case INSN_ADD:
	case INSN_XADD:
		return add(size, a, b, 0, rflags);
	case INSN_ADC:
		return add(size, a, b, carry, rflags);
	case INSN_SUB:
	case INSN_CMP:
		return subtract(size, a, b, 0, rflags);
	case INSN_SBB:
		return subtract(size, a, b, carry, rflags);
	case INSN_OR:
		result = a | b;
		break;
	case INSN_XOR:
		result = a ^ b;
		break;
	default: /* AND, TEST */
		result = a & b;
		break;
	}
	set_flags(rflags, FLAGS_MATH, result_flags(result, size));
	return result;
}

uint64_t alu_unary(uint8_t op, unsigned int size, uint64_t a, uint64_t *rflags)
{
	uint64_t carry = *rflags & FLAG_CF, result;

	switch (op) {
	case INSN_NOT:
		return ~a & size_mask(size);
	case INSN_NEG:
		return subtract(size, 0, a, 0, rflags);
	case INSN_INC:
		result = add(size, a, 1, 0, rflags);
		break;
	default: /* DEC */
		result = subtract(size, a, 1, 0, rflags);
		break;
	}
	set_flags(rflags, FLAG_CF, carry);
	return result;
}

static uint64_t rotate_left(unsigned int bits, uint64_t a, unsigned int count, uint64_t mask)
{
	count %= bits;
	return count ? (a << count | a >> (bits - count)) & mask : a;
}

/* RCL, and RCR as RCL by the rest: CF is one bit more, on top.  `count` is at most `bits`. */
static uint64_t rotate_carry(unsigned int bits, uint64_t a, unsigned int count, uint64_t *carry)
{
	uint64_t mask = size_mask(bits / 8), out;

	for (; count > 0; count--) {
		out = a >> (bits - 1) & 1;
		a = (a << 1 | *carry) & mask;
		*carry = out;
	}
	return a;
}

uint64_t alu_shift(uint8_t op, unsigned int size, uint64_t a, unsigned int count, uint64_t *rflags)
{
	unsigned int bits = size * 8;
	uint64_t mask = size_mask(size), result, carry = 0, overflow, which = FLAG_CF | FLAG_OF;

	count &= size == 8 ? 63 : 31;
	if (op == INSN_RCL || op == INSN_RCR)
		count %= bits + 1;
	if (count == 0)
		return a;
	switch (op) {
	case INSN_ROL:
		result = rotate_left(bits, a, count, mask);
		carry = result & 1;
		break;
	case INSN_ROR:
		result = rotate_left(bits, a, bits - count % bits, mask);
		carry = top_bit(result, size);
		break;
	case INSN_RCL:
	case INSN_RCR:
		carry = *rflags & FLAG_CF;
		result = rotate_carry(bits, a, op == INSN_RCL ? count : bits + 1 - count, &carry);
		break;
	case INSN_SHL:
		result = a << count & mask;
		carry = count <= bits ? a >> (bits - count) & 1 : 0;
		which = FLAGS_MATH;
		break;
	default: /* SHR, SAR */
		if (op == INSN_SAR)
			a = alu_sign_extend(a, size);
		/* Arithmetic: what comes in is the sign. */
		result = op == INSN_SAR ? (uint64_t)((int64_t)a >> count) : a >> count;
		carry = op == INSN_SAR ? (uint64_t)((int64_t)a >> (count - 1)) & 1
		                       : a >> (count - 1) & 1;
		result &= mask;
		which = FLAGS_MATH;
		break;
	}
	if (op == INSN_SHR)
		overflow = top_bit(a, size);
	else if (op == INSN_ROL || op == INSN_RCL || op == INSN_SHL)
		overflow = top_bit(result, size) ^ carry;
	else if (op == INSN_SAR)
		overflow = 0;
	else
		overflow = top_bit(result ^ result << 1, size);
	set_flags(rflags, which,
	          result_flags(result, size) | flag(FLAG_CF, carry) | flag(FLAG_OF, overflow));
	return result;
}

uint64_t alu_double_shift(uint8_t op, unsigned int size, uint64_t a, uint64_t b, unsigned int count,
                          uint64_t *rflags)
{
	unsigned int bits = size * 8;
	uint64_t mask = size_mask(size), result, carry, before = a;

	count &= size == 8 ? 63 : 31;
	if (count == 0)
		return a;
	/* Undefined: what Intel's processors do. */
	if (count > bits) {
		a = b;
		b = before;
		count -= bits;
	}
	if (op == INSN_SHLD) {
		result = (a << count | b >> (bits - count)) & mask;
		carry = a >> (bits - count) & 1;
	} else {
		result = (a >> count | b << (bits - count)) & mask;
		carry = a >> (count - 1) & 1;
	}
	set_flags(rflags, FLAGS_MATH,
	          result_flags(result, size) | flag(FLAG_CF, carry) |
	                  flag(FLAG_OF, top_bit(before ^ result, size)));
	return result;
}

uint64_t alu_bit(uint8_t op, unsigned int size, uint64_t a, unsigned int bit, uint64_t *rflags)
{
	uint64_t one;

	bit &= size * 8 - 1;
	one = 1ull << bit;
	set_flags(rflags, FLAG_CF, a >> bit & 1);
	switch (op) {
	case INSN_BTS:
		return a | one;
	case INSN_BTR:
		return a & ~one;
	case INSN_BTC:
		return a ^ one;
	default:
		return a;
	}
}

uint64_t alu_multiply(bool is_signed, unsigned int size, uint64_t a, uint64_t b, uint64_t *ret_high,
                      uint64_t *rflags)
{
	uint64_t mask = size_mask(size), low, high;
	bool overflow;

	if (is_signed) {
		__int128 product = (__int128)(int64_t)alu_sign_extend(a, size) *
		                   (int64_t)alu_sign_extend(b, size);

		low = (uint64_t)product & mask;
		high = (uint64_t)(product >> size * 8) & mask;
		overflow = product != (int64_t)alu_sign_extend(low, size);
	} else {
		unsigned __int128 product = (unsigned __int128)(a & mask) * (b & mask);

		low = (uint64_t)product & mask;
		high = (uint64_t)(product >> size * 8) & mask;
		overflow = high != 0;
	}
	set_flags(rflags, FLAGS_MATH, result_flags(low, size) | (overflow ? FLAG_CF | FLAG_OF : 0));
	*ret_high = high;
	return low;
}

/* 128 by 64 bits: the compiler would call a library for it. */
static bool divide_wide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *ret_quotient,
                        uint64_t *ret_remainder)
{
	if (high >= divisor)
		return false;
	__asm__("divq %4"
	        : "=a"(*ret_quotient), "=d"(*ret_remainder)
	        : "a"(low), "d"(high), "r"(divisor)
	        : "cc");
	return true;
}

static bool divide_unsigned(unsigned int size, uint64_t high, uint64_t low, uint64_t divisor,
                            uint64_t *ret_quotient, uint64_t *ret_remainder)
{
	uint64_t dividend;

	if (size == 8)
		return divide_wide(high, low, divisor, ret_quotient, ret_remainder);
	if (high >= divisor)
		return false;
	dividend = high << size * 8 | low;
	*ret_quotient = dividend / divisor;
	*ret_remainder = dividend % divisor;
	return true;
}

bool alu_divide(bool is_signed, unsigned int size, uint64_t high, uint64_t low, uint64_t divisor,
                uint64_t *ret_quotient, uint64_t *ret_remainder)
{
	uint64_t mask = size_mask(size), quotient, remainder;
	bool negative = is_signed && top_bit(high, size);
	bool negative_divisor = is_signed && top_bit(divisor, size);
	bool negative_quotient = negative != negative_divisor;

	if (negative) {
		low = -low & mask;
		high = (~high + (low == 0)) & mask;
	}
	if (negative_divisor)
		divisor = -divisor & mask;
	if (!divide_unsigned(size, high, low, divisor, &quotient, &remainder))
		return false;
	/* One more value fits on the negative side. */
	if (is_signed && quotient > (mask >> 1) + negative_quotient)
		return false;
	*ret_quotient = (negative_quotient ? -quotient : quotient) & mask;
	*ret_remainder = (negative ? -remainder : remainder) & mask;
	return true;
}

bool alu_condition(unsigned int condition, uint64_t rflags)
{
	bool less = !(rflags & FLAG_SF) != !(rflags & FLAG_OF), holds;

	switch (condition >> 1 & 7) {
	case 0:
		holds = rflags & FLAG_OF;
		break;
	case 1:
		holds = rflags & FLAG_CF;
		break;
	case 2:
		holds = rflags & FLAG_ZF;
		break;
	case 3:
		holds = rflags & (FLAG_CF | FLAG_ZF);
		break;
	case 4:
		holds = rflags & FLAG_SF;
		break;
	case 5:
		holds = rflags & FLAG_PF;
		break;
	case 6:
		holds = less;
		break;
	default:
		holds = less || rflags & FLAG_ZF;
		break;
	}
	return holds != (condition & 1);
}
