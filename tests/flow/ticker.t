# The ticker with real nodes: changes are heard, in order and without gaps; it is switched on and off while
# all talk; the coordinator is stopped, killed and leaves; the cluster chooses for itself.
use lib 'tests/flow/lib';
use Flow;

my $pg = Flow::Pg->new;
my @all = my ($a, $b, $c) = map { $pg->node("server$_", options => 'lease=4') } 1 .. 3;
$_->spawn for @all;
$_->wait_ready for @all;
my (%devices, $says);

sub all_say {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    agree($name, { devices => \%devices, mailboxes => {} }, $pg, grep { $_->{pid} } @all);
}

# Each node says something new of each of its devices.
sub all_talk {
    my ($times) = @_;
    my @states = qw(INUSE BUSY RINGING ONHOLD);
    for (1 .. $times) {
        for my $node (grep { $_->{pid} } @all) {
            $devices{"Custom:$node->{name}.$_"} = $states[ ++$says % 4 ] for 1 .. 3;
            $node->ok_batch("$node->{name} says $says", map {"devstate change Custom:$node->{name}.$_ $devices{\"Custom:$node->{name}.$_\"}"} 1 .. 3);
        }
    }
}

sub mode_is {
    my ($mode, $setting) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { ($Flow::last_seen = $pg->psql('select mode, setting from pgdevstate.notify_mode')) eq "$mode|$setting" } "SQL says so: $mode, $setting";
    for my $node (grep { $_->{pid} } @all) {
        poll_until {
            my $stats = $node->stats;
            $Flow::last_seen = "$stats->{notify_mode} $stats->{notify_mode_set}";
            $Flow::last_seen eq "$mode $setting"
        } "$node->{name} knows: $mode, $setting";
    }
}

sub coordinator {
    my $node;
    poll_until {
        my $name = $pg->psql('select name from pgdevstate.member where coordinator');
        ($node) = grep { $_->{pid} && $_->{name} eq $name } @all;
    } 'somebody coordinates';
    return $node;
}

sub gaps {
    my $gaps = 0;
    $gaps += $_->stats->{gaps} for grep { $_->{pid} } @all;
    return $gaps;
}

# --- who may, and what there is
mode_is('direct', 'auto');
my ($out, $err, $status) = $a->run('cluster notify ticker');
is($status, 1, 'a node may not set the notify mode');
like($err, qr/permission denied for function set_notify_mode\. The notify mode is for administrators: .*grant execute on function/, '... and says who may');
$pg->psql('grant execute on function pgdevstate.set_notify_mode to pgdevstate_node');
($out, $err, $status) = $a->run('cluster notify often');
like($err, qr/'often' is no notify mode; modes are auto, direct, ticker/, 'no such mode');

# --- the ticker
like($a->ok_console('cluster notify ticker'), qr/^Setting notify mode ticker for the cluster$/m, 'set by a node that may');
mode_is('ticker', 'ticker');
all_talk(1);
all_say('all hear all, by the ticker');
my $gaps = gaps();
all_talk(10);
all_say('... again and again');
is(gaps(), $gaps, '... without a gap');
cmp_ok($pg->psql('select count(*) from pgdevstate.change where not told'), '>', 0, '... it was left to the ticker');
cmp_ok(coordinator()->stats->{relayed}, '>', 0, '... which is the coordinator');
$pg->psql(q{select pgdevstate.set_device_state('Custom:sql', 'INUSE')});
$devices{'Custom:sql'} = 'INUSE';
all_say('SQL, too');

# --- what commits together goes in packs: 40 entities come into being, and say a word
poll_until { ($Flow::last_seen = $pg->psql('select packs from pgdevstate.ticker')) eq 't' } 'all nodes read packs';
my $payloads = $b->stats->{payloads};
$pg->psql(q{select pgdevstate.set_device_state('Custom:pack' || n, 'BUSY', 'door' || n) from generate_series(1, 40) n});
$devices{"Custom:pack$_"} = 'BUSY' for 1 .. 40;
all_say('80 changes at once');
cmp_ok($b->stats->{payloads} - $payloads, '<', 80, '... in fewer notifications');
is($b->stats->{payloads_bad}, 0, '... all of which are understood');
is(gaps(), $gaps, '... without a gap');

# --- to and fro while all talk
for my $mode (qw(direct ticker direct ticker)) {
    $pg->psql("select pgdevstate.set_notify_mode('$mode')");
    all_talk(4);
    mode_is($mode, $mode);
    all_talk(1);
    all_say("switched to $mode while all talk");
}

# --- the coordinator hangs past its lease, and goes on
my $was = coordinator();
$was->signal('STOP');
my @others = grep { $_ != $was } @all;
$others[0]->ok_console('devstate change Custom:hang BUSY');
$devices{'Custom:hang'} = 'BUSY';
poll_until { my $name = $pg->psql('select name from pgdevstate.member where coordinator'); $name && $name ne $was->{name} } 'another one coordinates';
poll_until { $others[1]->devices->{'Custom:hang'} eq 'BUSY' } 'the next coordinator tells what was said meanwhile';
$was->signal('CONT');
$_->wait_ready for @all;
poll_until { 3 == $pg->psql(q{select count(*) from pgdevstate.member where alive and kind = 'node'}) } 'it is back';
all_talk(2);
all_say('a coordinator that hung: all agree');
mode_is('ticker', 'ticker');

# --- it is killed
$was = coordinator();
$was->kill;
delete $devices{$_} for grep {/^Custom:\Q$was->{name}\E\./} keys %devices;
delete $devices{'Custom:hang'} if $was == $others[0];
all_talk(1);
all_say('a coordinator that was killed: the others agree');
$was->spawn->wait_ready;
all_talk(1);
$devices{'Custom:hang'} = 'BUSY';
$others[0]->ok_console('devstate change Custom:hang BUSY');
all_say('... it is back');
mode_is('ticker', 'ticker');

# --- it leaves: nobody waits for the next one
$was = coordinator();
ok($was->stop, 'the coordinator leaves');
my $mode = $pg->psql('select mode from pgdevstate.notify_mode where not exists (select from pgdevstate.member where coordinator)');
is($mode || 'direct', 'direct', '... and there is no ticker until there is another one');
delete $devices{$_} for grep {/^Custom:\Q$was->{name}\E\./} keys %devices;
delete $devices{'Custom:hang'} if $was == $others[0];
all_talk(1);
all_say('... the others agree');
mode_is('ticker', 'ticker');
$was->spawn->wait_ready;

# --- the cluster chooses
$devices{'Custom:hang'} = 'BUSY';
$others[0]->ok_console('devstate change Custom:hang BUSY');
all_talk(1);
$pg->psql(q{update pgdevstate.setting set value = 10 where name = 'direct_deliveries'});
$a->ok_console('cluster notify auto');
poll_until { all_talk(1); $pg->psql('select mode from pgdevstate.notify_mode') eq 'ticker' } 'many changes for so few: the ticker';
mode_is('ticker', 'auto');
all_say('... chosen, and all agree');
poll_until { $pg->psql('select mode from pgdevstate.notify_mode') eq 'direct' } 'quiet for a while: direct';
mode_is('direct', 'auto');
all_talk(1);
all_say('... all agree');
done_testing;
