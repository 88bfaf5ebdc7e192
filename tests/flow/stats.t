# Each counter of `cluster show stats` moves when that happens which it counts (docs/console.md), on
# real parts, and what was wrong is put right.
use lib 'tests/flow/lib';
use Flow;

my $pg = Flow::Pg->new;
my ($one, $two, $three) = my @nodes = map { $pg->node("server$_", options => 'lease=4') } 1 .. 3;
$_->spawn for @nodes;
$_->wait_ready for @nodes;
my %devices;
my $says = 0;

# A word of each node, and all agree: what was broken is whole again.
sub whole {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @states = qw(INUSE BUSY RINGING);
    $devices{'Custom:count'} = $states[ ++$says % 3 ];
    $two->ok_console("devstate change Custom:count $devices{'Custom:count'}");
    agree("$name: all agree afterwards", { devices => \%devices, mailboxes => {} }, $pg, grep { $_->{pid} } @nodes);
}

# The counters that are above what they were; all of them are expected to be.
my %moved;

sub moves {
    my ($name, $node, $counters, $provoke) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $before = $node->stats;
    $provoke->();
    poll_until {
        my $now = $node->stats;
        my @still = grep { $now->{$_} <= $before->{$_} } @$counters;
        $Flow::last_seen = join "\n", map {"$_ is still $before->{$_}"} @still;
        !@still
    } "$name: " . join(', ', @$counters);
    $moved{$_} = 1 for @$counters;
    whole($name);
}

sub notify { my ($text) = @_; $pg->psql("select pg_notify(channel, $text) from pgdevstate.site where is_here") }

# SQL says something and leaves it to the ticker, which there is none: nobody is notified.
sub say_unheard {
    my ($device, $state, $also) = @_;
    $devices{$device} = $state;
    $pg->psql("begin; update pgdevstate.site set ticker = not ticker; select pgdevstate.set_device_state('$device', '$state');"
            . ' update pgdevstate.site set ticker = not ticker; ' . ($also // '') . ' commit');
}

sub node_where { my ($column) = @_; my $name = $pg->psql("select name from pgdevstate.member where $column"); return (grep { $_->{name} eq $name } @nodes)[0] }
sub head_of { my ($node) = @_; return "entity_id = '$node->{entity_id}'" }

whole('to begin with');
my $first = $three->stats;
cmp_ok($first->{$_}, '>', 0, "a node that started: $_") for qw(snapshots connects payloads);
$moved{snapshots} = 1;

moves('a word that is said', $two, ['publishes', 'rows_sent'], sub { $two->ok_console('devstate change Custom:a INUSE'); $devices{'Custom:a'} = 'INUSE' });
moves('a word that is heard', $three, ['payloads'], sub { $two->ok_console('devstate change Custom:a BUSY'); $devices{'Custom:a'} = 'BUSY' });
moves('time', $three, ['pulses', 'audits'], sub { });
{
    my $older = $two->stats->{older};
    whole('a word that comes back to who said it');
    is($two->stats->{older}, $older, '... is known by its moment');
}
moves('... with another moment', $two, ['older'], sub {
    notify(q{(select concat_ws(e'\t', '1', 'C', e.site, e.entity_id, e.incarnation, e.seq - 1, e.seq, '1', '1', 'a', '-', '0', '1700000000000000')}
            . q{ || e'\nD\t3\th\t0\tCustom:a\n' from pgdevstate.entity e where } . head_of($two) . ')');
});
moves('a notification that is none', $three, ['payloads_bad'], sub { notify(q('rubbish')) });
moves('a notification that comes twice', $three, ['older'], sub {
    notify("(select r from pgdevstate.read_journal('$two->{entity_id}', (select incarnation from pgdevstate.entity where "
            . head_of($two) . '), 0) r where r ~ e\'^1\tC\' limit 1)');
});
$pg->psql("select pgdevstate.set_device_state('Custom:sql', 'INUSE')");
$devices{'Custom:sql'} = 'INUSE';
moves('a notification that is lost', $three, ['gaps', 'pulls'], sub { say_unheard('Custom:sql', 'BUSY') });
moves('... and the journal with it', $three, ['gaps', 'reloads'],
    sub { say_unheard('Custom:sql', 'RINGING', 'delete from pgdevstate.change;') });
moves('a row changed by hand', $three, ['audits_bad'],
    sub { $pg->psql("update pgdevstate.entity_device set state = 0 where device = 'Custom:a' and " . head_of($two)) });
moves('... of the node itself', $two, ['audits_bad'],
    sub { $pg->psql("update pgdevstate.entity_device set state = 0 where device = 'Custom:a' and " . head_of($two)) });
moves('a device that is told ahead', $two, ['announced'], sub {
    my ($was, $n) = ($two->stats->{announced}, 0);
    poll_until {    # the first one may find no session for it
        $devices{'Custom:a'} = ++$n % 2 ? 'BUSY' : 'INUSE';
        $two->ok_console("devstate change Custom:a $devices{'Custom:a'}");
        $two->stats->{announced} > $was
    } 'announced';
});
moves('a device that the database refuses', $two, ['keys_refused'], sub {
    my $was = $three->stats->{taken_back};
    $pg->psql("alter table pgdevstate.entity_device add constraint test check (device <> 'Custom:refused')");
    $two->run('devstate change Custom:refused BUSY');
    poll_until { $three->stats->{taken_back} > $was } '... though it was announced: taken_back';
    $moved{taken_back} = 1;
    $two->run('devstate remove Custom:refused');
});
$pg->psql('alter table pgdevstate.entity_device drop constraint test');
moves('a session that is another one\'s', $two, ['fenced'],
    sub { $pg->psql('update pgdevstate.entity set session = gen_random_uuid() where ' . head_of($two)) });
moves('a server process that is ended', $two, ['connects'],
    sub { $pg->psql('select pg_terminate_backend(backend_pid) from pgdevstate.entity where ' . head_of($two)) });
moves('a database that is back where it was before', $two, ['rewinds'], sub {
    $two->ok_console("devstate change Custom:a $_") for qw(RINGING INUSE);
    $devices{'Custom:a'} = 'INUSE';
    $pg->psql('with was as (update pgdevstate.entity set seq = seq - 2 where ' . head_of($two) . ' returning backend_pid),'
            . ' lost as (delete from pgdevstate.change where ' . head_of($two) . ') select pg_terminate_backend(backend_pid) from was');
});

# The node that coordinates and knows it: one that has just lost its session may still be SQL's.
sub the_coordinator {
    my $node;
    poll_until {
        $node = node_where('coordinator');
        $node && ($Flow::last_seen = $node->stats->{coordinator}) =~ /this node/
    } 'somebody coordinates';
    return $node;
}

# --- the ticker: only the coordinator's count, whoever that is meanwhile; what is said in the instant
# of a tick may be told by tick() itself
my @before = map { $_->stats } @nodes;
$pg->psql(q{select pgdevstate.set_notify_mode('ticker')});
poll_until { $two->stats->{notify_mode} eq 'ticker' } 'the ticker is used';
my $said = 0;
poll_until {
    $devices{'Custom:a'} = ++$said % 2 ? 'RINGING' : 'INUSE';
    $two->ok_console("devstate change Custom:a $devices{'Custom:a'}");
    my @now   = map { $_->stats } @nodes;
    my @moved = grep { $now[$_]{relays} > $before[$_]{relays} && $now[$_]{relayed} > $before[$_]{relayed} } 0 .. $#nodes;
    $Flow::last_seen = join "\n", map {"$_->{coordinator}: $_->{relays} relays, $_->{relayed} relayed"} @now;
    @moved >= 1
} 'the ticker: relays, relayed';
$moved{$_} = 1 for 'relays', 'relayed';
whole('the ticker');
$pg->psql(q{select pgdevstate.set_notify_mode('auto')});
poll_until { $two->stats->{notify_mode} eq 'direct' } '... and no more';

# --- a twin
my $twin = $pg->node('twin', entity_id => $three->{entity_id}, user => 'node_server3', options => 'lease=4')->spawn;
poll_until { $twin->stats->{refusals} > 0 } 'a twin: refusals';
$moved{refusals} = 1;
$twin->stop;
whole('a twin');

# --- the coordinator stops
my $coordinator = the_coordinator();
my $witness     = (grep { $_ != $coordinator && $_ != $two } @nodes)[0];
my $was = $witness->stats;
$coordinator->signal('STOP');
poll_until { my $now = node_where('coordinator'); $now && $now != $coordinator } 'the coordinator is stopped: another one coordinates';
poll_until { $witness->stats->{coordinator_changes} > $was->{coordinator_changes} } 'the coordinator is stopped: coordinator_changes';
$moved{coordinator_changes} = 1;
$coordinator->signal('CONT');
$_->wait_ready for @nodes;
poll_until { 3 == $pg->psql('select count(*) from pgdevstate.member where alive and kind = \'node\'') } '... and back';
whole('the coordinator was stopped');

# --- a reading session whose server process hangs: given up, and the gap is closed all the same. The
# node ends a session that has nothing to read, which may be in the instant when it is stopped: then again.
sub stop_reader {
    my $reader = "application_name = 'pgdevstated reader' and usename = 'node_server3'";
    say_unheard('Custom:sql', 'ONHOLD');
    my $pid;
    poll_until { $pid = $pg->psql("select pid from pg_stat_activity where $reader") } 'a reading session';
    kill 'STOP', $pid;
    say_unheard('Custom:sql', 'INUSE');
    whole('a reading session that hung');
    return $pid;
}
my @stopped;
END { kill 'CONT', @stopped if @stopped }
for (1 .. 5) {
    push @stopped, stop_reader();
    last if $three->log =~ /no row of read_journal for 5 s/;
}
like($three->log, qr/no row of read_journal for 5 s/, '... was given up');
kill 'CONT', splice @stopped;

# --- times, while the database is away
poll_until { $two->stats->{oldest_unsent_ms} == 0 } 'nothing is unsent';
cmp_ok($two->stats->{pulse_age_ms}, '<', 60_000, 'the last pulse is not old');
$pg->stop('immediate');
$two->run('devstate change Custom:a ONHOLD');
$devices{'Custom:a'} = 'ONHOLD';
poll_until {
    my $now = $two->stats;
    $Flow::last_seen = "unsent $now->{unsent}, oldest $now->{oldest_unsent_ms} ms, pulse $now->{pulse_age_ms} ms ago";
    $now->{unsent} == 1 && $now->{oldest_unsent_ms} > 1000 && $now->{pulse_age_ms} > 1000
} 'the database is away: what is unsent gets old, and so does the last pulse';
$pg->start;
poll_until { $two->stats->{oldest_unsent_ms} == 0 } 'it is back: nothing is unsent';
poll_until { $two->stats->{pulse_age_ms} < 1000 } '... and pulses are heard';
whole('the database was away');

# --- all counters of the program have moved
my @all = map { /"(\w+)"/g } slurp("$Flow::ROOT/src/node.c") =~ /names\[NODE_COUNTERS\] = \{(.*?)\};/s;
cmp_ok(scalar @all, '>=', 18, 'the counters of src/node.c');
is(join(' ', grep { !$moved{$_} } @all), '', 'each of them moved');

$_->signal('TERM') for @nodes;
is($_->wait_exit, 0, "$_->{name} stopped") for @nodes;
done_testing();
