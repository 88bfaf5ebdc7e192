# The database restarts, crashes, ends sessions while several nodes write: afterwards all nodes,
# their hints and SQL know the same, and what was said last of everything is what they know.
use lib 'tests/flow/lib';
use Flow;
use Fcntl;
use Time::HiRes qw(time sleep);

use constant F_SETPIPE_SZ => 1031;
my @states  = qw(UNKNOWN NOT_INUSE INUSE BUSY INVALID UNAVAILABLE RINGING RINGINUSE ONHOLD);
my @weakest_first = qw(INVALID UNKNOWN UNAVAILABLE NOT_INUSE ONHOLD RINGING INUSE BUSY RINGINUSE);
my $devices = 30;
my $seed    = $ENV{SEED} // time;
note("SEED=$seed");

sub sum_of {
    my %has = map { $_ => 1 } @_;
    return 'RINGINUSE' if $has{RINGING} && ($has{INUSE} || $has{BUSY} || $has{ONHOLD});
    return (grep { $has{$_} } @weakest_first)[-1];
}

my $dialplan = "[default]\n" . join '', map {"exten => $_,hint,SIP/$_\n"} 1 .. $devices;
my $pg = Flow::Pg->new;
my @nodes = map { $pg->node("server$_", dialplan => $dialplan) } 1 .. 3;
$_->spawn for @nodes;
$_->wait_ready for @nodes;

# A process that changes states of one node as fast as they are acknowledged, until it is told
# to stop; then it leaves what it said last of each device in a file.
my @says = map { {} } @nodes;
my $round = 0;

sub load_start {
    my ($i) = @_;
    my $base = "$Flow::DIR/load.$i";
    unlink "$base.stop", "$base.said", "$base.begun";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{TERM} = $SIG{PIPE} = 'DEFAULT';
        srand($seed + 10 * $round + $i);
        pipe(my $out, my $in) or POSIX::_exit(126);
        fcntl($in, F_SETPIPE_SZ, 4096);
        my $client = fork // POSIX::_exit(126);
        if ($client == 0) {
            open(STDIN,  '<&', $out)         or POSIX::_exit(126);
            open(STDOUT, '>',  "$base.out")  or POSIX::_exit(126);
            open(STDERR, '>',  "$base.err")  or POSIX::_exit(126);
            close $in;
            exec("$Flow::BIN/pgdevstate", '-C', $nodes[$i]{conf}, '-r') or POSIX::_exit(127);
        }
        close $out;
        my %said = %{ $says[$i] };
        until (-e "$base.stop") {
            my $device = 'SIP/' . (1 + int rand $devices);
            my $state  = exists $said{$device} && rand() < 0.15 ? undef : $states[ rand @states ];
            syswrite $in, defined $state ? "devstate change $device $state\n" : "devstate remove $device\n";
            defined $state ? $said{$device} = $state : delete $said{$device};
        }
        close $in;
        waitpid $client, 0;
        spew("$base.said", JSON::PP->new->encode([$?, \%said]));
        POSIX::_exit(0);
    }
    return $pid;
}

sub load_stop {
    my ($i, $pid) = @_;
    spew("$Flow::DIR/load.$i.stop", '');
    waitpid $pid, 0;
    my ($status, $said) = @{ JSON::PP->new->decode(slurp("$Flow::DIR/load.$i.said")) };
    is($status, 0, "... the changes of server" . ($i + 1) . ' were taken') or diag(slurp("$Flow::DIR/load.$i.err"));
    $says[$i] = $said;
}

sub rows_sent { return $_[0]->stats->{rows_sent} }

sub all_write {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @before = map { rows_sent($_) } @nodes;
    poll_until {
        my @now = map { rows_sent($_) } @nodes;
        $Flow::last_seen = "@before -> @now\n" . join '', map { $_->console('core show settings') } @nodes;
        @nodes == grep { $now[$_] >= $before[$_] + 10 } 0 .. $#nodes
    } $name;
}

sub all_agree {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my (%sums, %hints);
    for my $n (1 .. $devices) {
        my @set = grep {defined} map { $_->{"SIP/$n"} } @says;
        $sums{"SIP/$n"} = sum_of(@set) if @set;
        $hints{$n} = @set ? sum_of(@set) : 'INVALID';
    }
    agree($name, { devices => \%sums, mailboxes => {} }, $pg, @nodes);
    for my $node (@nodes) {
        my %has = map { $_->{exten} => $_->{device_state} } @{ $node->json('core show hints') };
        is_deeply(\%has, \%hints, "... and the hints of $node->{name}");
    }
}

sub backends {
    return split /\n/, $pg->psql("select pid from pg_stat_activity where application_name = 'pgdevstated' and datname = current_database()");
}

sub under_load {
    my ($name, $fault) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $round++;
    my @pids = map { load_start($_) } 0 .. $#nodes;
    all_write("$name: all write before");
    $fault->();
    poll_until { $pg->psql('select 1') } "$name: the server is there again";
    all_write("$name: all write afterwards");
    load_stop($_, $pids[$_]) for 0 .. $#pids;
    all_agree("$name: all know what was said last");
    is(scalar(grep { !$_->running } @nodes), 0, "$name: all nodes run");
}

under_load('no fault',             sub { });
under_load('restart -m fast',      sub { $pg->restart('fast') });
under_load('restart -m immediate', sub { $pg->restart('immediate') });
under_load('kill -9 of a backend', sub { $pg->crashed('the server has crashed', sub { kill 'KILL', (backends())[0] }) });
under_load('kill -9 of the postmaster', sub {
    $pg->kill9;
    poll_until { eval { $pg->start; 1 } } 'it starts again';
});
under_load('all sessions are ended', sub {
    $pg->psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ '^pgdevstated' and datname = current_database()");
});
my $rewinds = 0;
$rewinds += $_->stats->{rewinds} for @nodes;
note("rewinds: $rewinds");
is($_->stats->{payloads_bad}, 0, "$_->{name} heard nothing wrong") for @nodes;

# --- the database is away: each goes on with what it knows, and its own word counts there
my ($a, $b, $c) = @nodes;
$_->ok_console('devstate change Custom:x NOT_INUSE') for $a, $b;
poll_until { ($c->devices->{'Custom:x'} // '') eq 'NOT_INUSE' } 'a state of two';
$c->write_conf(options => 'stale_after=1', dialplan => $dialplan . "exten => x,hint,Custom:x\n");
$c->ok_console('core reload');
$c->ok_console('devstate change Custom:own BUSY');
poll_until { ($_->devices->{'Custom:own'} // '') eq 'BUSY' } "a state of the third, on $_->{name}" for $a, $b;
my $known = $b->devices;
$pg->stop;
poll_until { $_->stats->{phase} =~ /^(?:down|connecting)$/ } "$_->{name} notices" for @nodes;
my ($out, $err, $status) = $a->run('devstate change Custom:x INUSE');
is($status, 0, 'a change is taken');
like($out, qr/has not acknowledged it within 2 s/, '... and said to wait');
is($a->devices->{'Custom:x'}, 'INUSE', 'it counts where it was made');
is_deeply($b->devices, $known, 'the others go on with what they knew');
like($b->console('cluster show members'), qr/Not connected \((?:down|connecting)\): this is what was known last/, 'members: said to be old');
my $settings = $b->json('core show settings');
is($settings->{database}, 'not connected', 'settings: not connected');
like($settings->{last_error}, qr/\Q$pg->{dir}\E/, '... and why');
($out, $err, $status) = $b->run('cluster ping');
is($status, 1, 'cluster ping fails');
like($err, qr/Cannot ask the members: not connected to the database/, '... and says why');

# stale_after = 1: what others said is dropped, one's own stays
poll_until { contents_like(Flow::as_text($c->devices), qr/\A\{\s*"Custom:own" : "BUSY"\s*\}\s*\z|\A(?!.*Custom:x)/s) } 'stale_after: what others said is dropped';
my ($hint) = @{ $c->json('core show hint x') };
is($hint->{state}, 'Idle', '... also for hints');
is($c->devices->{'Custom:own'}, 'BUSY', '... but not its own');
my $shown = $c->json('devstate show Custom:x');
is($shown->{entities}, 0, '... nobody counts');
like($shown->{statements}[0]{why_not}, qr/away for longer than stale_after/, '... it says why');
is_deeply($b->devices, $known, 'where stale_after is longer nothing is dropped');

# Back-off: it tries less and less often, and does not fill the log.
my $errors = () = $b->log =~ / ERROR /g;
poll_until { $b->json('core show settings')->{phase} =~ /^(?:down|connecting)$/ } 'still trying';
cmp_ok($errors, '<', 30, 'the log has a line for a new reason only');

$pg->start;
$_->wait_ready for @nodes;
poll_until { ($c->devices->{'Custom:x'} // '') eq 'INUSE' } 'it is back: the change is delivered';
($hint) = @{ $c->json('core show hint x') };
is($hint->{state}, 'InUse', '... to hints');
agree('all agree', undef, $pg, @nodes);
poll_until { contents_like($b->console('cluster ping'), qr/^3 of 3 members answered$/m) } 'cluster ping';

$_->signal('TERM') for @nodes;
is($_->wait_exit, 0, "$_->{name} stopped") for @nodes;
done_testing();
