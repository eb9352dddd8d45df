import java.sql.*;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import java.io.StringReader;
import java.io.StringWriter;

/** What a Java program does with JDBC, through the router; ends with an exception at the first surprise. */
public class Check {
    static void expect(Object found, Object wanted) {
        if (!String.valueOf(found).equals(String.valueOf(wanted)))
            throw new AssertionError("found " + found + ", wanted " + wanted);
    }

    static Object one(Statement statement, String sql) throws SQLException {
        try (ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getObject(1);
        }
    }

    public static void main(String[] args) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + args[0] + "/app";
        Properties properties = new Properties();
        properties.setProperty("user", "app");
        properties.setProperty("password", "app-secret");
        try (Connection connection = DriverManager.getConnection(url, properties); Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE jdbc_orders (user_id bigint, id bigint, note text, paid numeric(10,2), PRIMARY KEY (user_id, id))");
            statement.execute("SELECT nanu.shard_table('jdbc_orders', key => 'user_id')");
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO jdbc_orders VALUES (?, ?, ?, ?)")) {
                for (int user = 1; user <= 20; user++) {
                    for (int id = 1; id <= 3; id++) {
                        insert.setLong(1, user);
                        insert.setLong(2, id);
                        insert.setString(3, "note " + user + "-" + id);
                        insert.setBigDecimal(4, new java.math.BigDecimal("1.25"));
                        expect(insert.executeUpdate(), 1);
                    }
                }
            }
            expect(one(statement, "SELECT count(*) FROM jdbc_orders"), 60);
            expect(one(statement, "SELECT sum(paid) FROM jdbc_orders"), "75.00");
            // Past the driver's threshold the statement is a named one on the server.
            try (PreparedStatement select = connection.prepareStatement("SELECT note FROM jdbc_orders WHERE user_id = ? ORDER BY id DESC")) {
                for (int round = 0; round < 12; round++) {
                    select.setLong(1, round + 1);
                    try (ResultSet rows = select.executeQuery()) {
                        rows.next();
                        expect(rows.getString(1), "note " + (round + 1) + "-3");
                    }
                }
            }
            try (PreparedStatement all = connection.prepareStatement("SELECT user_id FROM jdbc_orders WHERE id = ? ORDER BY user_id LIMIT 3")) {
                for (int round = 0; round < 8; round++) {
                    all.setInt(1, 1);
                    List<Long> found = new ArrayList<>();
                    try (ResultSet rows = all.executeQuery()) {
                        while (rows.next())
                            found.add(rows.getLong(1));
                    }
                    expect(found, "[1, 2, 3]");
                }
            }
            // A transaction, with a batch, on one shard; then its rollback.
            connection.setAutoCommit(false);
            try (PreparedStatement batch = connection.prepareStatement("INSERT INTO jdbc_orders VALUES (7, ?, 'batch', 0)")) {
                for (int id = 10; id < 30; id++) {
                    batch.setInt(1, id);
                    batch.addBatch();
                }
                expect(batch.executeBatch().length, 20);
            }
            expect(one(statement, "SELECT count(*) FROM jdbc_orders WHERE user_id = 7"), 23);
            connection.rollback();
            expect(one(statement, "SELECT count(*) FROM jdbc_orders WHERE user_id = 7"), 3);
            Savepoint savepoint = connection.setSavepoint();
            try {
                statement.executeUpdate("INSERT INTO jdbc_orders VALUES (7, 1, 'again', 0)");
                throw new AssertionError("a duplicate was taken");
            } catch (SQLException error) {
                expect(error.getSQLState(), "23505");
            }
            connection.rollback(savepoint);
            // Fetched in portions, by a portal on the key's shard.
            try (PreparedStatement portions = connection.prepareStatement("SELECT g FROM generate_series(1, 1000) g")) {
                portions.setFetchSize(100);
                int sum = 0;
                try (ResultSet rows = portions.executeQuery()) {
                    while (rows.next())
                        sum += rows.getInt(1);
                }
                expect(sum, 500500);
            }
            connection.commit();
            connection.setAutoCommit(true);
            // COPY both ways on a table of the home shard; meta data; refusals with their state.
            statement.execute("CREATE TABLE jdbc_plain (x int, y text)");
            CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
            expect(copy.copyIn("COPY jdbc_plain FROM STDIN", new StringReader("1\ta\n2\tb\n")), 2);
            StringWriter out = new StringWriter();
            copy.copyOut("COPY jdbc_plain TO STDOUT", out);
            expect(out.toString(), "1\ta\n2\tb\n");
            try (ResultSet columns = connection.getMetaData().getColumns(null, "public", "jdbc_orders", null)) {
                int count = 0;
                while (columns.next())
                    count++;
                expect(count, 4);
            }
            try {
                statement.executeUpdate("UPDATE jdbc_orders SET note = 'all'");
                throw new AssertionError("an UPDATE of all shards was taken");
            } catch (SQLException error) {
                expect(error.getSQLState(), "0A000");
            }
            statement.setQueryTimeout(1);
            try {
                statement.execute("SELECT pg_sleep(30)");
                throw new AssertionError("not canceled");
            } catch (SQLException error) {
                expect(error.getSQLState(), "57014");
            }
        }
        System.out.println("ok");
    }
}
