#!/usr/bin/perl
# DBD::Pg through the router; README.md says what each check is.
use strict;
use warnings;
use utf8;
use DBI;
use DBD::Pg qw(:async :pg_types);
use Digest::MD5 qw(md5_hex);
use Encode qw(encode_utf8);
use File::Basename qw(dirname);
use JSON::PP;
use Time::HiRes qw(sleep time);

my $SLEEP = 'SELECT pg_sleep(60) FROM plain WHERE id = 1';
my $SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
my $WAIT_S = 30;
$| = 1;

sub table {
    open my $file, '<:encoding(UTF-8)', dirname(__FILE__) . "/$_[0]" or die $!;
    my (undef, @lines) = map { s/\n//r } <$file>;
    return map { [split /\t/, $_, -1] } @lines;
}

# The rest stands in libpq's environment variables.
sub connected {
    my ($more) = @_;
    return DBI->connect('dbi:Pg:' . ($more // ''), undef, $ENV{PGPASSWORD}, { RaiseError => 1, PrintError => 0, AutoCommit => 1 });
}

sub expect {
    my ($found, $wanted, $about) = @_;
    my ($a, $b) = map { JSON::PP->new->canonical->allow_nonref->encode($_) } $found, $wanted;
    die(($about // '') . ': found ' . substr($a, 0, 400) . ', wanted ' . substr($b, 0, 400) . "\n") if $a ne $b;
}

# The SQLSTATE with which the code ends.
sub state_of {
    my ($code) = @_;
    eval { $code->(); 1 } and die "it was taken\n";
    die $@ if !$DBI::err;
    return $DBI::state;
}

sub until_true {
    my ($condition) = @_;
    for (my $end = time + $WAIT_S; !$condition->();) {
        die "it did not come to be\n" if time > $end;
        sleep 0.01;
    }
}

sub one { my ($db, @rest) = @_; return $db->selectrow_array($rest[0], undef, @rest[1 .. $#rest]) }

my @checks = (
    connect => sub {
        my $db = connected();
        expect(one($db, 'SELECT current_user'), 'app');
        $db->disconnect;
        my %refused = ('password=wrong' => 'password authentication failed', "sslrootcert=$ENV{NANU_OTHER_ROOT}" => 'certificate verify failed',
            'sslmode=disable' => 'no encryption');
        for my $more (sort keys %refused) {
            local $ENV{PGPASSWORD} = $more =~ /password/ ? 'wrong' : $ENV{PGPASSWORD};
            state_of(sub { connected($more =~ /password/ ? '' : $more) });
            expect($DBI::errstr =~ /$refused{$more}/ ? 1 : $DBI::errstr, 1);
        }
    },

    prepared => sub {
        my ($db, $other) = (connected(), connected());
        # pg_switch_prepared = 1: named on the server from the first execution on.
        my $name = $db->prepare('SELECT name FROM items WHERE id = ?', { pg_prepare_now => 1, pg_switch_prepared => 1 });
        my $id = $other->prepare('SELECT id FROM items WHERE id = ?', { pg_switch_prepared => 1 });
        for my $key (1 .. 20) {
            expect($db->selectrow_array($name, undef, $key), "item $key");
            expect($other->selectrow_array($id, undef, $key), 0 + $key);
        }
        expect($name->{pg_prepare_name}, $id->{pg_prepare_name});       # the same name in both connections
        my $most = $db->prepare('SELECT id FROM items WHERE id <= ? ORDER BY id DESC');
        expect($db->selectcol_arrayref($most, undef, $_), [reverse 1 .. $_]) for 3, 5, 7;
        $db->begin_work;
        expect($db->selectrow_array($name, undef, 7), 'item 7');
        $db->commit;
        $_->disconnect for $db, $other;
    },

    types => sub {
        my @row = ('naïve 나누 ☃', '12345.6789', '2024-02-29 10:34:56.789012+00', join('', map chr, 0 .. 255), ['a', 'b "c", d', undef],
            [1, -2, 3], '{"a": [1, null, "☃"]}');
        my $db = connected();
        $db->do("SET TimeZone = 'UTC'");
        my $insert = $db->prepare('INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
        $insert->bind_param(5, undef, { pg_type => PG_BYTEA });
        for my $key (101 .. 104) {
            for my $values (\@row, ['all else is NULL', (undef) x 6]) {
                $insert->execute($key, @$values);
                my @found = one($db, 'SELECT name, price, made, data, tags, sizes, doc FROM items WHERE id = ?', $key);
                expect(\@found, $values);
                $db->do('DELETE FROM items WHERE id = ?', undef, $key);
            }
        }
        $db->disconnect;
    },

    # DBD::Pg has no pipeline. It sends a statement without waiting, on as many connections as there are.
    pipeline => sub {
        my @dbs = map { connected() } 1 .. 6;
        for my $round (0 .. 2) {
            my @keys = map { 201 + $round * @dbs + $_ } 0 .. $#dbs;
            my @inserts = map { $_->prepare('INSERT INTO items (id, name) VALUES (?, ?)', { pg_async => PG_ASYNC }) } @dbs;
            $inserts[$_]->execute($keys[$_], "item $keys[$_]") for 0 .. $#dbs;
            expect(0 + $_->pg_result, 1) for @inserts;
            my @queries = map { $dbs[$_]->prepare('SELECT name FROM items WHERE id = ?', { pg_async => PG_ASYNC }) } 0 .. $#dbs;
            $queries[$_]->execute($keys[-1 - $_]) for 0 .. $#dbs;
            for my $n (0 .. $#dbs) {
                $queries[$n]->pg_result;
                expect($queries[$n]->fetchall_arrayref, [["item $keys[-1 - $n]"]]);
            }
        }
        $_->disconnect for @dbs;
    },

    transaction => sub {
        my ($db, $other) = (connected(), connected());
        my $name = sub { scalar one($other, 'SELECT name FROM items WHERE id = 301') };
        $db->begin_work;
        $db->do("INSERT INTO items (id, name) VALUES (301, 'kept')");
        expect($name->(), undef);
        $db->commit;
        expect($name->(), 'kept');
        $db->begin_work;
        expect(0 + $db->do('DELETE FROM items WHERE id = 301'), 1);
        $db->rollback;
        expect($name->(), 'kept');
        $db->begin_work;
        $db->do("UPDATE items SET name = 'savepoint' WHERE id = 301");
        $db->pg_savepoint('here');
        expect(state_of(sub { $db->do("INSERT INTO items (id, name) VALUES (301, 'again')") }), '23505');
        expect(state_of(sub { $db->do('SELECT 1') }), '25P02');
        $db->pg_rollback_to('here');
        $db->pg_release('here');
        $db->commit;
        expect($name->(), 'savepoint');
        $db->{AutoCommit} = 0;
        expect(state_of(sub { $db->do('SELECT 1 / 0') }), '22012');
        $db->rollback;
        expect(one($db, 'SELECT 1'), 1);
        $db->rollback;
        $_->disconnect for $db, $other;
    },

    copy => sub {
        my $db = connected();
        my @rows = map { "$_\trow $_\n" } 1 .. 5000;
        $db->do('COPY copied FROM STDIN');
        $db->pg_putcopydata($_) for @rows;
        $db->pg_putcopyend;
        my $read = sub {
            $db->do($_[0]);
            my ($line, @lines) = ('');
            push @lines, $line while $db->pg_getcopydata($line) >= 0;
            return \@lines;
        };
        expect($read->('COPY copied TO STDOUT'), \@rows);
        expect($read->("COPY (SELECT name FROM items WHERE id = $_) TO STDOUT CSV"), ["item $_\n"]) for 1 .. 8;
        $db->do('COPY copied FROM STDIN');
        $db->pg_putcopydata("no number\tx\n");
        expect(state_of(sub { $db->pg_putcopyend }), '22P02');
        expect(one($db, 'SELECT count(*) FROM copied'), 5000);
        $db->disconnect;
    },

    cancel => sub {
        my ($db, $watcher) = (connected(), connected());
        $db->do($SLEEP, { pg_async => PG_ASYNC });
        until_true(sub { one($watcher, $SLEEPERS) == 1 });
        $db->pg_cancel;         # and reads the result away
        expect($db->state, '57014');
        expect(one($db, 'SELECT 1'), 1);
        $_->disconnect for $db, $watcher;
    },

    error => sub {
        my $db = connected();
        for (table('errors.tsv')) {
            my ($statement, @wanted) = @$_;
            for my $direct (0, 1) {
                expect(state_of(sub { $db->do($statement, { pg_direct => $direct }) }), $wanted[0]);
                my @found = map { $db->pg_error_field($_) // '' } qw(sqlstate message_primary message_detail constraint_name statement_position);
                expect(\@found, \@wanted, $statement);
            }
        }
        expect(one($db, 'SELECT 1'), 1);
        $db->disconnect;
    },

    large => sub {
        my $words = substr "0123456789abcdefghijklmnopqrstuvwxyz nanu\n" x 500000, 0, 20_000_000;
        my $noise = reverse $words;
        my $db = connected();
        my $insert = $db->prepare('INSERT INTO big VALUES (1, ?, ?)');
        $insert->bind_param(2, undef, { pg_type => PG_BYTEA });
        $insert->execute($words, $noise);
        my @sums = (md5_hex($words), md5_hex($noise));
        expect([one($db, 'SELECT md5(words), md5(bytes) FROM big WHERE id = 1')], \@sums);
        expect([map { md5_hex(encode_utf8($_)) } one($db, 'SELECT words, bytes FROM big WHERE id = 1')], \@sums);
        $db->disconnect;
    },

    leak => sub {
        my $watcher = connected();
        my $gone = sub { one($watcher, "SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'") == 0 };
        for (1 .. 4) {  # more often than there are server processes to be soiled
            my $soiler = connected('application_name=leak');
            $soiler->do($_->[0]) for table('leaks.tsv');
            $soiler->disconnect;
            until_true($gone);
            my $db = connected();
            expect('' . one($db, $_->[1]), $_->[2], $_->[1]) for table('leaks.tsv');
            $db->do('PREPARE soiled AS SELECT 2');
            expect(one($db, 'EXECUTE soiled'), 2);
            $db->disconnect;
        }
        for my $number (1 .. 30) {
            my $db = connected('application_name=leak');
            expect('' . one($db, 'SELECT ?::int', $number), "$number");
            $db->disconnect;
        }
        until_true($gone);
        expect('' . one($watcher, 'SELECT coalesce(sum(lent), 0) FROM nanu.pools'), '0');
        $watcher->disconnect;
    },
);

while (my ($name, $check) = splice @checks, 0, 2) {
    next if @ARGV && !grep { $_ eq $name } @ARGV;
    if (eval { $check->(); 1 }) {
        print "ok $name\n";
    } else {
        print "not ok $name: " . encode_utf8($@ =~ s/\s+/ /gr) . "\n";
    }
}
