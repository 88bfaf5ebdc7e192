# `pgdevstate migrate`: fresh, twenty at once, tampered with, newer, without rights, in vain.
use lib 'tests/flow/lib';
use Flow;

my $pg   = Flow::Pg->new(migrate => 0);
my $conn = $pg->conninfo;
my ($name) = map { m{([^/]+)\.sql$} } (sort glob "$Flow::ROOT/migrations/*.sql")[-1];
my $count = () = glob "$Flow::ROOT/migrations/*.sql";

sub migrate {
    my (@args) = @_;
    return Flow::client('migrate', '--conninfo', $conn, @args);
}

# Runs it n times at once; returns what each printed.
sub at_once {
    my ($n, @args) = @_;
    my @pids;
    for my $i (1 .. $n) {
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            open(STDOUT, '>', "$Flow::DIR/at_once.$i") or POSIX::_exit(126);
            open(STDERR, '>&', \*STDOUT) or POSIX::_exit(126);
            exec("$Flow::BIN/pgdevstate", 'migrate', @args) or POSIX::_exit(127);
        }
        push @pids, $pid;
    }
    my $failed = 0;
    for my $pid (@pids) {
        waitpid($pid, 0);
        $failed++ if $?;
    }
    is($failed, 0, "$n at once: none failed");
    return map { slurp("$Flow::DIR/at_once.$_") } 1 .. $n;
}

# What is in the schema, as comparable text.
sub dump_of {
    my ($db) = @_;
    my ($out, $err, $status) = run_command('pg_dump', '--schema-only', '-d', $pg->conninfo(db => $db));
    is($status, 0, "dump of $db") or diag($err);
    $out =~ s/^--.*\n|^\\(?:un)?restrict .*\n|^\n//mg;
    return $out;
}

# --- an empty database
{
    my ($out, $err, $status) = migrate('--status');
    is($status, 3, '--status on an empty database: 3');
    like($out, qr/^\Q$name\E \.\.\. pending\nfunctions and views \.\.\. pending\n\z/m, '... all is pending');
    ($out, $err, $status) = migrate('--dry-run');
    is($status, 0, '--dry-run') or diag($err);
    like($out, qr/^\Q$name\E \.\.\. would be applied in \d+ ms$/m, '... says what would be applied');
    is($pg->psql("select to_regnamespace('pgdevstate') is null"), 't', '... and did nothing');
}

# --- twenty at once, and what they leave
{
    my @texts = at_once(20, '--conninfo', $conn);
    my $text = join '', @texts;
    my $applied = () = $text =~ /^\Q$name\E \.\.\. applied in \d+ ms$/mg;
    is($applied, 1, 'each migration was applied once') or diag($text);
    my $up = () = $text =~ /^up to date: $count migrations?$/mg;
    cmp_ok($up, '>=', 20 - $count - 1, 'most found nothing to do') or diag($text);
    is(scalar(grep { /^up to date: $count migrations?$|\.\.\. applied in \d+ ms$/m } @texts), 20, '... and who found something did it') or diag($text);
    unlike($text, qr/NOTICE|ERROR|error/, 'no noise');
    my ($out, $err, $status) = migrate('--status');
    is($status, 0, '--status: 0');
    like($out, qr/^\Q$name\E \.\.\. applied\nfunctions and views \.\.\. installed\n\z/m, '... all is applied');
    is((migrate())[0], "up to date: $count migration" . ($count == 1 ? '' : 's') . "\n", 'again: nothing to do');
    is((migrate('--dry-run'))[2], 0, '--dry-run when there is nothing to do');
}

# --- many databases of one server at once: they share the roles
{
    my $text = '';
    $pg->psql_in('postgres', "create database d$_") for 1 .. 4;
    my @pids;
    for my $i (1 .. 4) {
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            open(STDOUT, '>', "$Flow::DIR/d$i.log") or POSIX::_exit(126);
            open(STDERR, '>&', \*STDOUT) or POSIX::_exit(126);
            exec("$Flow::BIN/pgdevstate", 'migrate', '--conninfo', $pg->conninfo(db => "d$i")) or POSIX::_exit(127);
        }
        push @pids, $pid;
    }
    for my $i (1 .. 4) {
        waitpid($pids[ $i - 1 ], 0);
        is($?, 0, "database d$i") or diag(slurp("$Flow::DIR/d$i.log"));
    }
    is(dump_of('d1'), dump_of('pgdevstate'), 'all databases are alike');
}

# --- a fresh install is the migrated one
{
    $pg->psql_in('postgres', 'create database fresh');
    for my $file (map { sort glob "$Flow::ROOT/$_/*.sql" } qw(sql/schema sql/functions sql/views)) {
        my (undef, $err, $status) = run_command(qw(psql -XqAt -v ON_ERROR_STOP=1 -1),
            '-d', $pg->conninfo(db => 'fresh'), '-c', 'set check_function_bodies = off',
            '-c', 'set client_min_messages = warning', '-f', $file);
        is($status, 0, "psql -f $file") or diag($err);
    }
    is(dump_of('fresh'), dump_of('pgdevstate'), 'sql/ as it is now gives what the migrations give');
}

# --- the figure that direct is given up at: raised, unless somebody set his own
for my $case ([ 20000, 60000 ], [ 7777, 7777 ]) {
    my ($was, $is) = @$case;
    my $db = "figure$was";
    $pg->psql_in('postgres', "create database $db template pgdevstate");
    $pg->psql_in($db, 'drop view pgdevstate.notify_mode; alter table pgdevstate.ticker drop column late_ms;'
            . " update pgdevstate.setting set value = $was, comment = 'as it was' where name = 'direct_deliveries';"
            . ' update pgdevstate.installed set version = 5; delete from pgdevstate.migration where version > 5');
    my (undef, $err, $status) = Flow::client('migrate', '--conninfo', $pg->conninfo(db => $db));
    is($status, 0, 'from 5 on') or diag($err);
    is($pg->psql_in($db, q{select value, comment ~ 'late' from pgdevstate.setting where name = 'direct_deliveries'}), "$is|t", "direct_deliveries was $was");
    is(dump_of($db), dump_of('pgdevstate'), '... all else as it is now');
}

# --- functions alone
{
    $pg->psql("update pgdevstate.installed set functions_checksum = 'of an older program'");
    my ($out, $err, $status) = migrate('--status');
    is($status, 3, 'older functions: pending');
    like($out, qr/^functions and views \.\.\. pending$/m, '... and named');
    ($out, $err, $status) = migrate();
    like($out, qr/\Afunctions and views \.\.\. applied in \d+ ms\n\z/, 'they are installed again') or diag($err);
}

# --- a login role for a node
{
    my ($out, $err, $status) = migrate('--create-role', q{Node "1"'s});
    is($status, 0, '--create-role') or diag($err);
    is($pg->psql(q{select rolcanlogin, pg_has_role(oid, 'pgdevstate_node', 'member'), rolsuper
        from pg_roles where rolname = 'Node "1"''s'}), 't|t|f', '... is a login role with the least rights');
    is((migrate('--create-role', q{Node "1"'s}))[2], 0, '... again');
}

# --- the owner of a database, who may create roles but is no superuser; in a server without ours
{
    my $other = Flow::Pg->new(migrate => 0);
    $other->psql_in('postgres', 'create role dba login createrole');
    $other->psql_in('postgres', 'create database owned owner dba');
    my ($out, $err, $status) = Flow::client('migrate', '--conninfo', $other->conninfo(db => 'owned', user => 'dba'),
        '--create-role', 'server1');
    is($status, 0, 'the database\'s owner with createrole') or diag($out . $err);
    ($out, $err, $status) = run_command('psql', '-XAtc', 'select version from pgdevstate.schema_version()',
        $other->conninfo(db => 'owned', user => 'server1'));
    is($out, "$count\n", '... and its node can ask for the version') or diag($err);
}

# --- refusals: each says what and what to do, and changes nothing
sub refuses {
    my ($name, $re, @args) = @_;
    my ($out, $err, $status) = Flow::client('migrate', @args);
    is($status, 1, "$name: exit status 1");
    like($err, $re, '... ' . $name);
}

my $before = dump_of('pgdevstate');
$pg->psql("update pgdevstate.migration set checksum = reverse(checksum) where version = 1");
refuses('a migration that is not ours', qr{migrations/0001_\S+ was applied to this database with other content.*changed\. Use the program}s,
    '--conninfo', $conn);
$pg->psql("update pgdevstate.migration set checksum = reverse(checksum) where version = 1");
$pg->psql("insert into pgdevstate.migration (version, name, checksum) values ($count + 1, '0999_future', 'x')");
refuses('a newer database', qr{database is newer than this program: it has 0999_future.*Upgrade}s, '--conninfo', $conn);
refuses('a newer database, --status', qr{database is newer}, '--conninfo', $conn, '--status');
$pg->psql("delete from pgdevstate.migration where version > $count");
$pg->psql("create role poor login");
refuses('no rights', qr{permission denied.*-U postgres}s, '--conninfo', $conn, '-U', 'poor');
$pg->psql_in('postgres', 'create database empty');
refuses('no rights on an empty database', qr{migrations/0001_\S+\.sql:\d+: .*SQLSTATE 42501.*-U postgres}s,
    '--conninfo', $pg->conninfo(db => 'empty'), '-U', 'poor');
refuses('no such database', qr{database "nowhere" does not exist.*--conninfo}s, '--conninfo', $pg->conninfo(db => 'nowhere'));
refuses('no server', qr{Is PostgreSQL running}, '--conninfo', 'host=/nonexistent dbname=x');
refuses('a conninfo that is none', qr{missing "=" after "rubbish"}, '--conninfo', 'rubbish in it');
refuses('no configuration file', qr{/nonexistent/x\.conf}, '-C', '/nonexistent/x.conf');
$pg->psql_in('postgres', q{create database latin encoding 'LATIN1' locale 'C' template template0});
refuses('a database of another encoding', qr{LATIN1.*UTF8}s, '--conninfo', $pg->conninfo(db => 'latin'));
is(dump_of('pgdevstate'), $before, 'nothing was changed by all of these');

for my $case (['-C x', '-C', 'x', '--conninfo', 'y'], ['--bogus', '--bogus'], ['a word', 'word'], ['both', '--status', '--dry-run']) {
    my ($label, @args) = @$case;
    my ($out, $err, $status) = Flow::client('migrate', @args);
    is($status, 2, "usage: $label: exit status 2");
    like($err, qr/Usage: pgdevstate migrate/, '... and the usage');
}
like((Flow::client('migrate', '--help'))[0], qr/\AUsage: pgdevstate migrate/, '--help');

# --- the conninfo of a node's configuration, as another user
{
    my $conf = spew("$Flow::DIR/node.conf", "[options]\nentity_id=02:00:00:00:00:01\n[postgresql]\nconninfo="
            . $pg->conninfo(user => 'poor') . "\n");
    my ($out, $err, $status) = Flow::client('migrate', '-C', $conf, '-U', 'postgres', '--status');
    is($status, 0, '-C FILE -U postgres') or diag($out . $err);
    ($out, $err, $status) = Flow::client('-C', $conf, 'migrate', '-U', 'postgres', '--status');
    is($status, 0, '-C FILE in front of migrate, as the node says it') or diag($out . $err);
    ($out, $err, $status) = Flow::client('-r', 'migrate', '--status');
    is($status, 2, 'nothing else in front of it');
}

done_testing();
