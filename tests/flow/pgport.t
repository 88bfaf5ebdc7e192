# The database port (src/pgport.c, src/pgcall.c) on the real schema, without a node.
use lib 'tests/flow/lib';
use Flow;
use Driver;

my $program = Driver->build('pgport_real');
my $pg      = Flow::Pg->new;
my $id      = '02:00:00:00:00:01';
my $uuid    = qr/[0-9a-f-]{36}/;
sub port { my ($conninfo, $entity) = @_; return Driver->new($program, $conninfo // $pg->conninfo, $entity // $id) }

sub registered {
    my ($c) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $c->tell('connect')->expect(qr/^connect ok/m, 'connected');
    $c->tell('register')->expect(qr/^register ok outcome=0 seq=\d+ site=\d+ lease=10000 .* clock$/m, 'registered');
    $c->tell('listen')->expect(qr/^listen ok/m, 'listens');
    return $c;
}

# Ready-made backends of ours; the reader has a name of its own.
sub backends {
    my ($name) = @_;
    return $pg->psql("select string_agg(pid::text, ' ') from pg_stat_activity where application_name = '$name'");
}

my $odd = 'Custom:a"b\\c,{} d;|= \'NULL\' ' . "\xc3\xa4";
my $c   = registered(port());

{
    $c->tell("device 2 0 $odd", 'mailbox 3 5000000 1000@default', 'publish');
    my $text = $c->expect(qr/^publish ok seq=2 changed=2$/m, 'published');
    $text = $c->expect(qr/^M\t/m, 'and heard') unless $text =~ /^M\t/m;
    like($text, qr/^heard: 1\tC\t\d+\t$id\t$uuid\t1\t2\t1\t1\tar\t/m, 'one change');
    like($text, qr/^D\t2\t-\t\d+\t\Q$odd\E$/m, 'any name goes through unharmed');
    like($text, qr/^M\t0\t3\t0\t-\t5\d{6}\t1000\tdefault$/m, 'a mailbox and its age');
    $c->tell('beat')->expect(qr/^publish ok seq=2 changed=0$/m, 'a beat');
    $c->tell("remove $odd", 'remove 1000@default', 'publish');
    $c->expect(qr/^publish ok seq=3 changed=2$/m, 'removed again');
    $c->tell('device 2 0 Custom:x', 'publish')->expect(qr/^publish ok seq=4 changed=1$/m, 'one more');
    $c->tell('device 2 0 Custom:x', 'publish')->expect(qr/^publish ok seq=4 changed=0$/m, 'no news');
    $c->tell('device 2 0 Custom:x', 'force')->expect(qr/^publish ok seq=5 changed=1$/m, 'told by force');
    $c->tell("device 2 0 a\001b", 'publish')->expect(qr/^publish error \[PD004\] /m, 'a bad name');
}

{
    $c->tell('tick')->expect(qr/^tick ok token=yes coordinator=$id pulse=\d+ usage=[\d.e-]+$/m, 'coordinator');
    $c->tell('tick')->expect(qr/^tick ok token=yes/m, 'once more');
    $c->tell('ping 77')->expect(qr/^heard: 1\tQ\t\d+\t$id\t$uuid\t77\t(?s:.*)^ping ok|^ping ok(?s:.*)\t77\t/m, 'ping');
    my $text = $c->tell('rows')->expect(qr/^read_rows ok/m, 'reads rows');
    like($text, qr/^row of read_rows: 1\tS\t\d+\t$id\t/m, 'a chunk of state');
    like($text, qr/^D\t2\t-\t\d+\tCustom:x$/m, 'with its lines');
    $c->tell('own_rows')->expect(qr/^read_rows ok/m, 'of one entity');
    $text = $c->tell('journal 2')->expect(qr/^read_journal ok/m, 'reads the journal');
    like($text, qr/\tC\t\d+\t$id\t$uuid\t2\t3\t.*\tC\t\d+\t$id\t$uuid\t3\t4\t/s, 'in order');
    $c->tell('heads')->expect(qr/^row of read_heads: H\t$id\t$uuid\t5\tar\n.*^read_heads ok/ms, 'reads heads');
    # ... which ends when it had nothing to read for a while
    poll_until { $c->tell('heads')->expect(qr/^read_heads ok/m, 'reads on'); backends('pgport_real reader') } 'a second session is used';
}

{
    my $twin = port();
    $twin->tell('connect')->expect(qr/^connect ok/m, 'a twin connects');
    $twin->tell('register')->expect(qr/^register ok outcome=4 .* holder=real\@here:\d+/m, 'and is refused by name');
    $twin->end('twin');
}

# Losses: told once, as the answer or by lost().
{
    $pg->psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgport_real'");
    $c->expect(qr/^session lost \[57P01\] \S+: terminating connection/m, 'the session is lost while idle');
    $c->tell('beat')->expect(qr/^publish lost \[\] there is no session$/m, 'asked without a session');
    $c->tell('rows')->expect(qr/^read_rows lost \[\] there is no session$/m, 'read without a session');
    $c->tell('connect')->expect(qr/^connect ok/m, 'connected again');
    $c->tell('resume 5')->expect(qr/^resume ok outcome=1 seq=5 /m, 'resumed');

    $pg->psql('alter table pgdevstate.heartbeat rename to heartbeat_away');
    $c->tell('beat')->expect(qr/^publish error \[42P01\] /m, 'an error is an answer');
    $pg->psql('alter table pgdevstate.heartbeat_away rename to heartbeat');
    $c->tell('beat')->expect(qr/^publish ok/m, 'and the session goes on');
}

# A lock that is held: our lock_timeout is the first to act, a shorter deadline drops the session.
{
    my $locker = Driver->new('psql', '-XAtq', $pg->conninfo);
    $locker->tell('begin; lock table pgdevstate.entity; select 42;')->expect(qr/^42$/m, 'the table is locked');
    $c->tell('beat')->expect(qr/^publish error \[55P03\] /m, 'a lock is not waited for');
    $c->tell('deadline 200', 'beat')->expect(qr/^publish lost \[\] \S+: no answer to publish within 0\.2 s$/m, 'deadline');
    $c->tell('connect')->expect(qr/^connect ok/m, 'connected again');
    $c->tell('beat', 'disconnect', 'connect');
    unlike($c->expect(qr/^connect ok/m, 'disconnected and connected'), qr/publish|lost/, 'without an answer');
    $locker->tell('rollback; select 43;')->expect(qr/^43$/m, 'unlocked');
    close $locker->{in};
    waitpid $locker->{pid}, 0;
    $c->tell('resume 5')->expect(qr/^resume ok outcome=1 /m, 'resumed');
    $c->tell('leave')->expect(qr/^leave ok seq=6 /m, 'left');
    $c->tell('beat')->expect(qr/^publish error \[PD001\] /m, 'fenced');
    $c->end('port');
}

# What does not fit is said with what to do.
{
    $pg->psql_in('postgres', q{create database empty});
    $pg->psql_in('postgres', q{create database latin encoding 'LATIN1' locale 'C' template template0});
    $pg->psql('create role outsider login');
    my @cases = (
        [$pg->conninfo(db => 'empty'), qr/^connect error \[3F000\] \S+: the database has no schema .* migrate"$/m],
        [$pg->conninfo(db => 'latin'), qr/^connect error \[\] \S+: the database's encoding is LATIN1, UTF8 is needed/m],
        [$pg->conninfo(db => 'nosuch'), qr/^connect error \[\] \S+: .*"nosuch" does not exist/m],
        [$pg->conninfo(user => 'outsider'), qr/^connect error \[42501\] .*grant pgdevstate_node to "outsider"/m],
        ['host=/nowhere', qr/^connect error \[\] \/nowhere\/\.s\.PGSQL\.5432: .*No such file/m],
    );
    for my $case (@cases) {
        my $other = port($case->[0]);
        $other->tell('connect')->expect($case->[1], "refused: $case->[0]");
        $other->tell('where')->expect(qr/^where  0$/m, 'and no session is left');
        $other->end($case->[0]);
    }
    for my $case ([9, 9, qr/needs nodes built for 9 or newer.*upgrade pgdevstated/], [0, 0, qr/schema 0.*migrate" of this release/]) {
        $pg->psql_in('empty', "create schema if not exists pgdevstate; create or replace function pgdevstate.schema_version("
            . "out version int, out oldest_node int) language sql as 'select $case->[0], $case->[1]'");
        my $other = port($pg->conninfo(db => 'empty'));
        $other->tell('connect')->expect(qr/^connect error \[\] \S+: .*$case->[2]/m, "schema $case->[0]");
        $other->end("schema $case->[0]");
    }
    my $bad = Driver->new($program, 'nonsense=1', $id);
    like($bad->end('bad conninfo'), qr/^refused invalid connection option "nonsense"$/m, '... and refused it');
}

done_testing();
