# ruby-pg through the router; README.md says what each check is.
require 'bigdecimal'
require 'digest'
require 'json'
require 'pg'

SLEEP = 'SELECT pg_sleep(60) FROM plain WHERE id = 1'
SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
WAIT_S = 30
Binary = PG::BasicTypeMapForQueries::BinaryData
$stdout.sync = true

def table(name)
  File.readlines(File.join(__dir__, name), chomp: true, encoding: 'UTF-8').drop(1).map { |line| line.split("\t", -1) }
end

# The rest stands in libpq's environment variables. Values are Ruby's: numbers, times, …
def connected(more = {})
  db = PG.connect(more)
  db.type_map_for_results = PG::BasicTypeMapForResults.new(db)
  db.type_map_for_queries = PG::BasicTypeMapForQueries.new(db)
  return db unless block_given?

  begin
    yield db
  ensure
    db.close unless db.finished?
  end
end

def expect(found, wanted, about = '')
  raise "#{about}: found #{found.inspect[0, 400]}, wanted #{wanted.inspect[0, 400]}" if found != wanted
end

def fails(kind)
  yield
rescue kind => e
  e
else
  raise "no #{kind}"
end

def wait_until
  limit = Time.now + WAIT_S
  until yield
    raise 'it did not come to be' if Time.now > limit

    sleep 0.01
  end
end

def one(db, statement, values = [])
  db.exec_params(statement, values).values.first&.first
end

CHECKS = {
  connect: lambda do
    connected do |db|
      expect(one(db, 'SELECT current_user'), 'app')
      expect(db.ssl_in_use?, true)
    end
    { { password: 'wrong' } => 'password authentication failed', { sslrootcert: ENV['NANU_OTHER_ROOT'] } => 'certificate verify failed',
      { sslmode: 'disable' } => 'no encryption' }.each do |more, why|
      expect(fails(PG::ConnectionBad) { connected(more) }.message.include?(why), true, why)
    end
  end,

  prepared: lambda do
    connected do |db|
      connected do |other|
        db.prepare('by key', 'SELECT name FROM items WHERE id = $1')
        other.prepare('by key', 'SELECT id FROM items WHERE id = $1')
        [0, 1].product((1..20).to_a).each do |format, key|
          expect(db.exec_prepared('by key', [key], format).values, [["item #{key}"]])
          expect(other.exec_prepared('by key', [key], format).values, [[key]])
        end
        db.prepare('all', 'SELECT id FROM items WHERE id <= $1 ORDER BY id DESC')
        [3, 5].each { |most| expect(db.exec_prepared('all', [most]).column_values(0), most.downto(1).to_a) }
        expect(db.describe_prepared('by key').fname(0), 'name')
        db.exec('DEALLOCATE "by key"')
        fails(PG::InvalidSqlStatementName) { db.exec_prepared('by key', [1]) }
      end
    end
  end,

  types: lambda do
    moment = Time.new(2024, 2, 29, 12, 34, 56 + Rational(789_012, 1_000_000), '+02:00')
    row = ['naïve 나누 ☃', BigDecimal('12345.6789'), moment, (0..255).to_a.pack('C*'), ['a', 'b "c", d', nil], [1, -2, 3], { 'a' => [1, nil, '☃'] }]
    connected do |db|
      (101..104).to_a.product([row, ['all else is NULL', *[nil] * 6]]).each do |key, values|
        name, price, made, data, tags, sizes, doc = values
        sent = [key, name, price, made&.strftime('%F %T.%6N%:z'), data && Binary.new(data), tags, sizes, doc&.to_json]
        db.exec_params('INSERT INTO items VALUES ($1, $2, $3, $4, $5::bytea, $6::text[], $7::int[], $8::jsonb)', sent)
        found = db.exec_params('SELECT name, price, made, data, tags, sizes, doc FROM items WHERE id = $1', [key]).values.first
        expect(found, values)
        db.exec_params('DELETE FROM items WHERE id = $1', [key])
      end
    end
  end,

  pipeline: lambda do
    connected do |db|
      keys = (201..220).to_a
      db.enter_pipeline_mode
      keys.each do |key|
        db.send_query_params('INSERT INTO items (id, name) VALUES ($1, $2)', [key, "item #{key}"])
        db.pipeline_sync        # what stands between two of these is a transaction, which writes on one shard
      end
      keys.each { |key| db.send_query_params('SELECT name FROM items WHERE id = $1', [key]) }
      db.send_query_params('SELECT 1 / 0', [])
      db.send_query_params('SELECT 2', [])
      db.pipeline_sync
      results = []
      while results.count { |result| result.result_status == PG::PGRES_PIPELINE_SYNC } <= keys.size
        (result = db.get_result) && results << result           # nil stands between the statements
      end
      statuses = results.map(&:result_status)
      expect(statuses[0, 40], [PG::PGRES_COMMAND_OK, PG::PGRES_PIPELINE_SYNC] * 20)
      expect(results[40, 20].map(&:values), keys.map { |key| [["item #{key}"]] })
      expect(statuses[60..], [PG::PGRES_FATAL_ERROR, PG::PGRES_PIPELINE_ABORTED, PG::PGRES_PIPELINE_SYNC])
      db.exit_pipeline_mode
      expect(one(db, 'SELECT 3'), 3)
    end
  end,

  transaction: lambda do
    connected do |db|
      connected do |other|
        name = -> { one(other, 'SELECT name FROM items WHERE id = 301') }
        db.transaction do
          db.exec("INSERT INTO items (id, name) VALUES (301, 'kept')")
          expect(name.call, nil)
        end
        expect(name.call, 'kept')
        fails(ArgumentError) do
          db.transaction do
            expect(db.exec('DELETE FROM items WHERE id = 301').cmd_tuples, 1)
            raise ArgumentError
          end
        end
        expect(name.call, 'kept')
        db.transaction do
          db.exec("UPDATE items SET name = 'savepoint' WHERE id = 301")
          db.exec('SAVEPOINT here')
          fails(PG::UniqueViolation) { db.exec("INSERT INTO items (id, name) VALUES (301, 'again')") }
          fails(PG::InFailedSqlTransaction) { db.exec('SELECT 1') }
          db.exec('ROLLBACK TO here')
        end
        expect(name.call, 'savepoint')
        db.exec('BEGIN')
        fails(PG::DivisionByZero) { db.exec('SELECT 1 / 0') }
        expect(db.transaction_status, PG::PQTRANS_INERROR)
        expect(db.exec('COMMIT').cmd_status, 'ROLLBACK')
        expect(one(db, 'SELECT 1'), 1)
      end
    end
  end,

  copy: lambda do
    connected do |db|
      rows = (1..5000).map { |number| "#{number}\trow #{number}\n" }
      db.copy_data('COPY copied FROM STDIN') { rows.each { |row| db.put_copy_data(row) } }
      read = lambda do |statement|
        found = []
        db.copy_data(statement) { while (row = db.get_copy_data) do found << row end }
        found
      end
      expect(read.call('COPY copied TO STDOUT'), rows)
      (1..8).each { |key| expect(read.call("COPY (SELECT name FROM items WHERE id = #{key}) TO STDOUT CSV"), ["item #{key}\n"]) }
      fails(PG::InvalidTextRepresentation) { db.copy_data('COPY copied FROM STDIN') { db.put_copy_data("no number\tx\n") } }
      fails(ArgumentError) { db.copy_data('COPY copied FROM STDIN') { raise ArgumentError } }
      expect(one(db, 'SELECT count(*) FROM copied'), 5000)
    end
  end,

  cancel: lambda do
    connected do |db|
      connected do |watcher|
        db.send_query(SLEEP)
        wait_until { one(watcher, SLEEPERS) == 1 }
        db.cancel
        expect(fails(PG::QueryCanceled) { db.get_last_result }.result.error_field(PG::PG_DIAG_SQLSTATE), '57014')
        expect(one(db, 'SELECT 1'), 1)
      end
    end
  end,

  error: lambda do
    fields = [PG::PG_DIAG_SQLSTATE, PG::PG_DIAG_MESSAGE_PRIMARY, PG::PG_DIAG_MESSAGE_DETAIL, PG::PG_DIAG_CONSTRAINT_NAME,
              PG::PG_DIAG_STATEMENT_POSITION]
    connected do |db|
      table('errors.tsv').each do |statement, *wanted|
        [-> { db.exec(statement) }, -> { db.exec_params(statement, []) }].each do |run|
          expect(fields.map { |field| fails(PG::Error, &run).result.error_field(field).to_s }, wanted, statement)
        end
      end
      expect(one(db, 'SELECT 1'), 1)
    end
  end,

  large: lambda do
    words = ("0123456789abcdefghijklmnopqrstuvwxyz nanu\n" * 500_000)[0, 20_000_000]
    noise = words.reverse.b
    sums = [words, noise].map { |data| Digest::MD5.hexdigest(data) }
    connected do |db|
      db.exec_params('INSERT INTO big VALUES (1, $1, $2::bytea)', [words, Binary.new(noise)])
      expect(db.exec('SELECT md5(words), md5(bytes) FROM big WHERE id = 1').values, [sums])
      [0, 1].each do |format|
        found = db.exec_params('SELECT words, bytes FROM big WHERE id = 1', [], format).values.first
        expect(found.map { |data| Digest::MD5.hexdigest(data) }, sums)
      end
    end
  end,

  leak: lambda do
    connected do |watcher|
      gone = -> { one(watcher, "SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'").zero? }
      4.times do                # more often than there are server processes to be soiled
        soiler = PG.connect(application_name: 'leak')
        table('leaks.tsv').each { |soil,| soiler.exec(soil) }
        soiler.prepare('same', 'SELECT 1')
        soiler.close
        wait_until(&gone)
        connected do |db|
          table('leaks.tsv').each { |_, question, clean| expect(one(db, question).to_s, clean, question) }
          db.prepare('same', 'SELECT 2')
          expect(db.exec_prepared('same').values, [[2]])
        end
      end
      (1..30).each { |number| connected(application_name: 'leak') { |db| expect(one(db, 'SELECT $1::int', [number]), number) } }
      wait_until(&gone)
      expect(one(watcher, 'SELECT coalesce(sum(lent), 0) FROM nanu.pools'), 0)
    end
  end
}.freeze

CHECKS.each do |name, check|
  next unless ARGV.empty? || ARGV.include?(name.to_s)

  begin
    check.call
    puts "ok #{name}"
  rescue StandardError => e
    warn e.full_message
    puts "not ok #{name}: #{e.message.split.join(' ')}"
  end
end
