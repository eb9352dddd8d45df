// libpqxx through the router; README.md says what each check is.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <pqxx/pqxx>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::string_literals;
using strings = std::vector<std::string>;

const auto SLEEP = "SELECT pg_sleep(60) FROM plain WHERE id = 1"s;
const auto SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"s;
constexpr auto WAIT_MAX = std::chrono::seconds(30);

template <class A, class B> void expect(const A &found, const B &wanted, const std::string &about = "")
{
	if (found == wanted)
		return;
	std::ostringstream said, asked;
	said << found;
	asked << wanted;
	throw std::runtime_error(about + ": found " + said.str().substr(0, 400) + ", wanted " + asked.str().substr(0, 400));
}

// The SQLSTATE and the text with which this ends.
struct failure {
	std::string state, text;
};

failure fails(const std::function<void()> &run)
{
	try {
		run();
	} catch (const pqxx::sql_error &error) {
		return { error.sqlstate(), error.what() };
	} catch (const pqxx::broken_connection &error) {
		return { "", error.what() };
	}
	throw std::runtime_error("it was taken");
}

void until(const std::function<bool()> &condition)
{
	for (auto end = std::chrono::steady_clock::now() + WAIT_MAX; !condition(); std::this_thread::sleep_for(std::chrono::milliseconds(10)))
		if (std::chrono::steady_clock::now() > end)
			throw std::runtime_error("it did not come to be");
}

std::vector<strings> table(const std::string &name)
{
	std::vector<strings> lines;
	std::ifstream file(name);
	for (std::string line; std::getline(file, line);) {
		line += '\t';
		std::istringstream parts(line);
		lines.emplace_back();
		for (std::string part; std::getline(parts, part, '\t');)
			lines.back().push_back(part);
	}
	lines.erase(lines.begin());
	return lines;
}

// The first column of the first row; "" when there is none. Each statement is a transaction of its own.
template <class... Values> std::string one(pqxx::connection_base &db, const std::string &statement, Values... values)
{
	pqxx::nontransaction work(db);
	auto rows = sizeof...(values) ? work.exec_params(statement, values...) : work.exec(statement);
	return rows.empty() || rows[0].empty() || rows[0][0].is_null() ? "" : rows[0][0].template as<std::string>();
}

std::string item(int key)
{
	return "item " + std::to_string(key);
}

// What is not said here stands in libpq's environment variables.
void check_connect()
{
	pqxx::connection db;
	expect(one(db, "SELECT current_user"), "app");
	const std::vector<std::pair<std::string, std::string>> refused = {
		{ "password=wrong", "password authentication failed" },
		{ "sslrootcert="s + std::getenv("NANU_OTHER_ROOT"), "certificate verify failed" },
		{ "sslmode=disable", "no encryption" },
	};
	for (const auto &[more, why] : refused)
		expect(fails([&] { pqxx::connection wrong(more); }).text.find(why) != std::string::npos, true, why);
}

void check_prepared()
{
	pqxx::connection db, other;
	db.prepare("by key", "SELECT name FROM items WHERE id = $1");
	other.prepare("by key", "SELECT id FROM items WHERE id = $1");
	db.prepare("most", "SELECT id FROM items WHERE id <= $1 ORDER BY id DESC");
	for (int key = 1; key <= 20; key++) {
		pqxx::nontransaction work(db), others(other);
		expect(work.exec_prepared1("by key", key)[0].as<std::string>(), item(key));
		expect(others.exec_prepared1("by key", key)[0].as<int>(), key);
		auto rows = work.exec_prepared_n(key % 5, "most", key % 5);
		for (const auto &row : rows)
			expect(row[0].as<int>(), key % 5 - static_cast<int>(row.rownumber()));
	}
	pqxx::work transaction(db);
	for (int key = 1; key <= 20; key++)
		expect(transaction.exec_prepared1("by key", key)[0].as<std::string>(), item(key));
	transaction.commit();
	db.unprepare("most");
}

void check_types()
{
	std::string bytes(256, '\0');
	for (size_t i = 0; i < bytes.size(); i++)
		bytes[i] = static_cast<char>(i);
	pqxx::connection db;
	one(db, "SET TimeZone = 'UTC'");
	db.prepare("insert", "INSERT INTO items VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
	for (int key = 101; key <= 104; key++) {
		pqxx::nontransaction work(db);
		work.exec_prepared0("insert", key, "naïve 나누 ☃", 12345.6789, "2024-02-29 12:34:56.789012+02", pqxx::binarystring(bytes),
				    R"({a,"b \"c\", d",NULL})", "{1,-2,3}", R"({"a": [1, null, "☃"]})");
		auto row = work.exec_params1("SELECT name, price, made, data, tags, sizes, doc FROM items WHERE id = $1", key);
		expect(row[0].as<std::string>(), "naïve 나누 ☃");
		expect(row[1].as<double>(), 12345.6789);
		expect(row[2].as<std::string>(), "2024-02-29 10:34:56.789012+00");
		expect(pqxx::binarystring(row[3]).str() == bytes, true);
		auto tags = row[4].as_array();
		for (const auto &wanted : { "a"s, "b \"c\", d"s, "NULL"s }) {
			auto next = tags.get_next();
			while (next.first == pqxx::array_parser::row_start)
				next = tags.get_next();
			expect(next.first == pqxx::array_parser::null_value ? "NULL" : next.second, wanted);
		}
		expect(row[5].as<std::string>(), "{1,-2,3}");
		expect(row[6].as<std::string>(), R"({"a": [1, null, "☃"]})");
		work.exec_params0("DELETE FROM items WHERE id = $1", key);
		const char *null = nullptr;
		work.exec_prepared0("insert", key, "all else is NULL", null, null, null, null, null, null);
		for (const auto &field : work.exec_params1("SELECT price, made, data, tags, sizes, doc FROM items WHERE id = $1", key))
			expect(field.is_null(), true, field.name());
		work.exec_params0("DELETE FROM items WHERE id = $1", key);
	}
}

// libpqxx's pipeline is many statements in one query, which go to one shard.
void check_pipeline()
{
	pqxx::connection db;
	for (int key = 1; key <= 8; key++) {
		pqxx::nontransaction work(db);
		pqxx::pipeline pipeline(work);
		std::vector<pqxx::pipeline::query_id> ids;
		pipeline.retain(8);
		for (int n = 0; n < 20; n++)
			ids.push_back(pipeline.insert("SELECT name || " + std::to_string(n) + " FROM items WHERE id = " + std::to_string(key)));
		for (int n = 19; n >= 0; n--)
			expect(pipeline.retrieve(ids[static_cast<size_t>(n)])[0][0].as<std::string>(), item(key) + std::to_string(n));
	}
	const auto price = "SELECT price FROM items WHERE id = 1"s;
	auto update = [&](const strings &statements) {
		pqxx::work work(db);
		pqxx::pipeline pipeline(work);
		pipeline.retain(20);
		for (const auto &statement : statements)
			pipeline.insert(statement);
		pipeline.complete();
		while (!pipeline.empty())
			expect(pipeline.retrieve().second.affected_rows(), 1U);
		work.commit();
	};
	update({ "UPDATE items SET price = 8 WHERE id = 1", "UPDATE items SET price = price + 1 WHERE id = 1" });
	expect(one(db, price), "9.0000");
	auto failed = fails([&] { update({ "UPDATE items SET price = 10 WHERE id = 1", "SELECT 1 / 0", "UPDATE items SET price = 11 WHERE id = 1" }); });
	expect(failed.state, "22012", failed.text);
	expect(one(db, price), "9.0000");
}

void check_transaction()
{
	pqxx::connection db, other;
	auto name = [&] { return one(other, "SELECT name FROM items WHERE id = 301"); };
	{
		pqxx::work work(db);
		work.exec0("INSERT INTO items (id, name) VALUES (301, 'kept')");
		expect(name(), "");
		work.commit();
	}
	expect(name(), "kept");
	{
		pqxx::work work(db);
		expect(work.exec("DELETE FROM items WHERE id = 301").affected_rows(), 1U);
	}
	expect(name(), "kept");
	{
		pqxx::work work(db);
		work.exec0("UPDATE items SET name = 'savepoint' WHERE id = 301");
		expect(fails([&] {
			       pqxx::subtransaction here(work);
			       here.exec0("INSERT INTO items (id, name) VALUES (301, 'again')");
		       }).state, "23505");
		work.commit();
	}
	expect(name(), "savepoint");
	{
		pqxx::transaction<pqxx::serializable> work(db);
		expect(work.exec1("SHOW transaction_isolation")[0].as<std::string>(), "serializable");
		expect(fails([&] { work.exec("SELECT 1 / 0"); }).state, "22012");
	}
	{
		pqxx::work work(db);
		pqxx::stateless_cursor<pqxx::cursor_base::read_only, pqxx::cursor_base::owned> cursor(work, "SELECT generate_series(1, 50)", "portions",
												     false);
		expect(cursor.retrieve(10, 30).size(), 20U);
		expect(cursor.retrieve(49, 50)[0][0].as<int>(), 50);
	}
	expect(one(db, "SELECT 1"), "1");
}

void check_copy()
{
	pqxx::connection db;
	{
		pqxx::work work(db);
		pqxx::stream_to out(work, "copied", std::vector<std::string>{ "id", "name" });
		for (int n = 0; n < 5000; n++)
			out << std::make_tuple(n, "row\t" + std::to_string(n));
		out.complete();
		work.commit();
	}
	{
		pqxx::work work(db);
		pqxx::stream_from in(work, "copied");
		std::tuple<int, std::string> row;
		int count = 0;
		for (; in >> row; count++)
			expect(row == std::make_tuple(count, "row\t" + std::to_string(count)), true);
		expect(count, 5000);
		in.complete();
	}
	auto failed = fails([&] {
		pqxx::work work(db);
		pqxx::stream_to out(work, "copied", std::vector<std::string>{ "id", "name" });
		out << std::make_tuple("no number"s, "x"s);
		out.complete();
	});
	expect(failed.text.find("invalid input syntax for type integer") != std::string::npos, true, failed.text);
	expect(one(db, "SELECT count(*) FROM copied"), "5000");
}

void check_cancel()
{
	pqxx::connection db, watcher;
	auto slept = std::async(std::launch::async, [&] { return fails([&] { one(db, SLEEP); }).state; });
	until([&] { return one(watcher, SLEEPERS) == "1"; });
	db.cancel_query();
	expect(slept.get(), "57014");
	expect(one(db, "SELECT 1"), "1");
}

// libpqxx has the SQLSTATE, and the rest as psql would show it.
void check_error()
{
	pqxx::connection db;
	for (const auto &line : table("errors.tsv")) {
		for (bool parameters : { false, true }) {
			auto failed = fails([&] {
				pqxx::nontransaction work(db);
				parameters ? work.exec_params(line[0]) : work.exec(line[0]);
			});
			expect(failed.state, line[1], line[0]);
			for (const auto &part : { line[2], line[3], line[4] })
				expect(failed.text.find(part) != std::string::npos, true, failed.text + ": " + part);
			if (!line[5].empty()) {         // a line with the statement, and below it "^" in its place
				auto shown = "LINE 1: " + line[0] + "\n" + std::string(8 + std::stoul(line[5]) - 1, ' ') + "^";
				expect(failed.text.find(shown) != std::string::npos, true, failed.text);
			}
		}
	}
	expect(one(db, "SELECT 1"), "1");
}

void check_large()
{
	std::string words;
	while (words.size() < 20000000)
		words += "0123456789abcdefghijklmnopqrstuvwxyz nanu\n";
	words.resize(20000000);
	const std::string noise(words.rbegin(), words.rend());
	pqxx::connection db;
	pqxx::nontransaction work(db);
	work.exec_params0("INSERT INTO big VALUES (1, $1, $2)", words, pqxx::binarystring(noise));
	auto row = work.exec_params1("SELECT words, bytes, md5(words) = md5($1), md5(bytes) = md5($2::bytea) FROM big WHERE id = 1", words,
				     pqxx::binarystring(noise));
	expect(row[0].as<std::string>() == words && pqxx::binarystring(row[1]).str() == noise, true);
	expect(row[2].as<bool>() && row[3].as<bool>(), true);
}

void check_leak()
{
	pqxx::connection watcher;
	auto gone = [&] { return one(watcher, "SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'") == "0"; };
	for (int round = 0; round < 4; round++) {       // more often than there are server processes to be soiled
		{
			pqxx::connection soiler("application_name=leak");
			soiler.prepare("same", "SELECT 1");
			pqxx::nontransaction work(soiler);
			work.exec_prepared1("same");
			for (const auto &line : table("leaks.tsv"))
				work.exec(line[0]);
		}
		until(gone);
		pqxx::connection db;
		for (const auto &line : table("leaks.tsv"))
			expect(one(db, line[1]), line[2], line[1]);
		db.prepare("same", "SELECT 2");
		pqxx::nontransaction work(db);
		expect(work.exec_prepared1("same")[0].as<int>(), 2);
	}
	for (int n = 0; n < 30; n++) {
		pqxx::connection db("application_name=leak");
		expect(one(db, "SELECT $1::int", n), std::to_string(n));
	}
	until(gone);
	expect(one(watcher, "SELECT coalesce(sum(lent), 0) FROM nanu.pools"), "0");
}

const std::vector<std::pair<std::string, void (*)()>> CHECKS = {
	{ "connect", check_connect }, { "prepared", check_prepared }, { "types", check_types }, { "pipeline", check_pipeline },
	{ "transaction", check_transaction }, { "copy", check_copy }, { "cancel", check_cancel }, { "error", check_error },
	{ "large", check_large }, { "leak", check_leak },
};

}

int main(int count, char **arguments)
{
	const strings names(arguments + 1, arguments + count);
	for (const auto &[name, check] : CHECKS) {
		if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end())
			continue;
		try {
			check();
			std::cout << "ok " << name << std::endl;
		} catch (const std::exception &error) {
			std::cout << "not ok " << name << ": " << std::regex_replace(error.what(), std::regex("\\s+"), " ") << std::endl;
		}
	}
}
