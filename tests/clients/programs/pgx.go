// pgx through the router; README.md says what each check is.
package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
)

const (
	sleep    = "SELECT pg_sleep(60) FROM plain WHERE id = 1"
	sleepers = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
	waitMax  = 30 * time.Second
)

var ctx = context.Background()

// A check ends with a panic at the first surprise.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(found, wanted interface{}, about ...interface{}) {
	if !reflect.DeepEqual(found, wanted) {
		panic(fmt.Sprintf("%v found %.400q, wanted %.400q", about, fmt.Sprint(found), fmt.Sprint(wanted)))
	}
}

func table(name string) (lines [][]string) {
	text, err := os.ReadFile(name)
	must(err)
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[1:] {
		lines = append(lines, strings.Split(line, "\t"))
	}
	return
}

// The rest stands in libpq's environment variables.
func connected(more string) *pgx.Conn {
	conn, err := pgx.Connect(ctx, more)
	must(err)
	return conn
}

func state(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return fmt.Sprint(err)
}

type querier interface {
	QueryRow(context.Context, string, ...interface{}) pgx.Row
	Exec(context.Context, string, ...interface{}) (pgconn.CommandTag, error)
}

func text(conn querier, statement string, values ...interface{}) (found string) {
	must(conn.QueryRow(ctx, statement, values...).Scan(&found))
	return
}

func number(conn querier, statement string, values ...interface{}) (found int64) {
	must(conn.QueryRow(ctx, statement, values...).Scan(&found))
	return
}

func run(conn querier, statement string, values ...interface{}) int64 {
	tag, err := conn.Exec(ctx, statement, values...)
	must(err)
	return tag.RowsAffected()
}

func fails(conn querier, wanted, statement string) {
	_, err := conn.Exec(ctx, statement)
	expect(state(err), wanted, statement)
}

func until(condition func() bool) {
	for end := time.Now().Add(waitMax); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			panic("it did not come to be")
		}
	}
}

func checkConnect() {
	conn := connected("")
	expect(text(conn, "SELECT current_user::text"), "app")
	must(conn.Close(ctx))
	for more, why := range map[string]string{"password=wrong": "28P01", "sslrootcert=" + os.Getenv("NANU_OTHER_ROOT"): "unknown authority",
		"sslmode=disable": "28000"} {
		_, err := pgx.Connect(ctx, more)
		expect(err != nil && strings.Contains(err.Error(), why), true, err)
	}
}

// Every query with parameters is prepared under a name, which is the same in both connections only when it is given.
func checkPrepared() {
	conn, other := connected(""), connected("")
	for key := int64(1); key <= 20; key++ {
		expect(text(conn, "SELECT name FROM items WHERE id = $1", key), fmt.Sprintf("item %d", key))
	}
	_, err := conn.Prepare(ctx, "by key", "SELECT name FROM items WHERE id = $1")
	must(err)
	_, err = other.Prepare(ctx, "by key", "SELECT id FROM items WHERE id = $1")
	must(err)
	for key := int64(1); key <= 20; key++ {
		expect(text(conn, "by key", key), fmt.Sprintf("item %d", key))
		expect(number(other, "by key", key), key)
	}
	for _, most := range []int64{3, 5} {
		rows, err := conn.Query(ctx, "SELECT id FROM items WHERE id <= $1 ORDER BY id DESC", most)
		must(err)
		for wanted := most; rows.Next(); wanted-- {
			var id int64
			must(rows.Scan(&id))
			expect(id, wanted)
		}
		must(rows.Err())
		expect(rows.CommandTag().RowsAffected(), most)
	}
	must(conn.Deallocate(ctx, "by key"))
	must(conn.Close(ctx))
	must(other.Close(ctx))
}

type item struct {
	name  string
	price *string
	made  *time.Time
	data  []byte
	tags  []*string
	sizes []int32
	doc   map[string]interface{}
}

func checkTypes() {
	first, second, price := "a", `b "c", d`, "12345.6789"
	moment := time.Date(2024, 2, 29, 10, 34, 56, 789012000, time.UTC)
	row := item{"naïve 나누 ☃", &price, &moment, make([]byte, 256), []*string{&first, &second, nil}, []int32{1, -2, 3},
		map[string]interface{}{"a": []interface{}{1.0, nil, "☃"}}}
	for i := range row.data {
		row.data[i] = byte(i)
	}
	for _, config := range []string{"", "statement_cache_capacity=0", "statement_cache_mode=describe"} {
		conn := connected(config)
		for key := 101; key <= 104; key++ {
			for _, sent := range []item{row, {name: "all else is NULL"}} {
				numeric := pgtype.Numeric{}
				must(numeric.Set(sent.price))
				run(conn, "INSERT INTO items VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", key, sent.name, &numeric, sent.made, sent.data, sent.tags,
					sent.sizes, sent.doc)
				var found item
				must(conn.QueryRow(ctx, "SELECT name, price::text, made, data, tags, sizes, doc FROM items WHERE id = $1", key).Scan(&found.name,
					&found.price, &found.made, &found.data, &found.tags, &found.sizes, &found.doc))
				if found.made != nil {
					*found.made = found.made.UTC()
				}
				expect(found, sent)
				expect(run(conn, "DELETE FROM items WHERE id = $1", key), int64(1))
			}
		}
		must(conn.Close(ctx))
	}
}

// A batch is one pipeline, and one transaction: it writes on one shard.
func checkPipeline() {
	conn := connected("")
	batch := &pgx.Batch{}
	for n := 0; n < 10; n++ {
		batch.Queue("UPDATE items SET price = $2 WHERE id = $1", 1, n)
	}
	for key := 1; key <= 20; key++ {
		batch.Queue("SELECT name FROM items WHERE id = $1", key)
	}
	results := conn.SendBatch(ctx, batch)
	for n := 0; n < 10; n++ {
		tag, err := results.Exec()
		must(err)
		expect(tag.RowsAffected(), int64(1))
	}
	for key := 1; key <= 20; key++ {
		var name string
		must(results.QueryRow().Scan(&name))
		expect(name, fmt.Sprintf("item %d", key))
	}
	must(results.Close())
	expect(text(conn, "SELECT price::text FROM items WHERE id = 1"), "9.0000")

	batch = &pgx.Batch{}
	batch.Queue("UPDATE items SET price = 10 WHERE id = 1")
	batch.Queue("SELECT 1 / 0")
	batch.Queue("SELECT 2")
	expect(state(conn.SendBatch(ctx, batch).Close()), "22012")
	expect(text(conn, "SELECT price::text FROM items WHERE id = 1"), "9.0000")
	must(conn.Close(ctx))
}

func checkTransaction() {
	conn, other := connected(""), connected("")
	name := func() (found string) {
		if err := other.QueryRow(ctx, "SELECT name FROM items WHERE id = 301").Scan(&found); err != pgx.ErrNoRows {
			must(err)
		}
		return
	}
	must(conn.BeginFunc(ctx, func(tx pgx.Tx) error {
		run(tx, "INSERT INTO items (id, name) VALUES (301, 'kept')")
		expect(name(), "")
		return nil
	}))
	expect(name(), "kept")
	tx, err := conn.Begin(ctx)
	must(err)
	expect(run(tx, "DELETE FROM items WHERE id = 301"), int64(1))
	must(tx.Rollback(ctx))
	expect(name(), "kept")
	must(conn.BeginFunc(ctx, func(tx pgx.Tx) error {
		run(tx, "UPDATE items SET name = 'savepoint' WHERE id = 301")
		inner, err := tx.Begin(ctx) // a savepoint
		must(err)
		fails(inner, "23505", "INSERT INTO items (id, name) VALUES (301, 'again')")
		fails(inner, "25P02", "SELECT 1")
		return inner.Rollback(ctx)
	}))
	expect(name(), "savepoint")
	tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable})
	must(err)
	expect(text(tx, "SHOW transaction_isolation"), "serializable")
	fails(tx, "22012", "SELECT 1 / 0")
	expect(tx.Commit(ctx), pgx.ErrTxCommitRollback)
	expect(number(conn, "SELECT 1"), int64(1))
	must(conn.Close(ctx))
	must(other.Close(ctx))
}

func checkCopy() {
	conn := connected("")
	rows := make([][]interface{}, 5000)
	out := &bytes.Buffer{}
	for n := range rows {
		rows[n] = []interface{}{int32(n), fmt.Sprintf("row %d", n)}
		fmt.Fprintf(out, "%d\trow %d\n", n, n)
	}
	count, err := conn.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id", "name"}, pgx.CopyFromRows(rows)) // binary
	must(err)
	expect(count, int64(5000))
	read := func(statement string) string {
		found := &bytes.Buffer{}
		_, err := conn.PgConn().CopyTo(ctx, found, statement)
		must(err)
		return found.String()
	}
	expect(read("COPY copied TO STDOUT"), out.String())
	for key := 1; key <= 8; key++ {
		expect(read(fmt.Sprintf("COPY (SELECT name FROM items WHERE id = %d) TO STDOUT", key)), fmt.Sprintf("item %d\n", key))
	}
	_, err = conn.PgConn().CopyFrom(ctx, strings.NewReader("no number\tx\n"), "COPY copied FROM STDIN")
	expect(state(err), "22P02")
	expect(number(conn, "SELECT count(*) FROM copied"), int64(5000))
	must(conn.Close(ctx))
}

// A context that ends would end the connection, too; a cancel request does not.
func checkCancel() {
	conn, watcher := connected(""), connected("")
	slept := make(chan error)
	go func() {
		_, err := conn.Exec(ctx, sleep)
		slept <- err
	}()
	until(func() bool { return number(watcher, sleepers) == 1 })
	must(conn.PgConn().CancelRequest(ctx))
	expect(state(<-slept), "57014")
	expect(number(conn, "SELECT 1"), int64(1))
	must(conn.Close(ctx))
	must(watcher.Close(ctx))
}

func checkError() {
	conn := connected("")
	for _, line := range table("errors.tsv") {
		for _, simple := range []pgx.QuerySimpleProtocol{false, true} {
			_, err := conn.Exec(ctx, line[0], simple)
			var said *pgconn.PgError
			expect(errors.As(err, &said), true, line[0], err)
			position := ""
			if said.Position > 0 {
				position = fmt.Sprint(said.Position)
			}
			expect([]string{said.Code, said.Message, said.Detail, said.ConstraintName, position}, line[1:])
		}
	}
	expect(number(conn, "SELECT 1"), int64(1))
	must(conn.Close(ctx))
}

func checkLarge() {
	words := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz nanu\n"), 500000)[:20000000]
	noise := make([]byte, len(words))
	for i, b := range words {
		noise[len(words)-1-i] = b
	}
	sums := [2]string{fmt.Sprintf("%x", md5.Sum(words)), fmt.Sprintf("%x", md5.Sum(noise))}
	conn := connected("")
	run(conn, "INSERT INTO big VALUES (1, $1, $2)", string(words), noise)
	var found [2]string
	must(conn.QueryRow(ctx, "SELECT md5(words), md5(bytes) FROM big WHERE id = 1").Scan(&found[0], &found[1]))
	expect(found, sums)
	var foundWords string
	var foundNoise []byte
	must(conn.QueryRow(ctx, "SELECT words, bytes FROM big WHERE id = 1").Scan(&foundWords, &foundNoise))
	expect(foundWords == string(words) && bytes.Equal(foundNoise, noise), true)
	must(conn.Close(ctx))
}

func checkLeak() {
	watcher := connected("")
	gone := func() bool {
		return number(watcher, "SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'") == 0
	}
	for round := 0; round < 4; round++ { // more often than there are server processes to be soiled
		soiler := connected("application_name=leak")
		for _, line := range table("leaks.tsv") {
			_, err := soiler.Exec(ctx, line[0], pgx.QuerySimpleProtocol(true))
			must(err)
		}
		must(soiler.Close(ctx))
		until(gone)
		conn := connected("")
		for _, line := range table("leaks.tsv") {
			var found string
			must(conn.QueryRow(ctx, line[1], pgx.QuerySimpleProtocol(true)).Scan(&found))
			expect(found, line[2], line[1])
		}
		run(conn, "PREPARE soiled AS SELECT 2")
		expect(number(conn, "EXECUTE soiled"), int64(2))
		must(conn.Close(ctx))
	}
	for n := int64(1); n <= 30; n++ {
		conn := connected("application_name=leak")
		expect(number(conn, "SELECT $1::bigint", n), n)
		must(conn.Close(ctx))
	}
	until(gone)
	expect(text(watcher, "SELECT coalesce(sum(lent), 0)::text FROM nanu.pools"), "0")
	must(watcher.Close(ctx))
}

func wanted(name string) bool {
	for _, argument := range os.Args[1:] {
		if argument == name {
			return true
		}
	}
	return len(os.Args) == 1
}

func main() {
	for _, check := range []struct {
		name string
		run  func()
	}{{"connect", checkConnect}, {"prepared", checkPrepared}, {"types", checkTypes}, {"pipeline", checkPipeline}, {"transaction", checkTransaction},
		{"copy", checkCopy}, {"cancel", checkCancel}, {"error", checkError}, {"large", checkLarge}, {"leak", checkLeak}} {
		func() {
			defer func() {
				if why := recover(); why != nil {
					fmt.Printf("not ok %s: %s\n", check.name, strings.Join(strings.Fields(fmt.Sprint(why)), " "))
				}
			}()
			if wanted(check.name) {
				check.run()
				fmt.Println("ok", check.name)
			}
		}()
	}
}
