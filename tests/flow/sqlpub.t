# SQL as a publisher: what is said in SQL is seen by all nodes and their hints; who may say it;
# and rows that somebody changes by hand are put right.
use lib 'tests/flow/lib';
use Flow;

my $dialplan = "[default]\nexten => 1,hint,Custom:night\nexten => 2,hint,Custom:a&Custom:b\n";
my $pg = Flow::Pg->new;
my ($a, $b) = map { $pg->node("server$_", dialplan => $dialplan) } 1, 2;
$_->spawn for $a, $b;
$_->wait_ready for $a, $b;
my (%devices, %mailboxes);

sub all_agree {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    agree($name, { devices => \%devices, mailboxes => \%mailboxes }, $pg, $a, $b);
}

sub hints_are {
    my ($name, @states) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for my $node ($a, $b) {
        poll_until {
            my @now = map { $_->{state} } @{ $node->json('core show hints') };
            $Flow::last_seen = "@now";
            "@now" eq "@states"
        } "$name: hints of $node->{name}";
    }
}

# --- one device, and that it does not change twice
is($pg->psql(q{select pgdevstate.set_device_state('Custom:night', 'INUSE')}), 1, 'a state: one device changed');
$devices{'Custom:night'} = 'INUSE';
all_agree('one device');
hints_are('one device', 'InUse', 'Idle');
is($pg->psql(q{select pgdevstate.set_device_state('Custom:night', 'inuse')}), 0, 'the same again changes nothing');
my ($member) = grep { $_->{name} eq 'sql' } @{ $b->json('cluster show members') };
is("$member->{kind} $member->{member} $member->{devices}", 'static 1 1', 'SQL is a member of its own');

# --- many in one call; null clears
is($pg->psql(q{select pgdevstate.set_device_state(array['Custom:a', 'Custom:b', 'Custom:night'], array['RINGING', 'ONHOLD', null])}), 3, 'arrays');
%devices = ('Custom:a' => 'RINGING', 'Custom:b' => 'ONHOLD');
all_agree('arrays');
hints_are('arrays', 'Idle', 'InUse&Ringing');

# --- added to what nodes say
$a->ok_console('devstate change Custom:a BUSY');
$devices{'Custom:a'} = 'RINGINUSE';
all_agree('added to what nodes say');
is($pg->psql(q{select pgdevstate.clear_device_state(array['Custom:a', 'Custom:b', 'Custom:nobody'])}), 2, 'clear');
%devices = ('Custom:a' => 'BUSY');
all_agree('cleared');
hints_are('cleared', 'Idle', 'Busy');

# --- mailboxes
is($pg->psql(q{select pgdevstate.set_mailbox('1000', 'default', 2)}), 1, 'a mailbox');
$mailboxes{'1000@default'} = '2/0/0';
all_agree('a mailbox');
is($pg->psql(q{select pgdevstate.set_mailbox('1000', 'default', 3, 4, 5)}), 1, '... all counts');
$mailboxes{'1000@default'} = '3/4/5';
all_agree('... all counts');
is($pg->psql(q{select pgdevstate.clear_mailbox('1000', 'default')}), 1, '... cleared');
delete $mailboxes{'1000@default'};
all_agree('... cleared');

# --- entities by name, some for a time only
$pg->psql(q{select pgdevstate.set_device_state('Custom:b', 'INUSE', 'calendar'); select pgdevstate.set_device_state('Custom:b', 'RINGING', 'timer', interval '1 hour');
    select pgdevstate.set_mailbox('t', 'default', 1, entity => 'timer', ttl => '1 hour')});
poll_until { ($b->devices->{'Custom:b'} // '') eq 'RINGINUSE' } 'two entities add up';
$pg->psql(q{select pgdevstate.set_mailbox('t', 'default', 1, entity => 'timer', ttl => '2 seconds')});
$devices{'Custom:b'} = 'INUSE';
all_agree('when its time is over, what one said is gone');
hints_are('when its time is over', 'Idle', 'Busy');
$pg->psql(q{select pgdevstate.set_device_state('Custom:c', 'INUSE', 'timer')});
$devices{'Custom:c'} = 'INUSE';
all_agree('it speaks again: what it said before is not back');

# --- nobody is a static entity and a node
for my $sql (q{select pgdevstate.set_device_state('Custom:x', 'INUSE', 'server1')}, q{select pgdevstate.set_mailbox('x', 'y', 1, entity => 'server1')}) {
    eval { $pg->psql($sql) };
    like($@, qr/"server1" is a node: SQL cannot write for it/, 'SQL does not speak for a node');
}
for my $bad (["'Custom:x', 'RINGIN'", 'RINGIN'], ["array['a'], array['INUSE', 'BUSY']", 'different lengths'], ["null::text, 'INUSE'", 'null'],
    ["'Custom:x', 'INUSE', ttl => '0'", 'not positive'], ["'Custom:x', 'INUSE', ''", 'name']) {
    my ($args, $says) = @$bad;
    eval { $pg->psql("select pgdevstate.set_device_state($args)") };
    like($@, qr/ERROR: .*$says/, "refused: $args");
}
all_agree('nothing of these was taken');

# --- a large one: notices are divided, all arrive
$pg->psql(q{select pgdevstate.set_device_state(array_agg('Custom:many' || n), array_agg('INUSE'::text)) from generate_series(1, 1000) n});
$devices{"Custom:many$_"} = 'INUSE' for 1 .. 1000;
all_agree('a thousand in one call');
$pg->psql(q{select pgdevstate.clear_device_state(array_agg('Custom:many' || n)) from generate_series(1, 1000) n});
delete $devices{"Custom:many$_"} for 1 .. 1000;
all_agree('... and cleared');

# --- a transaction that is rolled back says nothing, one that commits says all at once
$pg->psql(q{begin; select pgdevstate.set_device_state('Custom:never', 'INUSE'); rollback});
$pg->psql(q{begin; select pgdevstate.set_device_state('Custom:t', s) from unnest(array['INUSE', 'RINGING', 'BUSY']) s; commit});
$devices{'Custom:t'} = 'BUSY';
all_agree('transactions');
is($_->stats->{payloads_bad} + $_->stats->{gaps}, 0, "$_->{name}: without a gap") for $a, $b;

# --- least rights
my @relations = split /\n/, $pg->psql(q{select oid::regclass from pg_class where relnamespace = 'pgdevstate'::regnamespace and relkind in ('r', 'v', 'p')});
cmp_ok(scalar @relations, '>', 8, 'there are tables and views');
my (@may_read, @may_write);
for my $relation (@relations) {
    push @may_read,  $relation if $pg->psql("select has_table_privilege('node_server1', '$relation', 'select')") eq 't';
    push @may_write, $relation if $pg->psql("select has_table_privilege('node_server1', '$relation', 'insert, update, delete, truncate, references, trigger')") eq 't';
}
is("@may_read @may_write", ' ', 'a node has no rights on tables and views');
for my $call (q{set_device_state('Custom:x', 'INUSE')}, q{clear_device_state('Custom:a')}, q{set_mailbox('x', 'y', 1)}, q{clear_mailbox('x', 'y')}, q{remove('02:00:00:00:00:01')}) {
    my (undef, $err, $status) = run_command(qw(psql -XAtq -c), "select pgdevstate.$call", $pg->conninfo(user => 'node_server1'));
    like($err, qr/permission denied/, "a node may not call $call");
}
my (undef, $err) = run_command(qw(psql -XAtq -c), 'create table pgdevstate.x ()', $pg->conninfo(user => 'node_server1'));
like($err, qr/permission denied/, '... nor create anything');
$pg->psql('create role dashboard login in role pgdevstate_reader');
my ($out) = run_command(qw(psql -XAtq -c), q{select state from pgdevstate.device where device = 'Custom:a'}, $pg->conninfo(user => 'dashboard'));
is($out, "BUSY\n", 'a reader reads the views');
(undef, $err) = run_command(qw(psql -XAtq -c), 'select * from pgdevstate.entity_device', $pg->conninfo(user => 'dashboard'));
like($err, qr/permission denied/, '... not the tables');

# --- rows changed by hand are put right: a node's by the node, a static one's are what they are
$a->ok_batch('states to break', map {"devstate change Custom:h$_ INUSE"} 1 .. 3);
$devices{"Custom:h$_"} = 'INUSE' for 1 .. 3;
all_agree('states to break');
$pg->psql(q{update pgdevstate.entity_device set state = 3 where device = 'Custom:h1'; delete from pgdevstate.entity_device where device = 'Custom:h2'});
all_agree("a node's rows are put right");
poll_until { contents_like($a->log, qr/WARNING .*audit: /) } '... and it says so';
$pg->psql(q{update pgdevstate.entity_device set state = 2 where device = 'Custom:t'});
$devices{'Custom:t'} = 'INUSE';
all_agree("a static entity's rows are believed");

$_->signal('TERM') for $a, $b;
is($_->wait_exit, 0, "$_->{name} stopped") for $a, $b;
done_testing();
