# The daemon as a service: background and foreground, its pid file and lock, signals, the log,
# and what keeps it from starting.
use lib 'tests/flow/lib';
use Flow;
use Time::HiRes qw(time);

my $pg = Flow::Pg->new;
my $program = "$Flow::BIN/pgdevstated";
my $log;

# A node that logs into a file, as a daemon does.
sub node {
    my ($name, %opt) = @_;
    my $node = $pg->node($name, %opt);
    $node->write_conf(options => "log_file=$node->{dir}/file.log\n" . ($opt{options} // ''));
    return $node;
}
sub file_log { return slurp("$_[0]{dir}/file.log") }
sub pid_of { return (split ' ', slurp("$_[0]{dir}/pgdevstated.pid"))[0] // 0 }
sub lives { my ($pid) = @_; return $pid && slurp("/proc/$pid/stat") =~ /\) [^Z] / }

# --- the background: who started it comes back when it is ready to be asked
my $node = node('server1');
my ($out, $err, $status) = run_command('setpriv', '--pdeathsig', 'clear', $program, '-C', $node->{conf});
is("$status $out$err", '0 ', 'without -f the start comes back, with status 0 and no words');
my $pid = pid_of($node);
ok(lives($pid), 'the daemon lives on, with the pid in its pid file');
END { kill 'KILL', $pid if $pid && lives($pid) }
like($node->ok_console('core show settings'), qr/Process ID: +$pid\n/, 'it answers at once');
poll_until { $node->json('core show settings')->{phase} eq 'ready' } 'it becomes ready';
is((split ' ', slurp("/proc/$pid/stat") =~ s/.*\) //sr)[3], $pid, 'it leads a session of its own');
is(readlink("/proc/$pid/cwd"), '/', 'it works in /');
is(readlink("/proc/$pid/fd/$_"), '/dev/null', "file descriptor $_") for 0 .. 2;
like(file_log($node), qr/NOTICE .*pgdevstated \S+ starts entity=\Q$node->{entity_id}\E name=server1 pid=$pid.*NOTICE .*ready site=1/s, 'the log has its story');

# --- one daemon for a run directory
for my $args (['-f'], []) {
    ($out, $err, $status) = run_command($program, @$args, '-C', $node->{conf});
    is($status, 1, "a second one @$args: exit status 1");
    like($err, qr{another pgdevstated \(pid $pid\) holds \Q$node->{dir}\E/pgdevstated\.pid: stop it, or give this one another run_directory in \[options\]}, '... names the first one');
}
like($node->ok_console('core show version'), qr/^pgdevstate/, '... which is not disturbed');

# Another run directory, but the same socket
my $other = node('other', options => "socket=$node->{dir}/pgdevstated.ctl\n");
($out, $err, $status) = run_command($program, '-f', '-C', $other->{conf});
is($status, 1, 'a second one on the same socket: exit status 1');
like($err, qr/\Q$node->{dir}\E\/pgdevstated\.ctl/, '... names the socket');
like($node->ok_console('core show version'), qr/^pgdevstate/, '... the first one keeps it');

# --- the log is opened again when it was rotated
rename "$node->{dir}/file.log", "$node->{dir}/file.log.1" or die;
kill 'USR1', $pid;
poll_until { -e "$node->{dir}/file.log" } 'SIGUSR1: a new log file';
my $old = slurp("$node->{dir}/file.log.1");
$node->ok_console('core reload');
poll_until { contents_like(file_log($node), qr/reloaded file=/) } '... is written to';
is(slurp("$node->{dir}/file.log.1"), $old, '... the old one is not');
rename "$node->{dir}/file.log", "$node->{dir}/file.log.2" or die;
kill 'HUP', $pid;
poll_until { -e "$node->{dir}/file.log" } 'SIGHUP opens it again, too';

# --- SIGTERM: it leaves, delivers, and cleans up
my $witness = $pg->node('witness')->start;
$node->ok_console('devstate change Custom:x INUSE');
poll_until { ($witness->devices->{'Custom:x'} // '') eq 'INUSE' } 'the other one knows it';
kill 'TERM', $pid;
poll_until { !lives($pid) } 'SIGTERM: it ends';
poll_until { !exists $witness->devices->{'Custom:x'} } '... and has left the cluster';
like(file_log($node), qr/NOTICE .*stopping gracefully.*NOTICE .*stopped\n\z/s, '... its log says so');
ok(!-e "$node->{dir}/$_", "... $_ is gone") for qw(pgdevstated.pid pgdevstated.ctl);

# --- a stale pid file and a stale socket are no obstacle
spew("$node->{dir}/pgdevstated.pid", "$$\n");
$node->start;
is(pid_of($node), $node->{pid}, 'the pid file of a dead one is taken over');
$node->kill('KILL');
ok(-e "$node->{dir}/pgdevstated.ctl", 'kill -9 leaves a socket');
$node->start;
$node->ok_console('core show version');

# --- signals
$node->signal('INT');
is($node->wait_exit, 0, 'SIGINT: it ends with status 0');
$node->start;
$pg->stop;
poll_until { $node->stats->{phase} ne 'ready' } 'the database is away';
my $since = time;
$node->signal('TERM');
is($node->wait_exit, 0, 'SIGTERM without a database: it ends');
note(sprintf '... after %.2f s', time - $since);
$node->spawn;
poll_until { $node->console('core show version') } 'a start without a database';
$node->signal('TERM');
$node->signal('TERM');
is($node->wait_exit, 0, 'two SIGTERMs: it ends with status 0');
$pg->start;

# --- what keeps it from starting: also in the background the words come out, with status 1
my $bad = node('bad');
my $good = slurp($bad->{conf});
spew("$Flow::DIR/a_file", '');
for my $case (
    ['an unknown option', sub { s/\[options\]/[options]\nbogus=1/ }, qr/\Q$bad->{conf}\E:2: unknown option 'bogus'/],
    ['a run directory that cannot be made', sub { s/^run_directory=.*/run_directory=\/proc\/nowhere/m }, qr{/proc/nowhere: cannot make the run directory: .*set run_directory in \[options\]}],
    ['a run directory that is a file', sub { s/^run_directory=.*/run_directory=$Flow::DIR\/a_file/m }, qr{\Q$Flow::DIR\E/a_file: is no directory; set run_directory}],
    ['a socket with a long path', sub { s/\[options\]/'[options]' . "\nsocket=\/tmp\/" . 'x' x 120/e }, qr/has a path of 125 bytes, the system allows 107; set a shorter run_directory or socket/],
    ['a socket in no directory', sub { s/\[options\]/[options]\nsocket=\/nonexistent\/x.ctl/ }, qr{cannot open the directory /nonexistent of the console's socket: No such file}],
    ['a log that cannot be opened', sub { s/^log_file=.*/log_file=\/nonexistent\/x.log/m }, qr{/nonexistent/x\.log: cannot open the log: No such file or directory; set log_file}],
    ['a log that is a directory', sub { s/^log_file=.*/log_file=\/tmp/m }, qr{/tmp: cannot open the log: Is a directory}],
) {
    my ($what, $change, $says) = @$case;
    local $_ = $good;
    $change->();
    spew($bad->{conf}, $_);
    for my $args (['-f'], []) {
        ($out, $err, $status) = run_command($program, @$args, '-C', $bad->{conf});
        is($status, 1, "$what @$args: exit status 1");
        like($err, $says, '... and why');
        Flow::check_sanitizers($what, $err);
    }
    ok(!-e "$bad->{dir}/pgdevstated.pid", '... no pid file is left');
}
spew($bad->{conf}, $good);

# --- arguments
for my $case ([['--version'], 0, qr/^pgdevstated \d/], [['--help'], 0, qr/^Usage: pgdevstated/], [['-z'], 2, qr/invalid option.*Usage:/s],
    [['word'], 2, qr/unexpected argument "word".*Usage:/s], [['-C'], 2, qr/requires an argument/]) {
    my ($args, $expected, $says) = @$case;
    ($out, $err, $status) = run_command($program, @$args);
    is($status, $expected, "pgdevstated @$args: exit status $expected");
    like($out . $err, $says, '... and what it says');
}

# --- systemd is told
{
    require IO::Socket::UNIX;
    my $path = "$Flow::DIR/notify";
    my $socket = IO::Socket::UNIX->new(Local => $path, Type => Socket::SOCK_DGRAM()) or die;
    local $ENV{NOTIFY_SOCKET} = $path;
    $bad->start;
    my $seen = '';
    my $told = sub {
        my ($re, $name) = @_;
        poll_until {
            while (IO::Select->new($socket)->can_read(0)) { $socket->recv(my $text, 4096); $seen .= "$text\n" }
            contents_like($seen, $re)
        } $name;
    };
    require IO::Select;
    $told->(qr/^READY=1\nMAINPID=$bad->{pid}$/m, 'READY=1');
    $told->(qr/^STATUS=ready$/m, 'STATUS=ready');
    $bad->stop;
    $told->(qr/^STOPPING=1$/m, 'STOPPING=1');
}

# --- what the database did not take when the node ends is lost: the log says so
{
    my $lonely = node('lonely', conninfo => 'host=/nonexistent dbname=x user=x');
    $lonely->start;
    $lonely->ok_console('devstate change Custom:x INUSE');
    $lonely->stop;
    like(file_log($lonely), qr/WARNING daemon: the database did not take what was said last of devices and mailboxes: lost=1 .*NOTICE .*stopped\n\z/s, 'undelivered states are told');
}

$witness->stop;
$pid = 0;
done_testing();
