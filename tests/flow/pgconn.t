# One connection (src/pgconn.c) against a real server that restarts, refuses, kills, and keeps silent.
use lib 'tests/flow/lib';
use Flow;
use Driver;
use IO::Socket::INET;
use Time::HiRes qw(time);

my $program = Driver->build('pgconn_real');

sub connection { my ($conninfo) = @_; return Driver->new($program)->tell("new $conninfo") }

sub up {
    my ($c) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $c->tell('open')->expect(qr/^up /m, 'up');
    return $c;
}

my $pg = Flow::Pg->new(migrate => 0);
my $dir = $pg->{dir};
my $conninfo = $pg->conninfo;
sub terminate { $pg->psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgconn_real'") }
sub backend { my ($c) = @_; $c->tell('pid'); return $c->expect(qr/^pid \d+$/m, 'pid') =~ /pid (\d+)/ ? $1 : 0 }

{
    my $c = up(connection($conninfo));
    $c->tell('query select 42');
    $c->expect(qr/^done ok 42\n/m, 'a query');
    $c->tell('listen a "b"', q{query notify "a ""b""", 'hello'});
    $c->expect(qr/^notify a "b" 5 hello \(own\)$/m, 'a notification on a channel with a quoted name');
    $pg->psql(q{notify "a ""b""", 'from elsewhere'});
    $c->expect(qr/^notify a "b" 14 from elsewhere$/m, 'a notification while idle');
    $c->tell('query selec', 'query select 1');
    $c->expect(qr/^done error 42601\ndone ok 1\n/m, 'an error leaves the connection up');
    $c->tell("query select 'answer ' || n from (values (1)) v(n)", 'query select 2', 'query select 3');
    $c->expect(qr/^done ok answer 1\ndone ok 2\ndone ok 3\n/m, 'queries run in order');
    $c->end('queries');
}

{
    my $c = up(connection($conninfo));
    $c->tell(q{rows select repeat('x', 8192) from generate_series(1, 1024)});
    $c->expect(qr/^done rows=1024 bytes=8388608$/m, '8 MB row by row');
    $c->tell('big 20000000');
    $c->expect(qr/^done ok 20000000$/m, '20 MB the other way');
    $c->tell(q{rows select 100 / (3 - n) from generate_series(1, 5) n});
    $c->expect(qr/^done error 22012$/m, 'an error behind the first rows');
    $c->tell('in_done row_free', 'rows select generate_series(1, 100000)');
    $c->end('freed between two rows');
}

{
    my $c = up(connection($conninfo));
    $pg->psql('create table t (a int)');
    $c->tell('prepared select * from t', 'prepared select * from t');
    $c->expect(qr/^done ok -\ndone ok -\n/m, 'prepared once, run twice');
    $c->tell('query select count(*) from pg_prepared_statements');
    $c->expect(qr/^done ok 1$/m, 'one statement on the server');
    $pg->psql('alter table t add b int; insert into t values (7, 8)');
    $c->tell('prepared select * from t');
    $c->expect(qr/^done ok 7$/m, 'a migration under a prepared statement');
    $c->tell('prepared selec', 'query select 1');
    $c->expect(qr/^done error 42601\ndone ok 1$/m, 'what cannot be prepared is an error');
    $c->tell('query copy t to stdout');
    $c->expect(qr/^done lost\ndown \[\] \Q$dir\E.*COPY is not possible/m, 'COPY ends it');
    $c->end('prepared');
}

# An error at commit comes behind a result that looked good.
{
    my $c = up(connection($conninfo));
    $pg->psql('create table p (a int primary key);'
            . 'create table f (a int references p deferrable initially deferred)');
    $c->tell('query insert into f values (1) returning a');
    $c->expect(qr/^done error 23503$/m, 'an error at commit');
    $c->end('commit');
}

{
    my $c = up(connection($conninfo));
    terminate();
    $c->expect(qr/^down \[57P01\] \Q$dir\E.*terminating connection/m, 'ended while idle');
    up($c);
    $c->tell('query select pg_sleep(60)', 'query select 1');
    poll_until { $pg->psql("select count(*) from pg_stat_activity where query ~ '^select pg_sleep' and state = 'active'") }
        'the query runs';
    terminate();
    $c->expect(qr/^done lost\ndone lost\ndown \[57P01\] .*terminating/m, 'ended while two wait for answers');
    up($c);
    $pg->restart;
    $c->expect(qr/^down \[57P01\]/m, 'the server restarts');
    up($c);
    $c->tell('query select pg_sleep(60)');
    poll_until { $pg->psql("select count(*) from pg_stat_activity where query ~ '^select pg_sleep' and state = 'active'") }
        'the query runs';
    $pg->crashed('the server is back', sub {
        kill 'KILL', backend($c);
        $c->expect(qr/^done lost\ndown \[\] \Q$dir\E\S*: \S/m, 'its backend is killed with -9');
    });
    up($c);
    my $other = up(connection($conninfo));
    $pg->crashed('the server is back again', sub {
        kill 'KILL', backend($other);
        $other->expect(qr/^down \[\]/m, 'killed with -9 while idle');
        $c->expect(qr/^down \[57P02\] .*crash/m, 'told of the crash of another backend');
        $other->end('other');
        $c->end('losses');
    });
}

{
    my $c = up(connection($conninfo));
    $c->tell('in_done close', 'query select 1', 'query select 2');
    $c->expect(qr/^done ok 1\ndone lost\n/m, 'closed inside done()');
    up($c);
    $c->tell('in_done free', 'query select 1', 'query select 2');
    my $rest = $c->end('freed inside done()');
    unlike($rest, qr/lost|down/, 'and not a word afterwards');

    $c = up(connection($conninfo));
    $c->tell('query select pg_sleep(60)', 'fail silent for 5 s');
    $c->expect(qr/^done lost\ndown \[\] \Q$dir\E\S*: silent for 5 s$/m, 'given up');
    $c->tell('open', 'close', 'open', 'free');
    $c->end('opened and closed at once');
}

{
    my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die;
    my ($silent_port, $closed) = ($silent->sockport, Flow::Pg::closed_port());
    my $c = connection("host=127.0.0.1,localhost,/nowhere,$dir port=$silent_port,$closed,5432,5432"
            . ' user=postgres dbname=pgdevstate connect_timeout=1');
    my $before = time;
    up($c);
    cmp_ok(time - $before, '>=', 1, 'a silent first host costs its time-out');
    $c->end('silent');

    $pg->psql('create role ro login; alter role ro set default_transaction_read_only = on');
    $c = connection("host=127.0.0.1,no.such.host.invalid,/nowhere,$dir port=$silent_port,$closed,5432,5432"
            . ' user=ro dbname=pgdevstate connect_timeout=1 target_session_attrs=read-only');
    $c->tell('open');
    my $reason = $c->expect(qr/^down .*$/m, 'no host will do');
    like($reason, qr/127\.0\.0\.1:$silent_port: no answer within 1 s; /, 'silent');
    like($reason, qr/no\.such\.host\.invalid:$closed: the name cannot be looked up: /, 'unknown');
    like($reason, qr{/nowhere/\.s\.PGSQL\.5432: .*No such file}, 'nowhere');
    like($reason, qr{\Q$dir\E/\.s\.PGSQL\.5432: it is read-only}, 'read-only');
    $c->end('no host');
}

{
    my $hba = "$dir/data/pg_hba.conf";
    spew($hba, "local all locked scram-sha-256\n" . slurp($hba));
    $pg->psql(q{create role locked login password 'right'; select pg_reload_conf()});
    poll_until { $pg->psql(q{select count(*) from pg_hba_file_rules where auth_method = 'scram-sha-256'}) } 'pg_hba';
    my $locked = "host=$dir user=locked dbname=pgdevstate";
    my $c = connection("$locked password=Geheimnis");
    $c->tell('open');
    my $reason = $c->expect(qr/^down .*authentication failed/m, 'a wrong password');
    unlike($reason, qr/Geheimnis/, 'is not repeated');
    $c->end('wrong password');
    $c = connection($locked);
    $c->tell('open');
    $c->expect(qr/^down \[28P01\] .*asks for a password/m, 'no password');
    $c->end('no password');
    up(connection("$locked password=right"))->end('right password');
    $c = connection('host=db password=Geheimnis Zwei');
    unlike($c->expect(qr/^refused missing/m, 'a conninfo that cannot be read'), qr/Zwei/, 'is not quoted');
    $c->end('bad conninfo');
}

done_testing();
