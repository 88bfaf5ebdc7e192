# A device is told ahead of being written: others show it while its publish waits for a lock, and
# it stays right when that is over, or when the node dies before; not where `announce = no`.
use lib 'tests/flow/lib';
use Flow;

my $pg = Flow::Pg->new;
my %node = map { $_ => $pg->node($_, options => "lease=3\n") } qw(a b c);
$_->spawn for values %node;
$_->wait_ready for values %node;
my ($psql, $to_psql);

sub lock_head {
    my ($of) = @_;
    unlink "$Flow::DIR/locked";
    $psql = open($to_psql, '|-', 'psql', '-XAtq', '-o', "$Flow::DIR/locked", $pg->conninfo) or die "psql: $!";
    $to_psql->autoflush(1);
    print {$to_psql} "begin; select 'locked' from pgdevstate.entity where entity_id = '$of->{entity_id}' for update;\n";
    return poll_until { -e "$Flow::DIR/locked" && slurp("$Flow::DIR/locked") =~ /locked/ } "the head row of $of->{name} is locked";
}

sub unlock_head {
    print {$to_psql} "rollback;\n";
    close $to_psql;
    return;
}

# Who says it waits for the database, and nobody for who says it.
sub say_beside {
    my ($who, $device, $state) = @_;
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    open STDOUT, '>', '/dev/null' or die $!;
    open STDERR, '>', '/dev/null' or die $!;
    exec "$Flow::BIN/pgdevstate", '-C', $who->{conf}, '-x', "devstate change $device $state" or die "pgdevstate: $!";
}

sub shows { my ($who, $device) = @_; return $who->devices->{$device} // '-' }
sub written { my ($device) = @_; return $pg->psql("select state from pgdevstate.entity_device where device = '$device'") }

# The first change finds no session for announcements, and makes it.
my $round = 0;
poll_until {
    my $state = $round++ % 2 ? 'INUSE' : 'BUSY';
    $node{$_}->ok_batch("$_ speaks", "devstate change Custom:$_ $state") for qw(a c);
    $node{a}->stats->{announced} > 0 && $node{c}->stats->{announced} > 0
} 'both announce';

lock_head($node{a});
my $pid = say_beside($node{a}, 'Custom:x', 'INUSE');
poll_until { shows($node{b}, 'Custom:x') eq 'INUSE' && shows($node{c}, 'Custom:x') eq 'INUSE' } 'others show what waits to be written';
is(written('Custom:x'), '', '... and it is not');
unlock_head();
waitpid $pid, 0;
is($?, 0, 'who said it hears that it is done');
poll_until { written('Custom:x') ne '' } 'it is written';
agree('all agree', { devices => $node{a}->devices, mailboxes => {} }, $pg, values %node);
is($node{b}->stats->{taken_back}, 0, 'b took nothing back');

# said, announced, unsaid, all before it could be written
lock_head($node{a});
$pid = say_beside($node{a}, 'Custom:y', 'RINGING');
poll_until { shows($node{b}, 'Custom:y') eq 'RINGING' } 'b shows it ringing';
my $second = say_beside($node{a}, 'Custom:y', 'NOT_INUSE');
poll_until { shows($node{b}, 'Custom:y') eq 'NOT_INUSE' } '... and idle';
unlock_head();
waitpid $_, 0 for $pid, $second;
poll_until { written('Custom:y') ne '' && shows($node{c}, 'Custom:y') eq 'NOT_INUSE' } 'idle is what is written, and shown by all';

# the node dies in between
lock_head($node{c});
$pid = say_beside($node{c}, 'Custom:z', 'INUSE');
poll_until { shows($node{b}, 'Custom:z') eq 'INUSE' } 'b shows what c announced';
$node{c}->kill('KILL');
unlock_head();
waitpid $pid, 0;
poll_until { shows($node{b}, 'Custom:z') eq '-' || shows($node{b}, 'Custom:z') eq 'INVALID' } 'c is dead, and its word is no more';
poll_until { !grep { $_->{name} eq 'c' && $_->{member} } @{ $node{b}->json('cluster show members') } } 'nor is c a member';

# announce = no
$node{a}->write_conf(options => "lease=3\nannounce=no\n");
$node{a}->ok_batch('reload', 'core reload');
my $announced = $node{a}->stats->{announced};
lock_head($node{a});
$pid = say_beside($node{a}, 'Custom:x', 'BUSY');
poll_until { $node{a}->stats->{unsent} } 'it waits';
is(shows($node{b}, 'Custom:x'), 'INUSE', 'b goes on with what is written');
unlock_head();
waitpid $pid, 0;
poll_until { shows($node{b}, 'Custom:x') eq 'BUSY' } 'then it is told';
is($node{a}->stats->{announced}, $announced, 'nothing was announced');

$_->stop for grep { $_->{pid} } values %node;
done_testing();
