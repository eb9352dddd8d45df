#include "route/numeric.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	NBASE = 10000,
	DEC_DIGITS = 4,                         /* decimal digits of a base-10000 one */
	HEADER_SIZE = 8,
	SIGN_PLUS = 0x0000, SIGN_MINUS = 0x4000, SIGN_NAN = 0xc000, SIGN_PLUS_INFINITY = 0xd000, SIGN_MINUS_INFINITY = 0xf000,
	DSCALE_MAX = 0x3fff,
	INFINITY_DSCALE = 0x20,                 /* what numeric_send makes of an infinity's header */
	WEIGHT_MAX = INT16_MAX,
	MIN_SIG_DIGITS = 16,                    /* NUMERIC_MIN_SIG_DIGITS */
	MAX_DISPLAY_SCALE = 1000,               /* NUMERIC_MAX_DISPLAY_SCALE */
	FAST_DIGITS = 4,                        /* 10000^4 fits 64 bits */
};

static unsigned u16_at(struct slice wire, size_t offset)
{
	uint16_t word;

	memcpy(&word, wire.data + offset, sizeof(word));
	return be16toh(word);
}

static int count_of(struct slice wire)
{
	return (int16_t)u16_at(wire, 0);
}

static int weight_of(struct slice wire)
{
	return (int16_t)u16_at(wire, 2);
}

static unsigned sign_of(struct slice wire)
{
	return u16_at(wire, 4);
}

static unsigned dscale_of(struct slice wire)
{
	return u16_at(wire, 6);
}

static unsigned digit_at(struct slice wire, int i)
{
	return u16_at(wire, HEADER_SIZE + 2 * (size_t)i);
}

bool numeric_valid(struct slice wire)
{
	unsigned sign;

	if (wire.size < HEADER_SIZE || count_of(wire) < 0 || wire.size != HEADER_SIZE + 2 * (size_t)count_of(wire))
		return false;
	sign = sign_of(wire);
	if (sign == SIGN_NAN || sign == SIGN_PLUS_INFINITY || sign == SIGN_MINUS_INFINITY)
		return true;
	if ((sign != SIGN_PLUS && sign != SIGN_MINUS) || dscale_of(wire) > DSCALE_MAX)
		return false;
	for (int i = 0; i < count_of(wire); i++)
		if (digit_at(wire, i) >= NBASE)
			return false;
	return true;
}

/* -Infinity, a number, Infinity, NaN. */
static int rank_of(struct slice wire)
{
	switch (sign_of(wire)) {
	case SIGN_MINUS_INFINITY:
		return 0;
	case SIGN_PLUS_INFINITY:
		return 2;
	case SIGN_NAN:
		return 3;
	default:
		return 1;
	}
}

/* The first digit that is not zero, or the count. */
static int first_digit(struct slice wire)
{
	int i = 0;

	while (i < count_of(wire) && digit_at(wire, i) == 0)
		i++;
	return i;
}

static int compare_magnitudes(struct slice a, struct slice b)
{
	int at_a = first_digit(a), at_b = first_digit(b), count_a = count_of(a), count_b = count_of(b);

	if (at_a == count_a || at_b == count_b)
		return (at_a < count_a) - (at_b < count_b);
	if (weight_of(a) - at_a != weight_of(b) - at_b)
		return weight_of(a) - at_a > weight_of(b) - at_b ? 1 : -1;
	for (; at_a < count_a || at_b < count_b; at_a++, at_b++) {
		unsigned digit_a = at_a < count_a ? digit_at(a, at_a) : 0, digit_b = at_b < count_b ? digit_at(b, at_b) : 0;

		if (digit_a != digit_b)
			return digit_a > digit_b ? 1 : -1;
	}
	return 0;
}

static int sign_as_number(struct slice wire)
{
	if (first_digit(wire) == count_of(wire))
		return 0;
	return sign_of(wire) == SIGN_MINUS ? -1 : 1;
}

int numeric_compare(struct slice a, struct slice b)
{
	int rank_a = rank_of(a), rank_b = rank_of(b), sign_a, sign_b;

	if (rank_a != 1 || rank_b != 1)
		return (rank_a > rank_b) - (rank_a < rank_b);
	sign_a = sign_as_number(a);
	sign_b = sign_as_number(b);
	if (sign_a != sign_b)
		return sign_a > sign_b ? 1 : -1;
	return sign_a < 0 ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

void numeric_sum_init(struct numeric_sum *sum)
{
	*sum = (struct numeric_sum){ 0 };
	mpz_init(sum->units);
}

void numeric_sum_release(struct numeric_sum *sum)
{
	mpz_clear(sum->units);
}

void numeric_sum_clear(struct numeric_sum *sum)
{
	mpz_set_ui(sum->units, 0);
	sum->fraction = 0;
	sum->dscale = 0;
	sum->nan = sum->plus_infinity = sum->minus_infinity = false;
}

/* The digits as one integer, without sign and weight. Many go through decimal text, for which GMP is fast. */
static void read_digits(mpz_t units, struct slice wire)
{
	int count = count_of(wire);
	unsigned long small = 0;
	char *text;

	if (count <= FAST_DIGITS) {
		for (int i = 0; i < count; i++)
			small = small * NBASE + digit_at(wire, i);
		mpz_set_ui(units, small);
		return;
	}
	text = mem_alloc((size_t)count * DEC_DIGITS + 1);
	for (int i = 0; i < count; i++) {
		unsigned digit = digit_at(wire, i);
		char *at = text + (size_t)i * DEC_DIGITS;

		for (int place = DEC_DIGITS - 1; place >= 0; place--, digit /= 10)
			at[place] = (char)('0' + digit % 10);
	}
	text[(size_t)count * DEC_DIGITS] = '\0';
	mpz_set_str(units, text, 10);
	mem_free(text);
}

static void shift_up(mpz_t units, unsigned long base_digits)
{
	mpz_t factor;

	if (base_digits == 0)
		return;
	mpz_init(factor);
	mpz_ui_pow_ui(factor, NBASE, base_digits);
	mpz_mul(units, units, factor);
	mpz_clear(factor);
}

static void add_units(struct numeric_sum *sum, mpz_t units, long fraction)
{
	if (fraction > (long)sum->fraction) {
		shift_up(sum->units, (unsigned long)fraction - sum->fraction);
		sum->fraction = (unsigned long)fraction;
	} else {
		shift_up(units, (unsigned long)((long)sum->fraction - fraction));
	}
	mpz_add(sum->units, sum->units, units);
}

void numeric_sum_add(struct numeric_sum *sum, struct slice wire)
{
	mpz_t units;

	switch (rank_of(wire)) {
	case 0:
		sum->minus_infinity = true;
		return;
	case 2:
		sum->plus_infinity = true;
		return;
	case 3:
		sum->nan = true;
		return;
	}
	if (dscale_of(wire) > sum->dscale)
		sum->dscale = dscale_of(wire);
	if (first_digit(wire) == count_of(wire))
		return;
	mpz_init(units);
	read_digits(units, wire);
	if (sign_of(wire) == SIGN_MINUS)
		mpz_neg(units, units);
	add_units(sum, units, (long)count_of(wire) - 1 - weight_of(wire));
	mpz_clear(units);
}

void numeric_sum_add_int8(struct numeric_sum *sum, int64_t value)
{
	mpz_t units;

	mpz_init_set_si(units, value);
	add_units(sum, units, 0);
	mpz_clear(units);
}

static int overflow(struct err *err)
{
	return err_set(err, ERR_OUT_OF_RANGE, "value overflows numeric format");
}

static bool print_special(const struct numeric_sum *sum, int format, struct buf *out)
{
	bool nan = sum->nan || (sum->plus_infinity && sum->minus_infinity);
	unsigned sign = nan ? SIGN_NAN : sum->plus_infinity ? SIGN_PLUS_INFINITY : SIGN_MINUS_INFINITY;

	if (!sum->nan && !sum->plus_infinity && !sum->minus_infinity)
		return false;
	if (format == 0) {
		buf_add_text(out, nan ? "NaN" : sum->plus_infinity ? "Infinity" : "-Infinity");
		return true;
	}
	buf_add_u16(out, 0);
	buf_add_u16(out, 0);
	buf_add_u16(out, (uint16_t)sign);
	buf_add_u16(out, nan ? 0 : INFINITY_DSCALE);
	return true;
}

/* `digits`, decimal, of which the last `dscale` stand behind the point. */
static void print_text(const char *digits, size_t size, bool negative, size_t dscale, struct buf *out)
{
	size_t whole = size > dscale ? size - dscale : 0;

	if (negative)
		buf_add_text(out, "-");
	if (whole == 0)
		buf_add_text(out, "0");
	buf_add(out, digits, whole);
	if (dscale == 0)
		return;
	buf_add_text(out, ".");
	for (size_t i = size - whole; i < dscale; i++)
		buf_add_text(out, "0");
	buf_add(out, digits + whole, size - whole);
}

/* The decimal digits cut into base-10000 ones at the point; zeros at both ends go, as make_result() strips them. */
static int print_binary(const char *digits, size_t size, bool negative, size_t dscale, struct buf *out, struct err *err)
{
	size_t behind = (dscale + DEC_DIGITS - 1) / DEC_DIGITS;         /* base-10000 digits behind the point */
	size_t pad_right = behind * DEC_DIGITS - dscale;
	size_t count = (size + pad_right + DEC_DIGITS - 1) / DEC_DIGITS;
	size_t pad_left = count * DEC_DIGITS - size - pad_right;
	unsigned *base_digits = mem_calloc(count + 1, sizeof(*base_digits));
	size_t first = 0, end = count;
	long weight;

	for (size_t i = 0; i < count * DEC_DIGITS; i++) {
		unsigned digit = i >= pad_left && i < pad_left + size ? (unsigned)(digits[i - pad_left] - '0') : 0;

		base_digits[i / DEC_DIGITS] = base_digits[i / DEC_DIGITS] * 10 + digit;
	}
	while (first < end && base_digits[first] == 0)
		first++;
	while (end > first && base_digits[end - 1] == 0)
		end--;
	weight = first == end ? 0 : (long)count - (long)behind - 1 - (long)first;
	if (weight > WEIGHT_MAX || weight < -WEIGHT_MAX || end - first > INT16_MAX) {
		mem_free(base_digits);
		return overflow(err);
	}
	buf_add_u16(out, (uint16_t)(end - first));
	buf_add_u16(out, (uint16_t)weight);
	buf_add_u16(out, negative && first != end ? SIGN_MINUS : SIGN_PLUS);
	buf_add_u16(out, (uint16_t)dscale);
	for (size_t i = first; i < end; i++)
		buf_add_u16(out, (uint16_t)base_digits[i]);
	mem_free(base_digits);
	return 0;
}

/* `value` in units of 10^-dscale. */
static int print_value(const mpz_t value, unsigned dscale, int format, struct buf *out, struct err *err)
{
	size_t size = mpz_sizeinbase(value, 10);
	char *digits;
	bool negative = mpz_sgn(value) < 0;
	int code = 0;

	if (size > dscale + ((size_t)WEIGHT_MAX + 1) * DEC_DIGITS + 1)
		return overflow(err);
	digits = mem_alloc(size + 2);
	mpz_get_str(digits, 10, value);
	size = strlen(digits + negative);
	if (size == 1 && digits[negative] == '0')
		size = 0;
	if (size > dscale + ((size_t)WEIGHT_MAX + 1) * DEC_DIGITS)
		code = overflow(err);
	else if (format == 0)
		print_text(digits + negative, size, negative, dscale, out);
	else
		code = print_binary(digits + negative, size, negative, dscale, out, err);
	mem_free(digits);
	return code;
}

/* value = sum * 10^scale / divisor, rounded half away from zero. */
static void scale_and_divide(mpz_t value, const struct numeric_sum *sum, unsigned long scale, int64_t divisor)
{
	mpz_t factor, below, remainder;

	mpz_inits(factor, below, remainder, NULL);
	mpz_ui_pow_ui(factor, 10, scale);
	mpz_mul(value, sum->units, factor);
	mpz_ui_pow_ui(below, NBASE, sum->fraction);
	mpz_mul_si(below, below, divisor);
	mpz_tdiv_qr(value, remainder, value, below);
	mpz_mul_2exp(remainder, remainder, 1);
	if (mpz_cmpabs(remainder, below) >= 0) {
		if (mpz_sgn(sum->units) < 0)
			mpz_sub_ui(value, value, 1);
		else
			mpz_add_ui(value, value, 1);
	}
	mpz_clears(factor, below, remainder, NULL);
}

int numeric_sum_print(const struct numeric_sum *sum, int format, struct buf *out, struct err *err)
{
	mpz_t value;
	int code;

	if (print_special(sum, format, out))
		return 0;
	mpz_init(value);
	scale_and_divide(value, sum, sum->dscale, 1);
	code = print_value(value, sum->dscale, format, out, err);
	mpz_clear(value);
	return code;
}

/* Weight and first digit in base 10000 of units * 10000^-fraction; 0 and 0 for zero. */
static void leading_digit(const mpz_t units, unsigned long fraction, long *ret_weight, unsigned *ret_digit)
{
	char *digits;
	size_t size, lead;
	unsigned digit = 0;

	*ret_weight = 0;
	*ret_digit = 0;
	if (mpz_sgn(units) == 0)
		return;
	digits = mem_alloc(mpz_sizeinbase(units, 10) + 2);
	mpz_get_str(digits, 10, units);
	if (digits[0] == '-')
		memmove(digits, digits + 1, strlen(digits));
	size = strlen(digits);
	lead = (size - 1) % DEC_DIGITS + 1;
	for (size_t i = 0; i < lead; i++)
		digit = digit * 10 + (unsigned)(digits[i] - '0');
	*ret_weight = (long)((size - 1) / DEC_DIGITS) - (long)fraction;
	*ret_digit = digit;
	mem_free(digits);
}

/* select_div_scale(): at least 16 significant digits, and no fewer behind the point than either input shows. */
static unsigned division_scale(const struct numeric_sum *sum, int64_t count)
{
	long weight_sum, weight_count, weight, scale;
	unsigned digit_sum, digit_count;
	mpz_t divisor;

	mpz_init_set_si(divisor, count);
	leading_digit(sum->units, sum->fraction, &weight_sum, &digit_sum);
	leading_digit(divisor, 0, &weight_count, &digit_count);
	mpz_clear(divisor);
	weight = weight_sum - weight_count;
	if (digit_sum <= digit_count)
		weight--;
	scale = MIN_SIG_DIGITS - weight * DEC_DIGITS;
	if (scale < (long)sum->dscale)
		scale = (long)sum->dscale;
	return scale < 0 ? 0 : scale > MAX_DISPLAY_SCALE ? MAX_DISPLAY_SCALE : (unsigned)scale;
}

int numeric_sum_divide(const struct numeric_sum *sum, int64_t count, int format, struct buf *out, struct err *err)
{
	unsigned scale;
	mpz_t value;
	int code;

	if (print_special(sum, format, out))
		return 0;
	scale = division_scale(sum, count);
	mpz_init(value);
	scale_and_divide(value, sum, scale, count);
	code = print_value(value, scale, format, out, err);
	mpz_clear(value);
	return code;
}
