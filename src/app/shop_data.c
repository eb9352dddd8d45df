#include "app/shop_data.h"

#include <stdio.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static const char *const first_names[] = {
	"Ada", "Aisha", "Alejandro", "Amara", "Anna", "Ben", "Camille", "Chen", "Chidi", "Clara", "Daniel", "Dmitri", "Elena", "Emeka", "Emma",
	"Fatima", "Felix", "Grace", "Hana", "Hugo", "Ines", "Ivan", "Jae", "Jonas", "Jun", "Karin", "Kofi", "Lars", "Leila", "Lena", "Lucas",
	"Maria", "Mateo", "Mei", "Mina", "Minjun", "Nadia", "Noah", "Nora", "Olga", "Omar", "Paulo", "Priya", "Rafael", "Ravi", "Rosa", "Samuel",
	"Sara", "Seo-yeon", "Sofia", "Tariq", "Tomas", "Valentina", "Wei", "Yara", "Yuki", "Yusuf", "Zoe",
};
static const char *const last_names[] = {
	"Abe", "Ahmed", "Andersen", "Bauer", "Bianchi", "Castro", "Chaudhry", "Chen", "Costa", "Diallo", "Dubois", "Fischer", "Garcia", "Gomez",
	"Haddad", "Hansen", "Ivanova", "Jansen", "Jimenez", "Johansson", "Kang", "Kaya", "Khan", "Kim", "Kowalski", "Lee", "Lopez", "Martin",
	"Mensah", "Meyer", "Moreau", "Moyo", "Nakamura", "Nguyen", "Novak", "O'Brien", "Okafor", "Olsen", "Park", "Patel", "Pereira", "Petrov",
	"Rossi", "Sato", "Schmidt", "Sharma", "Silva", "Singh", "Smith", "Tanaka", "Tran", "Wang", "Weber", "Wilson", "Yamamoto", "Zhang",
};
static const struct { const char *city, *country; } places[] = {
	{ "Accra", "GH" }, { "Amsterdam", "NL" }, { "Athens", "GR" }, { "Bangalore", "IN" }, { "Barcelona", "ES" }, { "Berlin", "DE" },
	{ "Bogota", "CO" }, { "Boston", "US" }, { "Buenos Aires", "AR" }, { "Busan", "KR" }, { "Cairo", "EG" }, { "Chicago", "US" },
	{ "Copenhagen", "DK" }, { "Dublin", "IE" }, { "Hamburg", "DE" }, { "Hanoi", "VN" }, { "Helsinki", "FI" }, { "Istanbul", "TR" },
	{ "Jakarta", "ID" }, { "Lagos", "NG" }, { "Lima", "PE" }, { "Lisbon", "PT" }, { "London", "GB" }, { "Lyon", "FR" }, { "Madrid", "ES" },
	{ "Melbourne", "AU" }, { "Mexico City", "MX" }, { "Milan", "IT" }, { "Montreal", "CA" }, { "Mumbai", "IN" }, { "Nairobi", "KE" },
	{ "New York", "US" }, { "Osaka", "JP" }, { "Oslo", "NO" }, { "Paris", "FR" }, { "Prague", "CZ" }, { "Rome", "IT" }, { "Santiago", "CL" },
	{ "Sao Paulo", "BR" }, { "Seattle", "US" }, { "Seoul", "KR" }, { "Singapore", "SG" }, { "Stockholm", "SE" }, { "Sydney", "AU" },
	{ "Taipei", "TW" }, { "Tokyo", "JP" }, { "Toronto", "CA" }, { "Vienna", "AT" }, { "Warsaw", "PL" }, { "Zurich", "CH" },
};
static const struct { const char *name; unsigned cents; } products[] = {
	{ "Backpack", 6900 }, { "Bicycle bell", 1250 }, { "Bicycle lock", 3990 }, { "Bookshelf", 12900 }, { "Bread knife", 2450 },
	{ "Camera", 54900 }, { "Candle", 790 }, { "Chess set", 3600 }, { "Coffee beans", 1490 }, { "Coffee grinder", 8900 }, { "Cutting board", 2190 },
	{ "Desk lamp", 4490 }, { "Earphones", 5900 }, { "Espresso cups", 2900 }, { "Fountain pen", 3950 }, { "Garden hose", 2790 },
	{ "Globe", 7900 }, { "Guitar strings", 1190 }, { "Hammock", 5490 }, { "Headlamp", 3290 }, { "Herb seeds", 390 }, { "Hiking boots", 14900 },
	{ "Kettle", 4290 }, { "Keyboard", 8490 }, { "Map of Seoul", 1290 }, { "Measuring tape", 690 }, { "Monitor", 22900 }, { "Mug", 950 },
	{ "Notebook", 590 }, { "Olive oil", 1150 }, { "Picture frame", 1890 }, { "Pillow", 3490 }, { "Postcards", 450 }, { "Puzzle", 2250 },
	{ "Raincoat", 7490 }, { "Rice cooker", 6490 }, { "Running shoes", 11900 }, { "Scarf", 2990 }, { "Screwdriver", 890 }, { "Sketchbook", 1390 },
	{ "Soap", 490 }, { "Speaker", 9900 }, { "Suitcase", 13900 }, { "Tea", 850 }, { "Telescope", 34900 }, { "Tent", 19900 }, { "Toaster", 3990 },
	{ "Towel", 1690 }, { "Umbrella", 2490 }, { "Water bottle", 1790 }, { "Watch", 18900 }, { "Yoga mat", 3190 },
};

enum {
	SEED = 20240229,
	DAY_S = 24 * 60 * 60,
	FIRST_DAY_S = 1609459200,       /* 2021-01-01 */
	DAYS = 1826,                    /* until the end of 2025 */
	ORDERS_MAX = 5,
	ITEMS_MAX = 4,
	QUANTITY_MAX = 3,
};

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t mixed = (*state += 0x9e3779b97f4a7c15u);

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
	return mixed ^ mixed >> 31;
}

static unsigned pick(uint64_t *state, size_t count)
{
	return (unsigned)(next_random(state) % count);
}

/* As a string literal's content: O'Brien. */
static void add_quoted(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			buf_add_u8(out, '\'');
		buf_add_u8(out, (uint8_t)*text);
	}
}

/* An e-mail address's part before the number: lower case letters only. */
static void add_letters(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text >= 'A' && *text <= 'Z')
			buf_add_u8(out, (uint8_t)(*text - 'A' + 'a'));
		else if (*text >= 'a' && *text <= 'z')
			buf_add_u8(out, (uint8_t)*text);
	}
}

static void add_date(struct buf *out, int64_t time_s)
{
	time_t time = time_s;
	struct tm parts;

	gmtime_r(&time, &parts);
	buf_printf(out, "%d-%02d-%02d", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

static void add_time(struct buf *out, int64_t time_s)
{
	unsigned second = (unsigned)(time_s % DAY_S);

	add_date(out, time_s);
	buf_printf(out, " %02u:%02u:%02u", second / 3600, second / 60 % 60, second % 60);
}

/* What has become of an order, by how long ago it was. */
static const char *order_status(uint64_t *random, int64_t age_s)
{
	if (pick(random, 20) == 0)
		return "cancelled";
	if (age_s > 10 * (int64_t)DAY_S)
		return "delivered";
	if (age_s > 4 * (int64_t)DAY_S)
		return "shipped";
	return age_s > DAY_S ? "paid" : "open";
}

static unsigned add_items(struct buf *out, uint64_t *random, uint64_t user, unsigned order, struct shop_counts *counts)
{
	unsigned count = 1 + pick(random, ITEMS_MAX), total = 0;

	for (unsigned line = 1; line <= count; line++) {
		unsigned product = pick(random, COUNT(products)), quantity = 1 + pick(random, QUANTITY_MAX);
		unsigned cents = products[product].cents;

		buf_printf(out, "%s(%lu, %u, %u, '%s', %u, %u.%02u)", order == 1 && line == 1 ? "" : ", ", (unsigned long)user, order, line,
			   products[product].name, quantity, cents / 100, cents % 100);
		total += quantity * cents;
	}
	counts->items += count;
	return total;
}

static void add_orders(struct buf *orders, struct buf *items, uint64_t *random, uint64_t user, int64_t joined_s,
		       struct shop_counts *counts)
{
	unsigned count = 1 + pick(random, ORDERS_MAX);
	int64_t end_s = FIRST_DAY_S + (int64_t)DAYS * DAY_S, placed_s = joined_s;

	buf_add_text(orders, "INSERT INTO orders (user_id, id, status, total, placed) VALUES ");
	buf_add_text(items, "INSERT INTO order_items (user_id, order_id, line_no, product, quantity, price) VALUES ");
	for (unsigned order = 1; order <= count; order++) {
		unsigned cents;

		placed_s += (int64_t)(next_random(random) % (uint64_t)((end_s - placed_s) / (count + 1 - order)));
		cents = add_items(items, random, user, order, counts);
		buf_printf(orders, "%s(%lu, %u, '%s', %u.%02u, '", order == 1 ? "" : ", ", (unsigned long)user, order,
			   order_status(random, end_s - placed_s), cents / 100, cents % 100);
		add_time(orders, placed_s);
		buf_add_text(orders, "')");
	}
	buf_add_u8(orders, 0);
	buf_add_u8(items, 0);
	counts->orders += count;
}

void shop_user(uint64_t user, struct buf *users, struct buf *orders, struct buf *items, struct shop_counts *counts)
{
	uint64_t random = SEED + user * 0x2545f4914f6cdd1du;
	const char *first = first_names[pick(&random, COUNT(first_names))], *last = last_names[pick(&random, COUNT(last_names))];
	unsigned place = pick(&random, COUNT(places));
	int64_t joined_s = FIRST_DAY_S + (int64_t)pick(&random, DAYS - 1) * DAY_S;

	buf_printf(users, "INSERT INTO users (id, name, email, city, country, joined) VALUES (%lu, '%s ", (unsigned long)user, first);
	add_quoted(users, last);
	buf_add_text(users, "', '");
	add_letters(users, first);
	buf_add_text(users, ".");
	add_letters(users, last);
	buf_printf(users, "%lu@example.com', '%s', '%s', '", (unsigned long)user, places[place].city, places[place].country);
	add_date(users, joined_s);
	buf_add_cstr(users, "')");
	counts->users++;
	add_orders(orders, items, &random, user, joined_s, counts);
}
