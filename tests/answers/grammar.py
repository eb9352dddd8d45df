"""Statements from a seed: SELECTs by key and over all shards, joins, subqueries, writes. The traps are in the literals.

A generated statement is (sql, params, tables): the tables to compare after it.
"""
import random

from .wire import PARAM, Param

INTS = ["0", "1", "2", "3", "-1", "-5", "7", "40", "73", "500", "16777217", "2147483647", "2147483648", "-2147483649", "9007199254740993",
        "9223372036854775807", "-9223372036854775808", "32768"]
TEXTS = ["", "a", "b", "A", "a ", " a", "é", "ab", "k1", "k2", "k7", "10", "5", " 5", "a b", "日本", "abcde", "abcdef", "zz"]
INT_COLUMNS = {"big": ["n", "s", "grp", "rid"], "det": ["grp", "rid"], "oth": ["x", "rid"], "i4": ["n", "rid"], "i2": ["n", "rid"],
               "txt": ["n", "rid"], "vch": ["n", "rid"], "chr": ["n", "rid"], "dat": ["n", "rid"]}
ANY_COLUMNS = {"big": ["n", "s", "num", "num2", "f", "r", "t", "tc", "b", "u", "d", "ti", "tz", "ts", "tsz", "iv", "by", "v", "c", "grp", "id"],
               "det": ["id", "grp", "num", "t"], "oth": ["id", "x", "t"], "i4": ["k", "n", "num"], "i2": ["k", "n"], "txt": ["k", "n", "t", "c"],
               "vch": ["k", "n"], "chr": ["k", "n"], "dat": ["k", "n"]}
KEY = {"big": "id", "det": "id", "oth": "id", "i4": "k", "i2": "k", "txt": "k", "vch": "k", "chr": "k", "dat": "k"}
INT_KEYED = ["big", "det", "oth", "i4", "i2"]
TEXT_KEYED = ["txt", "vch", "chr"]
SUMMABLE = ["n", "s", "grp", "rid", "num2", "x"]
ORDERABLE = {"big": ["n", "s", "num", "num2", "f", "r", "t", "tc", "b", "u", "d", "ti", "ts", "tsz", "iv", "tz", "by", "v", "c", "grp"]}


def quote(text):
    return "'" + text.replace("'", "''") + "'"


class Grammar:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.params = []
        self.params_allowed = True

    def pick(self, items):
        return self.rng.choice(items)

    def chance(self, share):
        return self.rng.random() < share

    # ---- values ----

    def param(self, types, text):
        self.params.append(Param(self.pick(types), text))
        return f"${len(self.params)}"

    def int_value(self):
        text = self.pick(INTS)
        small = abs(int(text)) < 32768
        if self.params_allowed and self.chance(0.25):
            types = ["int8", None, "numeric"] + (["int4", "int2"] if small else [])
            return self.param(types, None if self.chance(0.05) else text)
        forms = [text, text, text, quote(text), quote(f" {text} "), f"{text}::bigint", f"bigint {quote(text)}", f"{text}.0", f"({text})",
                 f"{text}::numeric", f"{quote(text)}::numeric", f"E{quote(text)}", f"$${text}$$", f"CAST({quote(text)} AS int8)", "NULL",
                 f"{text} + 0", f"{text}::float8", f"- {text}", f"U&{quote(text)}", f"{text}e0", f"{text}.5", f"{quote(text)}::text::bigint"]
        if small:
            forms += [f"({text})::int2", f"int {quote(text)}", f"({text})::real", f"abs({text})"]
        return self.pick(forms)

    def text_value(self):
        text = self.pick(TEXTS)
        if self.params_allowed and self.chance(0.25):
            return self.param(["text", "varchar", None, "bpchar"], None if self.chance(0.05) else text)
        return self.pick([quote(text)] * 4 + [f"E{quote(text)}", f"$${text}$$", f"{quote(text)}::text", f"{quote(text)}::varchar", f"text {quote(text)}",
                                              f"{quote(text)}::bpchar", f"{quote(text)}::char(3)", f"{quote(text)}::varchar(2)", f"{quote(text)} || ''",
                                              "NULL", f"U&{quote(text)}", f"{quote(text)} COLLATE \"C\"", f"lower({quote(text)})"])

    def date_value(self):
        text = f"2024-{self.rng.randint(1, 6):02}-{self.rng.choice([1, 6, 11, 16, 21, 26, 31]):02}"
        return self.pick([quote(text), f"date {quote(text)}", f"{quote(text)}::timestamp", quote(text.replace("-", "")), f"{quote(text)}::date"])

    def key_value(self, table):
        if table == "dat":
            return self.date_value()
        return self.text_value() if table in TEXT_KEYED else self.int_value()

    # ---- conditions ----

    def key_condition(self, table, name):
        column = self.pick([f"{name}.{KEY[table]}", f"{name}.{KEY[table]}", f"{name}.\"{KEY[table]}\""])
        value = lambda: self.key_value(table)
        form = self.rng.randrange(12)
        if form < 5:
            return f"{column} = {value()}"
        if form == 5:
            return f"{value()} = {column}"
        if form in (6, 7):
            return f"{column} IN ({', '.join(value() for _ in range(self.rng.randint(1, 4)))})"
        if form == 8:
            if table in TEXT_KEYED:
                return f"{column} = ANY ({quote('{' + ', '.join(self.pick(['a', 'b', 'k1', 'NULL', '%sa b%s' % (chr(34), chr(34)), 'A']) for _ in range(3)) + '}')})"
            if table in INT_KEYED:
                return f"{column} = ANY ({quote('{' + ', '.join(self.pick(INTS[:9] + ['NULL']) for _ in range(3)) + '}')})"
        if form == 9:
            return f"{column} = ANY (ARRAY[{value()}, {value()}])"
        if form == 10:
            return f"{column} BETWEEN {value()} AND {value()}"
        return f"({column} = {value()} {self.pick(['AND', 'OR'])} {column} = {value()})"

    def other_condition(self, table, name):
        column = f"{name}.{self.pick(INT_COLUMNS[table])}"
        number = self.rng.randint(-2, 60)
        if self.params_allowed and self.chance(0.15):
            number = self.param(["int4", "int8", None], str(number))
        return self.pick([f"{column} = {number}", f"{column} < {number}", f"{column} >= {number}", f"{column} IS NULL", f"{column} IS NOT NULL",
                          f"{column} IN (1, 2, {number})", f"{column} % 3 = 1", f"coalesce({column}, 0) <> {number}",
                          f"{column} BETWEEN 0 AND {number}", f"NOT ({column} = {number})", f"({column} > 1 OR {column} IS NULL)",
                          f"{name}.{self.pick(ANY_COLUMNS[table])} IS NOT NULL"])

    def where(self, tables, keyed):
        """tables: (table, name) pairs."""
        parts = []
        if self.chance(keyed):
            parts.append(self.key_condition(*self.pick(tables)))
        for _ in range(self.rng.randrange(3)):
            parts.append(self.other_condition(*self.pick(tables)))
        if not parts:
            return ""
        self.rng.shuffle(parts)
        if len(parts) > 1 and self.chance(0.1):
            return f" WHERE {parts[0]} OR {' AND '.join(parts[1:])}"
        return f" WHERE {' AND '.join(parts)}"

    # ---- clauses ----

    def direction(self):
        return self.pick(["", "", " ASC", " DESC"]) + self.pick(["", "", " NULLS FIRST", " NULLS LAST"])

    def limit(self):
        number = self.pick(["0", "1", "3", "10", "NULL", "ALL", "1000"])
        if self.params_allowed and number != "ALL" and self.chance(0.3):
            number = self.param(["int8", None], None if number == "NULL" else number)
        text = f" LIMIT {number}" if self.chance(0.8) else ""
        return text + (f" OFFSET {self.rng.randint(0, 12)}" if self.chance(0.5) else "")

    # ---- SELECT ----

    def plain(self):
        table = self.pick(["big"] * 4 + list(KEY))
        name = self.pick([table, "q"])
        columns = [f"{name}.{column}" for column in self.rng.sample(ANY_COLUMNS[table], min(len(ANY_COLUMNS[table]), self.rng.randint(1, 4)))]
        if self.chance(0.2):
            columns.append(self.pick([f"{name}.rid + 1 AS e", f"coalesce({name}.{INT_COLUMNS[table][0]}, -1) AS e", "'x' AS e", "7 AS e",
                                      f"{name}.rid::text || 'z' AS e", f"({name}.rid % 2 = 0) AS e"]))
        targets = "*" if self.chance(0.1) else ", ".join(columns)
        sql = f"SELECT {targets} FROM {table}{'' if name == table else ' ' + name}{self.where([(table, name)], 0.45)}"
        if self.chance(0.6):
            keys = [f"{name}.{column}" for column in self.rng.sample(ORDERABLE.get(table, ANY_COLUMNS[table]), self.rng.randint(0, 2))]
            if self.chance(0.15) and targets != "*":
                keys.insert(0, str(self.rng.randint(1, len(columns))))
            if self.chance(0.15):
                keys.insert(0, self.pick([f"{name}.rid % 5", f"-{name}.rid", f"coalesce({name}.{INT_COLUMNS[table][0]}, 0)"]))
            keys = [key + self.direction() for key in keys] + [f"{name}.rid{self.pick(['', ' DESC'])}"]
            sql += " ORDER BY " + ", ".join(keys)
            if self.chance(0.5):
                sql += self.limit()
        return sql

    def aggregate(self, table, name):
        column = f"{name}.{self.pick(INT_COLUMNS[table])}"
        any_column = f"{name}.{self.pick([c for c in ANY_COLUMNS[table] if c not in ('b', 'u', 'by')])}"
        sums = f"{name}.{self.pick([c for c in SUMMABLE if c in ANY_COLUMNS[table] + ['rid']])}"
        call = self.pick(["count(*)", f"count({any_column})", f"sum({sums})", f"avg({sums})", f"min({any_column})", f"max({any_column})",
                          f"bool_and({column} > 1)", f"bool_or({column} > 1)"])
        if self.chance(0.2):
            call += f" FILTER (WHERE {column} {self.pick(['> 1', 'IS NULL', '= 2', '< 30'])})"
        if self.chance(0.15) and call.startswith("sum"):
            call = f"coalesce({call}, 0)"
        return call

    def grouped(self):
        table = self.pick(["big"] * 4 + list(KEY))
        name = self.pick([table, "q"])
        groups = [f"{name}.{column}" for column in self.rng.sample(ANY_COLUMNS[table], self.rng.randint(0, 2))]
        if self.chance(0.2):
            groups.append(f"{name}.rid % 4")
        aggregates = [self.aggregate(table, name) for _ in range(self.rng.randint(0 if groups else 1, 3))]
        sql = f"SELECT {', '.join(groups + aggregates)} FROM {table}{'' if name == table else ' ' + name}{self.where([(table, name)], 0.25)}"
        if groups:
            sql += " GROUP BY " + ", ".join(groups)
            if self.chance(0.04):
                sql += " HAVING count(*) > 1"
            if self.chance(0.7):
                keys = [key + self.direction() for key in self.rng.sample(groups, len(groups))]
                if self.chance(0.25):
                    keys.insert(0, self.pick(["count(*)", "max(rid)", "sum(rid)"]) + self.direction())
                sql += " ORDER BY " + ", ".join(keys)
                if self.chance(0.4):
                    sql += self.limit()
        return sql

    def distinct(self):
        table = self.pick(["big"] * 4 + list(KEY))
        columns = self.rng.sample(ANY_COLUMNS[table], self.rng.randint(1, 2))
        sql = f"SELECT DISTINCT {', '.join(columns)} FROM {table}{self.where([(table, table)], 0.2)}"
        if self.chance(0.7):
            sql += " ORDER BY " + ", ".join(column + self.direction() for column in self.rng.sample(columns, len(columns)))
            if self.chance(0.4):
                sql += self.limit()
        return sql

    def join(self):
        pool = INT_KEYED if self.chance(0.8) else TEXT_KEYED
        tables = [(self.pick(pool), name) for name in "abc"[:self.pick([2, 2, 2, 3])]]
        text = f"{tables[0][0]} a"
        for i in range(1, len(tables)):
            table, name = tables[i]
            conditions = []
            partners = self.rng.sample(tables[:i], self.pick([1, 1, 1, min(2, i)]))
            for other, other_name in partners:
                if self.chance(0.85):
                    conditions.append(f"{other_name}.{KEY[other]} = {name}.{KEY[table]}")
                else:
                    conditions.append(f"{other_name}.{INT_COLUMNS[other][0]} = {name}.{INT_COLUMNS[table][0]}")
            if self.chance(0.1) and i > 1:
                conditions.append(f"a.{KEY[tables[0][0]]} = b.{KEY[tables[1][0]]}")
            if self.chance(0.15):
                conditions.append(self.key_condition(*self.pick(tables[:i + 1])))
            if self.chance(0.15):
                conditions.append(self.other_condition(table, name))
            text += f" {self.pick(['JOIN', 'JOIN', 'LEFT JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])} {table} {name} ON {' AND '.join(conditions)}"
        names = [name for _, name in tables]
        where = self.where(tables, 0.5)
        if self.chance(0.3):
            return f"SELECT {', '.join(self.aggregate(*self.pick(tables)) for _ in range(2))}, count(*) FROM {text}{where}"
        columns = [f"{name}.rid" for name in names] + [f"{name}.{self.pick(ANY_COLUMNS[table])}" for table, name in tables]
        sql = f"SELECT {', '.join(columns)} FROM {text}{where}"
        if self.chance(0.4):
            sql += " ORDER BY " + ", ".join(f"{name}.rid{self.direction()}" for name in names)
            if self.chance(0.4):
                sql += self.limit()
        return sql

    def nested(self):
        key = self.pick(["1", "3", "7", "-1", "'3'", "40"])
        inner_key = key if self.chance(0.8) else self.pick(["1", "3", "7"])
        inner = self.pick([f"det.id = {inner_key}", "det.id = big.id", f"det.id = big.id AND det.id = {inner_key}", "true"])
        outer = self.pick([f"big.id = {key}", f"big.id = {key}", f"big.id = {key} OR big.n = 1", "true"])
        return self.pick([
            f"SELECT id, n FROM big WHERE {outer} AND {self.pick(['EXISTS', 'NOT EXISTS'])} (SELECT 1 FROM det WHERE {inner})",
            f"SELECT id, n FROM big WHERE {outer} AND id {self.pick(['IN', 'NOT IN'])} (SELECT det.id FROM det WHERE {inner})",
            f"SELECT id, (SELECT count(*) FROM det WHERE {inner}) FROM big WHERE {outer}",
            f"WITH x AS (SELECT det.id, rid FROM det WHERE det.id = {inner_key}) SELECT big.id, x.rid FROM big JOIN x ON x.id = big.id WHERE big.id = {key}",
            f"SELECT s.id FROM (SELECT id FROM big WHERE id = {key}) s",
            f"SELECT id FROM big WHERE id = {key} {self.pick(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'])} SELECT id FROM det WHERE id = {inner_key}",
            f"SELECT id FROM big WHERE id = {key} AND n >= (SELECT min(grp) FROM det WHERE det.id = {inner_key})",
            f"SELECT big.id, l.rid FROM big LEFT JOIN LATERAL (SELECT rid FROM det WHERE {inner}) l ON true WHERE {outer}",
        ])

    def select(self):
        return self.pick([self.plain] * 9 + [self.grouped] * 5 + [self.distinct] * 2 + [self.join] * 6 + [self.nested] * 2)()

    # ---- writes ----

    def write(self):
        table, value = self.pick([("w_big", self.int_value), ("w_big", self.int_value), ("w_txt", self.text_value), ("w_vch", self.text_value),
                                  ("w_chr", self.text_value), ("w_i2", self.int_value)])
        key = "id" if table == "w_big" else "k"
        number = str(self.rng.randint(0, 20))
        returning = self.pick(["", "", f" RETURNING {key}, n", " RETURNING *"])
        form = self.rng.randrange(10)
        if form < 5:
            rows = ", ".join(f"({value()}, {self.rng.randint(0, 20)})" for _ in range(self.pick([1, 1, 1, 2])))
            conflict = self.pick(["", " ON CONFLICT DO NOTHING", f" ON CONFLICT ({key}) DO UPDATE SET n = excluded.n + 1"])
            sql = f"INSERT INTO {table} ({key}, n) VALUES {rows}{conflict}{returning}"
        elif form < 8:
            sql = f"UPDATE {table} SET n = {self.pick([number, 'n + 1', 'NULL'])} WHERE {key} = {value()}{returning}"
        else:
            sql = f"DELETE FROM {table} WHERE {key} = {value()}{self.pick(['', ' AND n > 3'])}{returning}"
        return sql, table

    def statement(self):
        """(sql, params, tables to compare)"""
        while True:
            self.params = []
            self.params_allowed = self.chance(0.4)
            sql, table = self.write() if self.chance(0.1) else (self.select(), None)
            # A form that leaves a value out leaves its parameter without a type.
            if len(set(PARAM.findall(sql))) == len(self.params):
                return sql, self.params, (table,) if table else ()
