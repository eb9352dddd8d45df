import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.*;
import java.time.OffsetDateTime;
import java.util.*;
import java.util.concurrent.CompletableFuture;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** JDBC through the router; README.md says what each check is. */
public class Jdbc {
    static final String SLEEP = "SELECT pg_sleep(60) FROM plain WHERE id = 1";
    static final String SLEEPERS =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    static final long WAIT_MS = 30000;

    interface Check { void run() throws Exception; }
    interface Condition { boolean holds() throws Exception; }

    static void expect(Object found, Object wanted) {
        if (!String.valueOf(found).equals(String.valueOf(wanted)))
            throw new AssertionError("found " + String.format("%.400s", found) + ", wanted " + String.format("%.400s", wanted));
    }

    static SQLException fails(String state, Check check) throws Exception {
        try {
            check.run();
        } catch (SQLException error) {
            expect(error.getSQLState(), state);
            return error;
        }
        throw new AssertionError("no error " + state);
    }

    static void until(Condition condition) throws Exception {
        for (long end = System.currentTimeMillis() + WAIT_MS; !condition.holds(); Thread.sleep(10)) {
            if (System.currentTimeMillis() > end)
                throw new AssertionError("it did not come to be");
        }
    }

    /** more: pairs of a property and its value. What libpq takes from its environment variables, JDBC is told. */
    static Connection connected(String... more) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("sslmode", System.getenv("PGSSLMODE"));
        properties.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        for (int i = 0; i < more.length; i += 2)
            properties.setProperty(more[i], more[i + 1]);
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
            + System.getenv("PGDATABASE"), properties);
    }

    /** The first column of all rows. */
    static List<Object> column(Connection db, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            return column(statement, values);
        }
    }

    static List<Object> column(PreparedStatement statement, Object... values) throws SQLException {
        for (int i = 0; i < values.length; i++)
            statement.setObject(i + 1, values[i]);
        List<Object> found = new ArrayList<>();
        try (ResultSet rows = statement.executeQuery()) {
            while (rows.next())
                found.add(rows.getObject(1));
        }
        return found;
    }

    static Object one(Connection db, String sql, Object... values) throws SQLException {
        List<Object> found = column(db, sql, values);
        return found.isEmpty() ? null : found.get(0);
    }

    static int run(Connection db, String sql) throws SQLException {
        try (Statement statement = db.createStatement()) {
            return statement.execute(sql) ? 0 : statement.getUpdateCount();
        }
    }

    static List<String[]> table(String name) throws Exception {
        List<String[]> lines = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(name)))
            lines.add(line.split("\t", -1));
        return lines.subList(1, lines.size());
    }

    static String md5(byte[] data) throws Exception {
        return String.format("%032x", new java.math.BigInteger(1, MessageDigest.getInstance("MD5").digest(data)));
    }

    static void checkConnect() throws Exception {
        try (Connection db = connected()) {
            expect(one(db, "SELECT current_user"), "app");
        }
        fails("28P01", () -> connected("password", "wrong"));
        expect(fails("08006", () -> connected("sslrootcert", System.getenv("NANU_OTHER_ROOT"))).getMessage().startsWith("SSL error"), true);
        fails("28000", () -> connected("sslmode", "disable"));
    }

    /** From its fifth execution on, or at once with prepareThreshold=1, a statement is a named one on the server: S_1 in every connection. */
    static void checkPrepared() throws Exception {
        for (String threshold : new String[] { "5", "1" }) {
            try (Connection db = connected("prepareThreshold", threshold); Connection other = connected("prepareThreshold", threshold);
                    PreparedStatement name = db.prepareStatement("SELECT name FROM items WHERE id = ?");
                    PreparedStatement id = other.prepareStatement("SELECT id FROM items WHERE id = ?");
                    PreparedStatement most = db.prepareStatement("SELECT id FROM items WHERE id <= ? ORDER BY id DESC")) {
                for (long key = 1; key <= 20; key++) {
                    expect(column(name, key), List.of("item " + key));
                    expect(column(id, key), List.of(key));
                    expect(column(most, key % 3).size(), key % 3);
                }
            }
        }
    }

    static void checkTypes() throws Exception {
        byte[] bytes = new byte[256];
        for (int i = 0; i < bytes.length; i++)
            bytes[i] = (byte) i;
        try (Connection db = connected("prepareThreshold", "3");     // first as text, then binary
                PreparedStatement insert = db.prepareStatement("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
                PreparedStatement select = db.prepareStatement("SELECT * FROM items WHERE id = ?")) {
            for (int round = 0; round < 6; round++) {
                long key = 101 + round;
                Object[] values = { key, "naïve 나누 ☃", new BigDecimal("12345.6789"), OffsetDateTime.parse("2024-02-29T10:34:56.789012Z"), bytes,
                    db.createArrayOf("text", new String[] { "a", "b \"c\", d", null }), db.createArrayOf("int4", new Integer[] { 1, -2, 3 }),
                    "{\"a\": [1, null, \"☃\"]}" };
                for (int i = 0; i < values.length; i++)
                    insert.setObject(i + 1, values[i], i == 7 ? Types.OTHER : i == 4 ? Types.BINARY : i > 4 ? Types.ARRAY
                        : i == 3 ? Types.TIMESTAMP_WITH_TIMEZONE : i == 2 ? Types.NUMERIC : i == 1 ? Types.VARCHAR : Types.BIGINT);
                expect(insert.executeUpdate(), 1);
                select.setLong(1, key);
                try (ResultSet row = select.executeQuery()) {
                    expect(row.next(), true);
                    for (int i : new int[] { 1, 2, 3, 8 })
                        expect(row.getObject(i), values[i - 1]);
                    expect(row.getObject(4, OffsetDateTime.class), values[3]);
                    expect(Arrays.equals(row.getBytes(5), bytes), true);
                    expect(Arrays.toString((String[]) row.getArray(6).getArray()), "[a, b \"c\", d, null]");
                    expect(Arrays.toString((Integer[]) row.getArray(7).getArray()), "[1, -2, 3]");
                }
                run(db, "UPDATE items SET price = NULL, made = NULL, data = NULL, tags = NULL, sizes = NULL, doc = NULL WHERE id = " + key);
                try (ResultSet row = select.executeQuery()) {
                    expect(row.next(), true);
                    for (int i = 3; i <= 8; i++)
                        expect(row.getObject(i), null);
                }
            }
        }
    }

    /** A batch is one pipeline, and outside of a transaction a transaction of its own: it writes on one shard. */
    static void checkPipeline() throws Exception {
        try (Connection db = connected(); PreparedStatement batch = db.prepareStatement("INSERT INTO copied VALUES (?, 'batch')");
                PreparedStatement update = db.prepareStatement("UPDATE items SET price = ? WHERE id = 1")) {
            for (int n = 0; n < 500; n++) {
                batch.setInt(1, n);
                batch.addBatch();
                update.setInt(1, n);
                update.addBatch();
            }
            expect(Arrays.stream(batch.executeBatch()).sum(), 500);
            expect(Arrays.stream(update.executeBatch()).sum(), 500);
            expect(one(db, "SELECT price FROM items WHERE id = 1"), "499.0000");
            try (Statement several = db.createStatement()) {
                several.addBatch("INSERT INTO plain VALUES (910, 'ten')");
                several.addBatch("INSERT INTO plain VALUES (1, 'one')");
                several.addBatch("INSERT INTO plain VALUES (911, 'eleven')");
                fails("23505", several::executeBatch);
            }
            expect(one(db, "SELECT count(*) FROM plain WHERE id > 900"), 0);
        }
    }

    static void checkTransaction() throws Exception {
        try (Connection db = connected(); Connection other = connected()) {
            String name = "SELECT name FROM items WHERE id = 301";
            db.setAutoCommit(false);
            run(db, "INSERT INTO items (id, name) VALUES (301, 'kept')");
            expect(one(other, name), null);
            db.commit();
            expect(one(other, name), "kept");
            expect(run(db, "DELETE FROM items WHERE id = 301"), 1);
            db.rollback();
            expect(one(other, name), "kept");
            run(db, "UPDATE items SET name = 'savepoint' WHERE id = 301");
            Savepoint here = db.setSavepoint();
            fails("23505", () -> run(db, "INSERT INTO items (id, name) VALUES (301, 'again')"));
            fails("25P02", () -> run(db, "SELECT 1"));
            db.rollback(here);
            db.commit();
            expect(one(other, name), "savepoint");
            fails("22012", () -> run(db, "SELECT 1 / 0"));
            db.rollback();
            // Fetched in portions, from a portal.
            try (PreparedStatement portions = db.prepareStatement("SELECT g FROM generate_series(1, 1000) g")) {
                portions.setFetchSize(100);
                expect(column(portions).stream().mapToInt(g -> (Integer) g).sum(), 500500);
            }
            db.commit();
            db.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            db.setReadOnly(true);
            expect(one(db, "SHOW transaction_isolation"), "serializable");
            fails("25006", () -> run(db, "DELETE FROM items WHERE id = 301"));
            db.rollback();
        }
        try (Connection db = connected("autosave", "always")) {     // a savepoint before each statement, so also before the first
            db.setAutoCommit(false);
            for (int key = 302; key < 306; key++) {
                String insert = "INSERT INTO items (id, name) VALUES (" + key + ", 'saved')";
                expect(run(db, insert), 1);
                fails("23505", () -> run(db, insert));
                expect(one(db, "SELECT name FROM items WHERE id = " + key), "saved");
                db.commit();
            }
        }
    }

    static void checkCopy() throws Exception {
        try (Connection db = connected()) {
            CopyManager copy = db.unwrap(PGConnection.class).getCopyAPI();
            run(db, "TRUNCATE copied");
            StringBuilder rows = new StringBuilder();
            for (int n = 1; n <= 5000; n++)
                rows.append(n).append("\trow ").append(n).append('\n');
            expect(copy.copyIn("COPY copied FROM STDIN", new StringReader(rows.toString())), 5000);
            StringWriter out = new StringWriter();
            expect(copy.copyOut("COPY copied TO STDOUT", out), 5000);
            expect(out, rows);
            for (int key = 1; key <= 8; key++) {
                out = new StringWriter();
                copy.copyOut("COPY (SELECT name FROM items WHERE id = " + key + ") TO STDOUT CSV", out);
                expect(out, "item " + key + "\n");
            }
            fails("22P02", () -> copy.copyIn("COPY copied FROM STDIN", new StringReader("no number\tx\n")));
            expect(one(db, "SELECT count(*) FROM copied"), 5000);
        }
    }

    static void checkCancel() throws Exception {
        try (Connection db = connected(); Connection watcher = connected(); Statement statement = db.createStatement()) {
            CompletableFuture<Void> slept = CompletableFuture.runAsync(() -> {
                try {
                    fails("57014", () -> statement.execute(SLEEP));
                } catch (Exception error) {
                    throw new RuntimeException(error);
                }
            });
            until(() -> one(watcher, SLEEPERS).equals(1L));
            statement.cancel();
            slept.get();
            expect(one(db, "SELECT 1"), 1);
            statement.setQueryTimeout(1);       // the driver's own, by a cancel request
            fails("57014", () -> statement.execute(SLEEP));
            expect(one(db, "SELECT 1"), 1);
        }
    }

    static void checkError() throws Exception {
        for (String mode : new String[] { "simple", "extended" }) {
            try (Connection db = connected("preferQueryMode", mode)) {
                for (String[] line : table("errors.tsv")) {
                    ServerErrorMessage said = ((PSQLException) fails(line[1], () -> run(db, line[0]))).getServerErrorMessage();
                    Object[] found = { line[0], said.getSQLState(), said.getMessage(), Objects.requireNonNullElse(said.getDetail(), ""),
                        Objects.requireNonNullElse(said.getConstraint(), ""), said.getPosition() > 0 ? said.getPosition() : "" };
                    expect(Arrays.toString(found), Arrays.toString(line));
                }
                expect(one(db, "SELECT 1"), 1);
            }
        }
    }

    static void checkLarge() throws Exception {
        String words = "0123456789abcdefghijklmnopqrstuvwxyz nanu\n".repeat(500000).substring(0, 20000000);
        byte[] noise = new StringBuilder(words).reverse().toString().getBytes(StandardCharsets.UTF_8);
        String sums = md5(words.getBytes(StandardCharsets.UTF_8)) + " " + md5(noise);
        try (Connection db = connected(); PreparedStatement insert = db.prepareStatement("INSERT INTO big VALUES (1, ?, ?)")) {
            insert.setString(1, words);
            insert.setBytes(2, noise);
            expect(insert.executeUpdate(), 1);
            expect(one(db, "SELECT md5(words) || ' ' || md5(bytes) FROM big WHERE id = 1"), sums);
            expect(md5(((String) one(db, "SELECT words FROM big WHERE id = 1")).getBytes(StandardCharsets.UTF_8)) + " "
                + md5((byte[]) one(db, "SELECT bytes FROM big WHERE id = 1")), sums);
        }
    }

    static void checkLeak() throws Exception {
        try (Connection watcher = connected()) {
            Condition gone = () -> one(watcher, "SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'").equals(0L);
            for (int round = 0; round < 4; round++) {       // more often than there are server processes to be soiled
                try (Connection soiler = connected("ApplicationName", "leak")) {
                    for (String[] line : table("leaks.tsv"))
                        run(soiler, line[0]);
                }
                until(gone);
                try (Connection db = connected()) {
                    for (String[] line : table("leaks.tsv"))
                        expect(line[1] + ": " + one(db, line[1]), line[1] + ": " + line[2]);
                    run(db, "PREPARE soiled AS SELECT 2");
                    expect(one(db, "EXECUTE soiled"), 2);
                }
            }
            for (int n = 0; n < 30; n++) {
                try (Connection db = connected("ApplicationName", "leak")) {
                    expect(one(db, "SELECT ?::int", n), n);
                }
            }
            until(gone);
            expect(one(watcher, "SELECT coalesce(sum(lent), 0) FROM nanu.pools"), 0);
        }
    }

    /** What tools ask the driver: its queries of the catalog. */
    static void checkMetadata() throws Exception {
        try (Connection db = connected()) {
            DatabaseMetaData data = db.getMetaData();
            List<String> found = new ArrayList<>();
            try (ResultSet columns = data.getColumns(null, "public", "items", null)) {
                while (columns.next())
                    found.add(columns.getString("COLUMN_NAME"));
            }
            expect(found, "[id, name, price, made, data, tags, sizes, doc]");
            for (ResultSet rows : List.of(data.getPrimaryKeys(null, "public", "items"), data.getIndexInfo(null, "public", "items", true, false),
                    data.getTables(null, "public", "items", null), data.getTypeInfo())) {
                expect(rows.next(), true);
                rows.close();
            }
        }
    }

    public static void main(String[] names) {
        Map<String, Check> checks = new LinkedHashMap<>();
        checks.put("connect", Jdbc::checkConnect);
        checks.put("prepared", Jdbc::checkPrepared);
        checks.put("types", Jdbc::checkTypes);
        checks.put("pipeline", Jdbc::checkPipeline);
        checks.put("transaction", Jdbc::checkTransaction);
        checks.put("copy", Jdbc::checkCopy);
        checks.put("cancel", Jdbc::checkCancel);
        checks.put("error", Jdbc::checkError);
        checks.put("large", Jdbc::checkLarge);
        checks.put("leak", Jdbc::checkLeak);
        checks.put("metadata", Jdbc::checkMetadata);
        checks.forEach((name, check) -> {
            if (names.length > 0 && !List.of(names).contains(name))
                return;
            try {
                check.run();
                System.out.println("ok " + name);
            } catch (Throwable error) {
                error.printStackTrace();
                System.out.println("not ok " + name + ": " + String.valueOf(error.getMessage()).replaceAll("\\s+", " "));
            }
        });
    }
}
