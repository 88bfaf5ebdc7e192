# The commands: each one with its help, text and JSON, exit statuses; many clients, clients that break
# off, that talk nonsense or do not read; a terminal; and the ways to stop a node.
use lib 'tests/flow/lib';
use Flow;
use IO::Pty;
use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

my $dialplan = <<'END';
[default]
exten => 1,hint,Custom:x
exten => say,1,NoOp(hello)
exten => slow,1,Wait(600)
exten => set,1,Set(DEVICE_STATE(Custom:x)=INUSE)
END
my $pg = Flow::Pg->new;
my ($a, $b) = map { $pg->node("server$_", dialplan => $dialplan) } 1, 2;
$_->spawn for $a, $b;
$_->wait_ready for $a, $b;
my $socket = "$a->{dir}/pgdevstated.ctl";
$a->ok_batch('something to show', 'devstate change Custom:x INUSE', 'mailbox set 1000 1', 'devstate change Custom:gone BUSY');
poll_until { @{ $a->json('cluster show members') } == 2 } 'both know each other';

# --- every command: help, text, JSON
my %arguments = (
    'core show hint' => '1@default', 'core set debug' => '1', 'core set verbose' => '2', 'console dial' => 'say@default',
    'devstate show' => 'Custom:x', 'devstate change' => 'Custom:x RINGING', 'devstate remove' => 'Custom:gone',
    'mailbox show' => '1000', 'mailbox set' => '1000 2', 'mailbox remove' => '1000', 'dialplan show' => 'default',
    'cluster notify' => 'auto',
    'policy set' => 'device Custom:none latest', 'policy clear' => 'device Custom:none',
);
$pg->psql('grant execute on function pgdevstate.set_policy, pgdevstate.clear_policy, pgdevstate.set_notify_mode to pgdevstate_node');
my @commands = @{ $a->json('help') };
cmp_ok(scalar @commands, '>=', 25, 'help lists the commands');
my $help = $a->ok_console('help');
for my $command (@commands) {
    my $words = $command->{command};
    like($help, qr/^ +\Q$words\E  \S/m, "help has $words");
    my ($out, $err, $status) = $a->run("help $words");
    is($status, 0, "help $words");
    like($out, qr/^Usage: \Q$words\E.*\n +\S.*\.$/m, '... says how to use it');
    next if $words =~ /^core stop/;
    for my $json (0, 1) {
        $a->run('devstate change Custom:gone BUSY') if $words eq 'devstate remove';
        $a->run('mailbox set 1000 1')               if $words eq 'mailbox remove';
        $a->run('policy set device Custom:none local') if $words eq 'policy clear';
        my $line = join ' ', $words, $arguments{$words} // ();
        ($out, $err, $status) = Flow::client('-s', $socket, $json ? '--json' : (), '-x', $line);
        is("$status $err", '0 ', "$line" . ($json ? ' --json' : ''));
        isnt($out, '', '... prints something');
        ok(eval { ref JSON::PP->new->utf8->decode($out) }, '... which is JSON') or diag($out) if $json;
    }
    if ($command->{arguments} !~ /^\[|^$/) {
        ($out, $err, $status) = $a->run($words);
        is($status, 1, "$words without arguments fails");
        like($err, qr/^Usage: \Q$words $command->{arguments}\E$/m, '... and says how to use it');
    }
    ($out, $err, $status) = $a->run("$words too many words for any of them, really");
    is($status, 1, "$words with too many arguments fails") unless $words eq 'help';
}
$a->ok_batch('back to normal', 'core set debug 0', 'core set verbose 3', 'devstate change Custom:x INUSE', 'mailbox set 1000 1');

# --- failures: exit status 1, a message, also as JSON
for my $case (
    ['core shwo hints', qr/No such command 'core shwo hints'; did you mean 'core show hints'\? \('help' lists all\)/],
    ['core show', qr/The command is not complete; commands that begin so:\n.*core show hints/s],
    ['bogus', qr/No such command 'bogus'/],
    ['c s h', qr/ambiguous|not complete|No such command/],
    ['help bogus', qr/No such command/],
    ['core show hint 99@nowhere', qr/No hints matching extension 99\@nowhere/],
    ['core set debug much', qr/'much' is not a level: a number from 0 to 99, or off/],
    ['console dial nobody@default', qr/Cannot dial nobody\@default: .*nobody/],
    ['console dial say@nowhere', qr/Cannot dial say\@nowhere: .*nowhere/],
    ['console dial 1', qr/Cannot dial 1\@default/],
    ['cluster ping nobody', qr/No living member has the name or entity id nobody/],
    ['dialplan show nowhere', qr/There is no context 'nowhere'/],
    ['dialplan show nobody@default', qr/There is no extension 'nobody' in context 'default'/],
    ['devstate change Custom:x IN_USE', qr/'IN_USE' is no device state/],
    ['devstate change "x', qr/a double quote is not closed/],
) {
    my ($line, $says) = @$case;
    my ($out, $err, $status) = $a->run($line);
    is($status, 1, "$line: exit status 1");
    is($out, '', '... no output');
    like($err, $says, '... a message');
    ($out, $err, $status) = Flow::client('-s', $socket, '--json', '-x', $line);
    is($status, 1, '... as JSON, too');
    my $doc = eval { JSON::PP->new->utf8->decode($out) };
    like(ref $doc eq 'HASH' ? $doc->{error} : $doc, $says, '... as JSON: the message');
}
is(($a->run(''))[2], 0, 'an empty command is none');

# --- abbreviations, quotes
like($a->ok_console('clu sh mem'), qr/Cluster Members/, 'words can be shortened');
like($a->ok_console('  core   show "version"  '), qr/^pgdevstate \d/, 'blanks and quotes');

# --- ping
my $ping = poll_until { my ($o) = $a->run('cluster ping'); contents_like($o, qr/^2 of 2 members answered$/m) && $o } 'both answer within its 2 s';
like($ping, qr/^server$_ \(02:00:00:00:00:0$_\): \d+\.\d{3} ms$/m, "server$_ answers") for 1, 2;
poll_until { contents_like($a->console('cluster ping server2'), qr/^1 of 1 members answered$/m) } 'one of them';
$b->signal('STOP');
my ($out, $err, $status);
poll_until { ($out, $err, $status) = $a->run('cluster ping'); contents_like($out, qr/^1 of 2 members answered$/m) } 'one is stopped, the other one answers';
$b->signal('CONT');
is($status, 1, '... exit status 1');
like($out, qr/^server2 \(02:00:00:00:00:02\): no answer within 2 s$/m, '... and which does not');

# --- wrong usage, no daemon
for my $case ([['-x'], qr/requires an argument/], [['-z'], qr/invalid option/], [[], qr/give -r or -x/], [['-r', 'core show hints'], qr/no option/],
    [['-C', 'x', '-s', 'y', '-r'], qr/give -C or -s, not both/], [['-C', '/nonexistent', '-x', 'help'], qr{/nonexistent: cannot be read}],
    [['-s', '/nonexistent/socket', '-x', 'help'], qr{/nonexistent/socket}], [['-s', $a->{conf}, '-x', 'help'], qr/\Q$a->{conf}\E/]) {
    my ($args, $says) = @$case;
    ($out, $err, $status) = Flow::client(@$args);
    is($status, 2, "pgdevstate @$args: exit status 2");
    like($err, $says, '... and why');
}
like((Flow::client('--version'))[0], qr/^pgdevstate \d/, '--version');
like((Flow::client('--help'))[0], qr/^Usage: pgdevstate/, '--help');

# --- a script: each line is run, the worst status counts
($out, $err, $status) = $a->batch('core show version', 'bogus', 'core show version', 'quit', 'bogus again');
is($status, 1, 'a script with a mistake');
is(() = $out =~ /^pgdevstate \d/mg, 2, '... goes on behind it');
unlike($err, qr/again/, '... up to quit');

# --- many at once, and more than there may be
my @clients = map {
    my $s = IO::Socket::UNIX->new(Peer => $socket) or die "$socket: $!";
    print {$s} "1 open 6\nscript1 run 17\nconsole dial slow";
    $s->flush;
    $s;
} 1 .. 60;
like($a->ok_console('core show version'), qr/^pgdevstate/, 'sixty clients that wait disturb nobody');
my @more = map { IO::Socket::UNIX->new(Peer => $socket) } 1 .. 10;
poll_until { my ($o, $e, $s) = $a->run('core show version'); $s == 2 && contents_like($e, qr/\S/) } 'too many are told so';
undef @more;
$_->close for splice @clients, 0, 30;
poll_until { ($a->run('core show version'))[2] == 0 } 'when some leave, there is room again';
poll_until { contents_like($a->log, qr/client left while its command was running: cancelled/) } 'the log knows of commands that were broken off';
undef @clients;

# --- nonsense on the socket
sub sends {
    my ($name, $bytes, $says) = @_;
    my $s = IO::Socket::UNIX->new(Peer => $socket) or die "$socket: $!";
    $s->syswrite($bytes);
    my $got = '';
    my $deadline = time + $Flow::DEADLINE;
    while (time < $deadline && IO::Select->new($s)->can_read($deadline - time)) {
        sysread($s, $got, 4096, length $got) or last;
    }
    like($got, $says, $name);
}
sends('no frame', "GET / HTTP/1.0\r\n\r\n", qr/^1 bye \d+\n/);
sends('a frame too long', "1 run 99999999\n", qr/^1 bye \d+\n/);
sends('a length that is none', "1 run -1\nx", qr/^1 bye \d+\n/);
sends('another version', "2 open 4\nonce", qr/^1 bye \d+\n/);
sends('run before open', "1 run 4\nhelp", qr/^1 bye \d+\n.*before 'open'/);
sends('a frame of the daemon', "1 open 4\nonce1 out 1\nx", qr/1 bye \d+\n.*only the daemon sends/);
sends('two commands at once', "1 open 4\nonce1 run 17\nconsole dial slow1 run 4\nhelp", qr/1 bye \d+\n.*while its last one was running/);
sends('bytes', join('', map {chr} 0 .. 255) x 300, qr/^1 bye \d+\n/);
like($a->ok_console('core show version'), qr/^pgdevstate/, 'the node goes on');

# --- clients that are killed in the middle of a command
$a->ok_console('core set debug 2');
for my $n (1 .. 5) {
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open(STDOUT, '>', '/dev/null') or POSIX::_exit(126);
        exec("$Flow::BIN/pgdevstate", '-s', $socket, '-x', 'console dial slow') or POSIX::_exit(127);
    }
    my $before = () = $a->log =~ /client left/g;
    poll_until { contents_like($a->log, qr/command pid=$pid .*line=console dial slow/) } "client $n dials";
    kill 'KILL', $pid;
    waitpid $pid, 0;
    poll_until { (() = $a->log =~ /client left/g) > $before } '... is killed, and its command is cancelled';
}
$a->ok_console('core set debug 0');

# --- one that does not read a long listing
$pg->psql(q{select pgdevstate.set_device_state(array_agg('Custom:' || repeat('x', 200) || n), array_agg('INUSE'::text)) from generate_series(1, 4000) n});
poll_until { $a->stats->{devices} >= 4000 } 'many devices';
my $lazy = IO::Socket::UNIX->new(Peer => $socket) or die;
$lazy->syswrite("1 open 6\nscript1 run 13\ndevstate list");
my $list = $a->ok_console('devstate list');
is(() = $list =~ /^--- Name: /mg, 4001, 'a reader gets all') or diag(substr $list, -500);
my $bytes = 0;
my $chunk = '';
while ($chunk !~ /1 end 1\n0\z/ && IO::Select->new($lazy)->can_read($Flow::DEADLINE)) {
    my $n = sysread($lazy, $chunk, 65536, length $chunk > 100 ? ($chunk = substr($chunk, -100), 100)[1] : length $chunk) or last;
    $bytes += $n;
}
cmp_ok($bytes, '>', 4000 * 200, 'the lazy one, too, when it reads');
undef $lazy;
is(scalar @{ $a->json('devstate list Custom:xxxx*') }, 4000, 'a pattern, as JSON');
$pg->psql(q{select pgdevstate.remove(entity_id) from pgdevstate.member where name = 'sql'});
poll_until { $a->stats->{devices} < 10 } 'the administrator removes an entity';

# --- a terminal
{
    my $pty = IO::Pty->new;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $ENV{TERM} = 'dumb';
        $ENV{HOME} = $Flow::DIR;
        # libedit never frees the two texts of a function that one adds to it.
        $ENV{LSAN_OPTIONS} = 'print_suppressions=0:suppressions=' . spew("$Flow::DIR/lsan", "leak:wcsdup\n");
        $pty->make_slave_controlling_terminal;
        my $tty = $pty->slave;
        open(STDIN,  '<&', $tty);
        open(STDOUT, '>&', $tty);
        open(STDERR, '>&', $tty);
        exec("$Flow::BIN/pgdevstate", '-s', $socket, '-r') or POSIX::_exit(127);
    }
    $pty->close_slave;
    my $seen = '';
    my $expect = sub {
        my ($re, $name) = @_;
        my $deadline = time + $Flow::DEADLINE;
        until ($seen =~ s/\A.*?$re//s) {
            last if time > $deadline;
            next unless IO::Select->new($pty)->can_read(0.2);
            sysread($pty, $seen, 4096, length $seen) or last;
        }
        local $Test::Builder::Level = $Test::Builder::Level + 1;
        time > $deadline ? (fail($name), diag($seen)) : pass($name);
    };
    $expect->(qr/server1\*CLI> /, 'a terminal: the prompt');
    print {$pty} "core show ver\t\n";
    $expect->(qr/pgdevstate \d+\.\d+.*server1\*CLI> /s, '... completion, and a command');
    print {$pty} "bogus\n";
    $expect->(qr/No such command 'bogus'.*server1\*CLI> /s, '... a mistake');
    $a->ok_console('console dial say');
    $expect->(qr/-- Executing \[say\@default:1\] NoOp\("Console\/dsp", "hello"\) in new stack/, '... what others dial is shown');
    print {$pty} "quit\n";
    my $deadline = time + $Flow::DEADLINE;
    while (waitpid($pid, POSIX::WNOHANG) == 0 && time < $deadline) { sysread($pty, $seen, 4096, length $seen) if IO::Select->new($pty)->can_read(0.05) }
    is($?, 0, '... quit') or diag($seen);
}

# --- stopping
like($b->ok_console('core stop gracefully'), qr/^Stopping: what waits for the database is delivered first\.$/m, 'core stop gracefully');
is($b->wait_exit, 0, '... it ends');
($out, $err, $status) = $b->run('core show version');
is($status, 2, 'a console without its daemon: exit status 2');
like($err, qr{\Q$b->{dir}\E/pgdevstated\.ctl.*is pgdevstated running|\Q$b->{dir}\E/pgdevstated\.ctl}i, '... and which socket');
my $waiting = IO::Socket::UNIX->new(Peer => $socket) or die;
$waiting->syswrite("1 open 6\nscript1 run 17\nconsole dial slow");
like($a->ok_console('core stop now'), qr/^Stopping now\.$/m, 'core stop now');
is($a->wait_exit, 0, '... it ends, whoever waits');
ok(!-e $socket, '... and its socket is gone');
done_testing();
