# The console's client against real nodes: exit statuses, JSON, scripts, pipes, two daemons on
# one socket, and a database that is away.
use lib 'tests/flow/lib';
use Flow;
use JSON::PP ();

my $dialplan = <<'END';
[default]
exten => 1234,hint,Custom:lamp&Custom:other
exten => on,1,Set(DEVICE_STATE(Custom:lamp)=INUSE)
exten => slow,1,Wait(600)
END

my $pg = Flow::Pg->new;
my $a  = $pg->node('server1', dialplan => $dialplan)->start;
my $b  = $pg->node('server2', dialplan => $dialplan)->start;

# Every command that shows something answers valid JSON, too.
$a->ok_console('devstate change "Custom:M\"ü;=|" BUSY');
$a->ok_console('mailbox set 1000 2/1');
for my $command ('core show settings', 'core show hints', 'core show hint 1234', 'core show version', 'core show uptime',
    'cluster show members', 'cluster show channels', 'cluster show stats', 'cluster ping', 'dialplan show', 'help',
    'devstate list', 'devstate show Custom:lamp', 'mailbox list', 'mailbox show 1000', 'core set debug off',
    'core set verbose 1', 'core reload', 'console dial on', 'devstate change Custom:x RINGING', 'mailbox set 1 2 3 4') {
    my ($out, $err, $status) = Flow::client('-C', $a->{conf}, '--json', '-x', $command);
    is("$status$err", '0', "--json $command") or next;
    my $answer = eval { JSON::PP->new->utf8->decode($out) };
    ok(ref $answer, '... is a document') or diag($out);
}
my ($text) = Flow::client('-C', $a->{conf}, '--json', '-x', 'devstate list Custom:M*');
is(JSON::PP->new->utf8->decode($text)->[0]{device}, "Custom:M\"\x{fc};=|", 'a name comes back byte-exact');

# The other node, through the database
poll_until { contents_like($b->console('cluster ping server1'), qr/^server1 .*: [0-9.]+ ms\n1 of 1 members answered$/m) }
    'server1 answers a ping of server2';

# Exit statuses
for my $case (
    [1, qr/No such command 'core shwo hints'; did you mean 'core show hints'\?/, '-C', $a->{conf}, '-x', 'core shwo hints'],
    [1, qr/Usage: devstate change DEVICE STATE/, '-C', $a->{conf}, '-x', 'devstate change Custom:x'],
    [1, qr/'SLEEPING' is no device state; states are UNKNOWN, /, '-C', $a->{conf}, '-x', 'devstate change Custom:x SLEEPING'],
    [1, qr/Cannot dial nothing\@default: /, '-C', $a->{conf}, '-x', 'console dial nothing'],
    [2, qr/is pgdevstated running/, '-s', "$Flow::DIR/nobody", '-x', 'help'],
    [2, qr/cannot be read: No such file/, '-C', "$Flow::DIR/nothing.conf", '-x', 'help'],
    [2, qr/Usage: pgdevstate/, '-C', $a->{conf}],
    [2, qr/Usage: pgdevstate/, '-C', $a->{conf}, 'core', 'show', 'hints'])
{
    my ($expected, $message, @args) = @$case;
    my (undef, $err, $status) = Flow::client(@args);
    is($status, $expected, "status $expected: @args");
    like($err, $message, '... and it says why');
}

# A script goes on behind a command that failed, and says so at the end.
my ($out, $err, $status) = run_with_input("core show version\nnonsense\n\ndevstate show Custom:lamp\nquit\nhelp\n",
    "$Flow::BIN/pgdevstate", '-C', $a->{conf}, '-r');
is($status, 1, 'a script with a wrong line: status 1');
like($out, qr/\Apgdevstate .*\n  Device: +Custom:lamp\n  State: +INUSE\n/, '... its other commands ran');
unlike($out, qr/console dial/, '... up to quit');
like($err, qr/No such command 'nonsense'/, '... and the wrong one is told');

# Nobody reads the output, or nothing can be read or written.
is(system('sh', '-c', "'$Flow::BIN/pgdevstate' -C '$a->{conf}' -x help | head -n 1 >/dev/null"), 0, 'a pipe that is closed early');
is(system('sh', '-c', "'$Flow::BIN/pgdevstate' -C '$a->{conf}' -x help <&- >&- 2>&-"), 0, 'no standard files at all');

# A client that is killed while its command runs
my $pid = fork // die "fork: $!";
exec("$Flow::BIN/pgdevstate", '-C', $a->{conf}, '-x', 'console dial slow') if $pid == 0;
poll_until { contents_like($a->log, qr/./) && $a->console('core show version') } 'the node answers while an extension runs';
kill 'KILL', $pid;
waitpid $pid, 0;
$a->ok_console('core show version');

# A second daemon for the same run directory names the first one's place and leaves it alone.
($out, $err, $status) = run_command("$Flow::BIN/pgdevstated", '-f', '-C', $a->{conf});
isnt($status, 0, 'a second daemon with the same configuration ends');
like($err, qr/\Q$a->{dir}\E/, '... and says where the first one is');
$a->ok_console('core show version');

# The database is away: what is set is kept, and delivered later.
$pg->stop('immediate');
like($a->ok_console('devstate change Custom:kept RINGING'), qr/it is kept, and will be delivered\.$/m, 'kept while the database is away');
like($a->ok_console('cluster show members'), qr/^=== Not connected/m, 'members are the last known ones');
(undef, $err, $status) = $a->run('cluster ping');
is($status, 1, 'a ping fails');
like($err, qr/not connected to the database/, '... and says why');
$pg->start;
poll_until { contents_like($b->console('devstate show Custom:kept'), qr/State: +RINGING/) } 'delivered when it is back';

# The end
like($a->ok_console('core stop gracefully'), qr/^Stopping/, 'core stop gracefully');
is($a->wait_exit, 0, '... ends the node');
ok(!-e "$a->{dir}/pgdevstated.ctl", '... and its socket is gone');
like($b->ok_console('core stop now'), qr/^Stopping/, 'core stop now');
is($b->wait_exit, 0, '... ends the node');

done_testing();
