#include "sql/lift.h"

#include <ctype.h>
#include <string.h>

enum { OID_INT8 = 20, OID_INT4 = 23 };

size_t lift_minus_before(struct slice sql, size_t offset)
{
	while (offset > 0 && isspace((unsigned char)sql.data[offset - 1]))
		offset--;
	return offset > 0 && sql.data[offset - 1] == '-' ? offset - 1 : SIZE_MAX;
}

/* As the grammar does: int4 if it fits, with its sign. */
static uint32_t type_of(struct slice digits, bool negative)
{
	uint64_t value = 0;

	for (size_t i = 0; i < digits.size; i++)
		value = value * 10 + (uint64_t)(digits.data[i] - '0');
	return value <= (uint64_t)INT32_MAX + negative ? OID_INT4 : OID_INT8;
}

/* AND-7: a parameter in place of -7 would be a part of the word. */
static bool continues_word(struct slice sql, size_t offset)
{
	unsigned char before = offset ? (unsigned char)sql.data[offset - 1] : ' ';

	return isalnum(before) || before == '_' || before == '$' || before >= 0x80;
}

bool lift(const struct shape *shape, const struct fingerprint *fingerprint, struct slice sql, struct buf *out, struct lifted *ret_lifted)
{
	size_t done = 0;

	ret_lifted->count = 0;
	if (shape->param_max || fingerprint->param_max)
		return false;
	for (size_t i = 0; i < fingerprint->literal_count; i++) {
		const struct literal *literal = &fingerprint->literals[i];
		unsigned char how = shape->lifts ? shape->lifts[literal->slot] : 0;
		size_t begin = literal->offset, end = begin + literal->size, place = ret_lifted->count;

		if (how != LIFT_PLAIN && how != LIFT_MINUS)
			continue;
		if (how == LIFT_MINUS)
			begin = lift_minus_before(sql, begin);
		if (begin == SIZE_MAX || begin < done || continues_word(sql, begin) || literal->class != LITERAL_INTEGER || literal->kept || place == LIFTED_MAX)
			return false;
		ret_lifted->values[place] = slice_make(sql.data + literal->offset, literal->size);
		ret_lifted->negative[place] = how == LIFT_MINUS;
		ret_lifted->types[place] = type_of(ret_lifted->values[place], how == LIFT_MINUS);
		ret_lifted->count++;
		buf_add(out, sql.data + done, begin - done);
		buf_printf(out, "$%zu", ret_lifted->count);
		done = end;
	}
	buf_add(out, sql.data + done, sql.size - done);
	return true;
}
