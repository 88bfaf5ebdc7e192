# The configuration: a reload takes what is new; bad input of every kind is refused with file,
# line and advice, by a reload, which keeps what runs, and by a start, which ends with status 1.
use lib 'tests/flow/lib';
use Flow;

my $good_dialplan = <<'END';
[default]
exten => 1,hint,Custom:x
exten => set,1,Set(DEVICE_STATE(Custom:x)=INUSE)
END
my $pg   = Flow::Pg->new;
my $node = $pg->node('server1', dialplan => $good_dialplan)->start;
my $good = slurp($node->{conf});
my $file = "$node->{dir}/extensions.conf";

my $socket = "$node->{dir}/pgdevstated.ctl";

# By its socket: the configuration is what is broken here.
sub reload { return Flow::client('-s', $socket, @_, '-x', 'core reload') }

sub restore {
    spew($node->{conf}, $good);
    spew($file,         $good_dialplan);
}

sub hints { return join ' ', map {"$_->{exten}\@$_->{context}:$_->{devices}:$_->{state}"} @{ $node->json('core show hints') } }

# --- a reload takes what is new
like($node->ok_console('core reload'), qr/^Reloaded\.$/m, 'nothing new');
$node->ok_console('console dial set');
spew($file, "[default]\nexten => 1,hint,Custom:y&Custom:x\nexten => 2,hint,Custom:x\n[other]\nexten => 3,1,NoOp(\${EXTENSION_STATE(1\@default)})\n");
like($node->ok_console('dialplan reload'), qr/^Reloaded\.$/m, 'another dialplan');
is(hints(), '1@default:Custom:y&Custom:x:InUse 2@default:Custom:x:InUse', 'its hints have their states');
like($node->ok_console('console dial 3@other'), qr/NoOp\("Console\/dsp", "INUSE"\)/, 'its extensions run');
is(($node->run('console dial set'))[2], 1, '... those that went are gone');
spew($file, $good_dialplan);
$node->signal('HUP');
poll_until { contents_like(hints(), qr/\A1\@default:Custom:x:InUse\z/) } 'SIGHUP does the same';
like($node->log, qr/SIGHUP: reloading.*NOTICE .*reloaded file=\Q$node->{conf}\E hints=1/s, '... and says so');

spew($node->{conf}, $good =~ s/\[options\]/[options]\ndebug=1\nverbose=0\nstale_after=7/r);
$node->ok_console('core reload');
my $settings = $node->json('core show settings');
is("$settings->{debug} $settings->{verbose} $settings->{stale_after_seconds}", '1 0 7', 'options that can change, do');
spew($node->{conf}, $good =~ s/^entity_id=.*/entity_id=02:99:99:99:99:99/mr =~ s/^system_name=.*/system_name=renamed/mr =~ s/^conninfo=/conninfo=connect_timeout=3 /mr
        =~ s/\[options\]/[options]\nlease=33/r);
my $said = $node->ok_console('core reload');
for my $option (qw(entity_id system_name lease conninfo)) {
    like($said, qr/^\Q$node->{conf}\E: changed, but .*restart: .*\b$option\b/m, "... a change of $option: says that it needs a restart");
}
my ($member) = grep { $_->{this_node} } @{ $node->json('cluster show members') };
is("$member->{name} $member->{entity_id}", "server1 $node->{entity_id}", '... and is not made');
$settings = $node->json('core show settings');
is("$settings->{system_name} $settings->{entity_id} $settings->{lease_seconds}", "server1 $node->{entity_id} 10", '... settings show what is true');
restore();
$node->ok_console('core reload');

# --- bad input. Each: what it is, the file, the bad line, what is said. The line goes to the end of
# the file, or to a section.
my @cases = (
    ['an unknown option', 'options', 'debgu = 1', qr/unknown option 'debgu' in \[options\]; did you mean 'debug'\?/],
    ['an unknown option of the database', 'postgresql', 'coninfo = x', qr/unknown option 'coninfo' in \[postgresql\]; did you mean 'conninfo'\?/],
    ['an unknown option of a channel', 'mwi', 'publish = mwi', qr/unknown option 'publish' in \[mwi\]/],
    ['an unknown section', '', '[optoins]', qr/\[optoins\] has no type; did you mean \[options\]\?/],
    ['an unknown event', 'mwi', 'publish_event = devicestate', qr/publish_event: unknown event 'devicestate'; did you mean 'device_state'\?/],
    ['an unknown type', '', "[x]\ntype = event_chanel", qr/type = event_chanel: unknown type; legal: event_channel/],
    ['no entity id', 'options', 'entityid = 01:02:03:04:05', qr/not an entity id|says something else/],
    ['an entity id that is none', '=entity_id', 'entity_id=00:00:00:00:00:00', qr/not an entity id \(all 00 and all ff are none\)/],
    ['a number that is none', 'options', 'debug = much', qr/debug = much: not a whole number; legal: 0 to 99/],
    ['a number out of range', 'options', 'lease = 1', qr/lease = 1: out of range; legal: 2 to 3600 seconds/],
    ['a conninfo that is none', '=conninfo', 'conninfo=rubbish', qr/conninfo: missing "=" after "rubbish".*; write it as for psql/],
    ['a conninfo with an unknown option', '=conninfo', 'conninfo=hots=db', qr/conninfo: invalid connection option "hots"/],
    ['an empty conninfo', '=conninfo', 'conninfo=', qr/conninfo = : it is empty/],
    ['a line that is none', 'options', 'just words', qr/'just words': expected \[section\], name = value/],
    ['no UTF-8', 'options', "log_file = J\xfcrgen", qr/byte 13 \(0xfc\) is not UTF-8/],
    ['a control character', 'options', "log_file = \a", qr/byte 12 is a control character/],
    ['a template', '', '[x](y)', qr/are not supported/],
    ['an include', 'options', '#include "x.conf"', qr/are not supported/],
    ['an option twice', 'options', 'system_name = another', qr/system_name: line \d+ says something else/],
    ['an empty path', '=run_directory', 'run_directory=', qr/run_directory = : it is empty; legal: a path/],
    ['an unknown application', 'dialplan', 'exten => b,1,Dial(SIP/1)', qr/unknown application 'Dial'/],
    ['an unknown function', 'dialplan', 'exten => b,1,NoOp(${DEVICESTATE(Custom:x)})', qr/unknown function 'DEVICESTATE'; did you mean 'DEVICE_STATE'\?/],
    ['an unknown function to set', 'dialplan', 'exten => b,1,Set(MAILBOX(1)=1)', qr/unknown function 'MAILBOX'/],
    ['an unknown state', 'dialplan', 'exten => b,1,Set(DEVICE_STATE(Custom:x)=IN_USE)', qr/'IN_USE' is no device state; legal: UNKNOWN/],
    ['a function that cannot be set', 'dialplan', 'exten => b,1,Set(EXTENSION_STATE(1)=INUSE)', qr/EXTENSION_STATE\(\) can be read, not set/],
    ['counts that are none', 'dialplan', 'exten => b,1,Set(MAILBOX_COUNT(1)=x)', qr/'x' are no message counts/],
    ['a hint without a device', 'dialplan', 'exten => b,hint,', qr/hint/],
    ['a hint with an empty device', 'dialplan', 'exten => b,hint,Custom:x&', qr/bad device '' in a hint/],
    ['a second hint', 'dialplan', 'exten => 1,hint,Custom:y', qr/1\@default has a hint already, in line 2/],
    ['a hint with more', 'dialplan', 'exten => b,hint,Custom:y,CustomPresence:z', qr/only devices joined by '&' are supported/],
    ['an extension without priority', 'dialplan', 'exten => b', qr/write exten => NAME,PRIORITY,Application/],
    ['a priority that is none', 'dialplan', 'exten => b,first,NoOp()', qr/bad priority 'first'/],
    ['n without a first', 'dialplan', 'exten => b,n,NoOp()', qr/the first priority of b cannot be n; write 1/],
    ['a priority twice', 'dialplan', 'exten => set,1,NoOp()', qr/set\@default has a priority 1 already, in line 3/],
    ['a pattern', 'dialplan', 'exten => _1X,1,NoOp()', qr/bad extension '_1X': patterns are not supported/],
    ['an open bracket', 'dialplan', 'exten => b,1,NoOp(x', qr/does not end with '\)'/],
    ['an open variable', 'dialplan', 'exten => b,1,NoOp(${x)', qr/\$\{/],
    ['seconds that are none', 'dialplan', 'exten => b,1,Wait(long)', qr/Wait\(long\): write seconds/],
    ['an unknown keyword', 'dialplan', 'extn => b,1,NoOp()', qr/extn/],
);

# Puts the line in; returns the file and the number of the line that the message must name.
sub break {
    my ($where, $line) = @_;
    my $path = $where eq 'dialplan' ? $file : $node->{conf};
    my $text = $where eq 'dialplan' ? $good_dialplan : $good;
    if ($where =~ /^=(.*)/) {
        $text =~ s/^$1=.*/$line/m;
    } elsif ($where eq 'dialplan' || $where eq '') {
        $text .= "$line\n";
    } else {
        $text =~ s/^(\[$where\]\n)/$1$line\n/m or die "no section $where";
    }
    spew($path, $text);
    my $last = (split /\n/, $line)[-1];
    my @lines = split /\n/, $text;
    my ($at) = grep { $lines[ $_ - 1 ] eq $last } 1 .. @lines;
    return ($path, $at);
}

my $before = hints();
for my $case (@cases) {
    my ($what, $where, $line, $says) = @$case;
    restore();
    my ($path, $at) = break($where, $line);
    # A repeated option is told where it is the second time.
    my $number = $what =~ /^(?:an option twice|no entity id)$/ ? qr/\d+/ : $at;
    my ($out, $err, $status) = reload();
    is($status, 1, "$what: a reload fails");
    like($err, qr/^\Q$path\E:$number: .*$says.*^The running configuration is kept\.$/ms, '... says file, line, and what to do');
    my ($out2, $err2, $status2) = run_command("$Flow::BIN/pgdevstated", '-f', '-C', $node->{conf});
    is($status2, 1, '... a start ends with status 1');
    like($err2, qr/^\Q$path\E:$number: .*$says/m, '... and says the same');
    Flow::check_sanitizers($what, $err2);
}
restore();
is(hints(), $before, 'what runs is as it was');
is($node->json('core show settings')->{phase}, 'ready', '... and connected');

# --- all that is wrong is told at once
restore();
spew($node->{conf}, $good =~ s/\[options\]/[options]\ndebug=x\nlease=x\nbogus=x/r);
my ($out, $err, $status) = reload();
is(() = $err =~ /^\Q$node->{conf}\E:\d+: /mg, 3, 'three mistakes, three lines');
$node->signal('HUP');
poll_until { contents_like($node->log, qr/ERROR .*\Q$node->{conf}\E:2: debug.*ERROR .*reload failed, the running configuration is kept/s) } 'SIGHUP: the log has them';
my $json = JSON::PP->new->utf8->decode((reload('--json'))[0]);
like($json->{error}, qr/debug = x: not a whole number/, '--json has them');

# --- files that are missing, or no files
for my $case (['missing', '/nonexistent/extensions.conf', qr/No such file or directory/], ['a directory', $node->{dir}, qr/Is a directory/], ['a device', '/dev/null', qr/not a regular file/]) {
    my ($what, $path, $says) = @$case;
    spew($node->{conf}, $good =~ s/^dialplan=.*/dialplan=$path/mr);
    (undef, $err, $status) = reload();
    is($status, 1, "the dialplan is $what: a reload fails");
    like($err, qr/\Q$path\E: cannot be read: $says; /, '... says which');
    (undef, $err, $status) = run_command("$Flow::BIN/pgdevstated", '-f', '-C', $node->{conf});
    is($status, 1, '... so does a start');
    like($err, qr/\Q$path\E: cannot be read: $says; /, '... which says the same');
}
unlink $node->{conf};
(undef, $err, $status) = reload();
is($status, 1, 'the configuration is missing: a reload fails');
like($err, qr/\Q$node->{conf}\E: cannot be read: No such file or directory; write one .*The running configuration is kept/s, '... says so');
(undef, $err, $status) = run_command("$Flow::BIN/pgdevstated", '-f', '-C', $node->{conf});
is($status, 1, '... so does a start');
like($err, qr/\Q$node->{conf}\E: cannot be read: No such file or directory; write one .* or name another with -C FILE/, '... which says the same');
restore();

# --- -t tests a configuration
($out, $err, $status) = run_command("$Flow::BIN/pgdevstated", '-t', '-C', $node->{conf});
is("$status $out", "0 $node->{conf}: all is well\n", '-t: all is well');
break('options', 'debgu = 1');
($out, $err, $status) = run_command("$Flow::BIN/pgdevstated", '-t', '-C', $node->{conf});
is($status, 1, '-t: a mistake');
like($err, qr/unknown option/, '... is told');
restore();
break('dialplan', 'exten => b,hint,&');
($out, $err, $status) = run_command("$Flow::BIN/pgdevstated", '-t', '-C', $node->{conf});
is($status, 1, '-t: a mistake in the dialplan');
restore();

for my $case (['log_file', "run_directory=$Flow::DIR\nlog_file=$Flow::DIR", qr/: cannot open the log: Is a directory; set log_file/],
    ['log_file',      "run_directory=$Flow::DIR\nlog_file=$Flow::DIR/nowhere/log", qr/: cannot open the log: No such file or directory; set log_file/],
    ['run_directory', "run_directory=$node->{conf}",                             qr/: is no directory; set run_directory/])
{
    my ($name, $options, $why) = @$case;
    my $conf = spew("$Flow::DIR/t.conf", "[options]\nentity_id=02:00:00:00:00:01\n$options\n[postgresql]\nconninfo=$node->{conninfo}\n");
    ($out, $err, $status) = run_command("$Flow::BIN/pgdevstated", '-t', '-C', $conf);
    is($status, 1, "-t: a $name that cannot be used");
    like($err, $why, '... and why');
}

like($node->ok_console('core reload'), qr/^Reloaded\.$/m, 'after all of this a good one is taken');
is(hints(), $before, '... and is what it was');
$pg->restart;
$node->wait_ready;
is(hints(), $before, 'a new session with all of the old settings');
$node->stop;
done_testing();
