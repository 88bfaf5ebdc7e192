# A node that dies leaves the others within its lease, one that stops leaves at once, and one
# that is restarted on its host is back at once.
use lib 'tests/flow/lib';
use Flow;
use Time::HiRes qw(time);

my $lease    = 2;
my $dialplan = "[default]\n" . join '', map {"exten => $_,hint,Custom:of$_\n"} 1 .. 4;
my $pg       = Flow::Pg->new;
my %node     = map { $_ => $pg->node("server$_", dialplan => $dialplan, options => "lease=$lease\ndebug=1") } 1 .. 4;
$_->spawn for values %node;
$_->wait_ready for values %node;
my (%devices, %mailboxes);

sub speak {
    my ($n) = @_;
    $node{$n}->ok_batch("server$n speaks", "devstate change Custom:of$n INUSE", 'devstate change Custom:all RINGING', "mailbox set of$n $n");
    $devices{"Custom:of$n"} = 'INUSE';
    $devices{'Custom:all'} = 'RINGING';
    $mailboxes{"of$n\@default"} = "$n/0/0";
}
speak($_) for 1 .. 4;

sub living { return map { $node{$_} } grep { $node{$_}{pid} } sort keys %node }

sub all_agree {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return agree($name, { devices => \%devices, mailboxes => \%mailboxes }, $pg, living());
}
all_agree('everybody knows everybody');

sub coordinator {
    my ($name) = $pg->psql('select name from pgdevstate.member where coordinator') =~ /server(\d)/;
    return $name;
}

# Between two there is none for a moment.
sub a_coordinator {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return poll_until { coordinator() } 'there is a coordinator';
}

# Waits until `n` is out of everything; how long that took since `since`.
sub measure {
    my ($name, $n, $since) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    delete $devices{"Custom:of$n"};
    delete $mailboxes{"of$n\@default"};
    my $seen;
    my $ok = agree("$name: devices and mailboxes leave nodes and SQL", { devices => \%devices, mailboxes => \%mailboxes }, $pg, living());
    my $took = time - $since;
    for my $other (living()) {
        my ($hint) = grep { $_->{exten} eq $n } @{ $other->json('core show hints') };
        is($hint->{state}, 'Idle', "$name: the hint on $other->{name}");
    }
    is($pg->psql("select alive from pgdevstate.member where name = 'server$n'"), 'f', "$name: SQL says that it is not alive");
    my ($member) = grep { $_->{name} eq "server$n" } @{ (living())[0]->json('cluster show members') };
    ok(!$member->{member}, "$name: so does the console");
    return $took if $ok;
    return 0;
}

sub kill_one {
    my ($name, $n) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $since = time;
    $node{$n}->kill('KILL');
    my $took = measure($name, $n, $since);
    my $text = sprintf '%s: out of everything after %.2f s, lease %d s', $name, $took, $lease;
    $took > $lease + 1 ? diag($text) : note($text);
}

# --- kill -9, the coordinator and another one
my $coordinator = a_coordinator();
kill_one('the coordinator', $coordinator);
poll_until { my $now = coordinator(); $now && $now != $coordinator } 'another one coordinates';
my $second  = a_coordinator();
my ($other) = grep { $_ != $second && $_ != $coordinator } 1 .. 4;
kill_one('another node', $other);

# --- back again, with what they held
$node{$_}->start for $coordinator, $other;
for my $n ($coordinator, $other) {
    $devices{"Custom:of$n"} = 'INUSE';
    $mailboxes{"of$n\@default"} = "$n/0/0";
}
all_agree('they are back');

# --- a node that is stopped, not dead: out like a dead one, back as soon as it goes on
$second = a_coordinator();
my $frozen = (grep { $_ != $second } 1 .. 4)[0];
my $since  = time;
$node{$frozen}->signal('STOP');
my $pid = delete $node{$frozen}{pid};
note(sprintf 'frozen: out after %.2f s', measure('a frozen node', $frozen, $since));
$node{$frozen}{pid} = $pid;
$node{$frozen}->signal('CONT');
$devices{"Custom:of$frozen"} = 'INUSE';
$mailboxes{"of$frozen\@default"} = "$frozen/0/0";
all_agree('it goes on: back again');
speak($frozen);
$node{$frozen}->ok_console("devstate change Custom:of$frozen BUSY");
$devices{"Custom:of$frozen"} = 'BUSY';
all_agree('... and it can speak');

# --- the coordinator frozen: another one takes over; two never both
$coordinator = a_coordinator();
$node{$coordinator}->signal('STOP');
$pid = delete $node{$coordinator}{pid};
$since = time;
note(sprintf 'frozen coordinator: out after %.2f s', measure('a frozen coordinator', $coordinator, $since));
isnt(a_coordinator(), $coordinator, 'another one coordinates');
$node{$coordinator}{pid} = $pid;
$node{$coordinator}->signal('CONT');
$devices{"Custom:of$coordinator"} = 'INUSE' unless $coordinator == $frozen;
$devices{"Custom:of$coordinator"} = 'BUSY' if $coordinator == $frozen;
$mailboxes{"of$coordinator\@default"} = "$coordinator/0/0";
all_agree('it goes on: back again');
poll_until { 1 == grep { $_->stats->{coordinator} =~ /this node/ } living() } 'one says that it coordinates';

# --- with a long lease: a stop is seen at once, and so is a restart after kill -9
$node{1}->stop;
delete $devices{'Custom:of1'};
delete $mailboxes{'of1@default'};
my $long = 300;
$node{1}->write_conf(options => "lease=$long");
$node{1}->start;
$devices{'Custom:of1'} = $frozen == 1 ? 'BUSY' : 'INUSE';
$mailboxes{'of1@default'} = '1/0/0';
all_agree('a node with a long lease');
$since = time;
$node{1}->stop;
my $took = measure('a stop', 1, $since);
note(sprintf 'a stop: out after %.2f s', $took);
cmp_ok($took, '<', $long, 'a stop is seen before its lease is over');
$node{1}->start;
my $backend = "select count(*) from pg_stat_activity where usename = 'node_server1'";
poll_until { $pg->psql($backend) } 'it is there again';
$node{1}->kill('KILL');
poll_until { $pg->psql($backend) eq '0' } 'killed, and the server has noticed';
$since = time;
$node{1}->start;
$took = time - $since;
note(sprintf 'restart after kill -9: ready after %.2f s', $took);
cmp_ok($took, '<', $long, 'a restart on the same host does not wait for the end of its lease');
$devices{'Custom:of1'} = $frozen == 1 ? 'BUSY' : 'INUSE';
$mailboxes{'of1@default'} = '1/0/0';
all_agree('... with all it held');
unlike($node{1}->log, qr/held by another living process/, '... and was not refused');

# --- the last one is killed: nobody is left to reap, SQL knows all the same
$node{1}->stop;
$_->kill('KILL') for living();
poll_until { $pg->psql('select count(*) from pgdevstate.device') == 0 } 'SQL: nothing is left';
done_testing();
