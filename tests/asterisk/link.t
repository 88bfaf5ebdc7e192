# The module and its node: the test is the node, so that it can say anything at any time.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::FakeNode;

my $other = '02:00:00:00:02:02';
my $third = '02:00:00:00:02:03';
my $node  = Pbx::FakeNode->new('a', entity_id => '02:00:00:00:01:01');
my $pbx   = pbx('a', node => $node, module_conf => 'stale_after=10', modules => [qw(voicemail queue)], files => {
    'extensions.conf' => <<'CONF', 'voicemail.conf' => "[general]\n[default]\n1000 => 1,One\n1001 => 1,Two\n" });
[default]
exten => 1,hint,Custom:x
exten => 2,hint,Custom:y
exten => 3,hint,PJSIP/nobody
exten => 4,hint,Custom:toggle
CONF
$pbx->spawn;
$node->greet;
$pbx->wait_booted;
my $ami = $pbx->ami;

sub hint { my ($n) = @_; return ($pbx->cli('core show hints') =~ /^\s*$n\@default\s.*State:(\S+)/m)[0] // '' }

sub shows {
    my ($what, $device, $state, $hint, $n) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Flow::poll_until {
        $node->hear;    # and answer: a node that is silent is given up
        my $now = $ami->device($device);
        die "DEVICE_STATE: $now\n" unless $now eq $state;
        return 1 unless $n;
        die 'hint: ' . hint($n) . "\n" unless hint($n) eq $hint;
        1;
    } "$what: $device is $state";
}

subtest 'dump, difference, gone' => sub {
    my $mark = $ami->mark;
    $node->say('begin', ['member', 'up', $other, 'server2', 'host2', '0.1'], ['device', 'INUSE', $other, 'Custom:x'],
        ['device', 'RINGING', $other, 'PJSIP/nobody'], ['device', 'INVALID', $third, 'Custom:y'], 'end');
    shows('dump', 'Custom:x', 'INUSE', 'InUse', 1);
    shows('dump', 'PJSIP/nobody', 'RINGING', 'Ringing', 3);
    shows('INVALID is no statement', 'Custom:y', 'UNKNOWN', 'Idle', 2);
    $ami->wait_event('a member joined', $mark, Event => 'ClusterMember', EntityID => $other, Name => 'server2', Status => 'Joined');
    $node->say(['device', 'RINGING', $third, 'Custom:x']);
    shows('two say something', 'Custom:x', 'RINGINUSE', 'InUse&Ringing', 1);
    $node->say(['device', '-', $other, 'Custom:x']);
    shows('one is gone', 'Custom:x', 'RINGING', 'Ringing', 1);
    $mark = $ami->mark;
    $node->say(['device', '-', $third, 'Custom:x'], ['device', '-', $other, 'PJSIP/nobody']);
    shows('nobody is left', 'Custom:x', 'UNKNOWN', 'Idle', 1);
    shows('nobody is left', 'PJSIP/nobody', 'INVALID', 'Unavailable', 3);
    $ami->wait_event('AMI is told the truth', $mark, Event => 'DeviceStateChange', Device => 'PJSIP/nobody', State => 'INVALID');
};

subtest 'the console' => sub {
    $node->say(map { ['device', 'INUSE', $other, $_] } 'Custom:c1', 'Custom:c two', 'PJSIP/c3');
    shows('for the console', 'PJSIP/c3', 'INUSE');
    my $completed = sub { my ($line) = @_; my ($word) = $line =~ /(\S*)$/; return $pbx->cli(qq(_command matchesarray "$line" "$word")) };
    like($completed->('pgdevstate show '), qr/\bdevice devices event mailboxes members status _EOF_/, 'its commands complete');
    like($completed->('pgdevstate show device custom:c'), qr/Custom:c two/, '... and names of devices');
    unlike($completed->('pgdevstate show device custom:c'), qr/PJSIP/, '... those that begin like that');
    for my $line ('Custom:c1', '"Custom:c two"') {
        like($pbx->cli("pgdevstate show device $line"), qr/State in Asterisk: +INUSE\n.*\Q$other\E says: +INUSE\n/s, "show device $line");
    }
    for my $line ('device', 'device Custom:c two', 'devices a b', 'members x', 'mailboxes x y', 'status x', 'event channels x') {
        like($pbx->cli("pgdevstate show $line"), qr/^Usage: pgdevstate show/, "show $line: its usage");
    }
    $node->say(map { ['device', '-', $other, $_] } 'Custom:c1', 'Custom:c two', 'PJSIP/c3');
    shows('for the console', 'PJSIP/c3', 'INVALID');
};

subtest 'what this server says' => sub {
    $node->mark;
    $pbx->cli('devstate change Custom:x BUSY');
    $node->wait_line('it is reported', qr/^device\tBUSY\tCustom:x$/);
    $pbx->cli('devstate change Custom:x INUSE');
    $node->wait_line('it is reported', qr/^device\tINUSE\tCustom:x$/);
    $node->say(['device', 'RINGING', $other, 'Custom:x']);
    shows('both', 'Custom:x', 'RINGINUSE', 'InUse&Ringing', 1);
    $node->say(['device', '-', $other, 'Custom:x']);
    shows('the own word is left', 'Custom:x', 'INUSE', 'InUse', 1);
    is(scalar(grep { /RINGING/ } @{ $node->hear }), 0, 'no echo');
};

# Where the sum does not change, there is no message but that of the word.
subtest 'what this server says under the sum' => sub {
    $node->say(['device', 'BUSY', $other, 'Custom:under']);
    shows('somebody else is busy', 'Custom:under', 'BUSY');
    my $from = $node->mark;
    for my $state (qw(NOT_INUSE INUSE RINGING INUSE)) {
        $pbx->cli("devstate change Custom:under $state");
        $node->wait_line("$state is reported, whatever the sum is", qr/^device\t$state\tCustom:under$/);
    }
    $node->say(['device', 'RINGING', $other, 'Custom:under']);
    shows('their sum', 'Custom:under', 'RINGINUSE');
    $node->say(['device', 'INUSE', $other, 'Custom:under'], ['device', 'BUSY', $third, 'Custom:under']);
    shows('a third one is busy', 'Custom:under', 'BUSY');
    $pbx->cli('devstate change Custom:last INUSE');
    $node->wait_line('a change behind all that', qr/^device\tINUSE\tCustom:last$/);
    is(join(' ', map { /^device\t(\S+)\tCustom:under$/ ? $1 : () } @{ $node->hear }[$from .. $#{ $node->hear }]),
        'NOT_INUSE INUSE RINGING INUSE', 'each word was said once, and nobody else\'s');
    $node->say(['device', '-', $other, 'Custom:under'], ['device', '-', $third, 'Custom:under']);
    shows('the own word is left', 'Custom:under', 'INUSE');
};

# Each change is said by the thread that makes it, if nobody else is at it. Not so many at a time
# that Asterisk 16's own queues grow long.
subtest 'many say something at once' => sub {
    my @amis   = map { Pbx::Ami->new($pbx->{address}, events_wanted => 'off') } 1 .. 4;
    my @states = qw(NOT_INUSE INUSE BUSY RINGING ONHOLD UNAVAILABLE RINGINUSE);
    for my $round (1 .. 10) {
        for my $n (1 .. 40) {
            $amis[$_]->send_action('Setvar', Variable => 'DEVICE_STATE(Custom:many' . ($n + $_) % 5 . ')', Value => $states[ ($n * 3 + $_ + $round) % @states ])
                for 0 .. $#amis;
        }
        Flow::poll_until {
            $_->drain for @amis;
            $node->hear;
            my @open = grep { keys %{ $amis[$_]{answers} } < 40 * $round } 0 .. $#amis;
            die "not all of @open are answered\n" if @open;
            1;
        } "round $round: all were made";
        for my $n (0 .. 4) {
            my $is = $ami->device("Custom:many$n");
            Flow::poll_until {
                my ($said) = map { /^device\t(\S+)\tCustom:many$n$/ ? $1 : () } reverse @{ $node->hear };
                $said eq $is or die "said last: $said\n";
            } "round $round: Custom:many$n: the last word is said last, $is";
        }
    }
    $_->close for @amis;
};

sub counts_are {
    my ($what, $counts) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Flow::poll_until {
        $node->hear;
        my @told = $ami->events(0, Event => 'MessageWaiting', Mailbox => '1000@default');
        my $last = @told ? ($told[-1]{New} // 0) . '/' . ($told[-1]{Old} // 0) : 'none';
        die "told last: $last\n" unless $last eq $counts;
        1;
    } "$what: 1000\@default has $counts";
}

sub leave_message {
    my ($mailbox, $n) = @_;
    my $dir = "$pbx->{dir}/spool/voicemail/default/$mailbox/INBOX";
    system('mkdir', '-p', $dir) == 0 or die;
    unlink glob "$dir/*";
    for my $i (0 .. $n - 1) {
        Flow::spew(sprintf("%s/msg%04d.%s", $dir, $i, $_), "x\n") for qw(txt wav);
    }
    $pbx->count_messages($mailbox);
}

subtest 'mailboxes' => sub {
    $node->mark;
    $node->say(['mailbox', 0, 2, 1, $other, '1000', 'default']);
    counts_are('imported', '2/1');
    $node->say(['mailbox', 0, 0, 3, $other, '1000', 'default']);
    counts_are('changed', '0/3');
    is(scalar(grep { /^mailbox/ } @{ $node->hear }[$node->{from} .. $#{ $node->hear }]), 0, 'no echo');
    $pbx->cli('module reload app_voicemail.so');
    counts_are('after app_voicemail wrote its 0/0', '0/3');
    leave_message('1000', 1);
    $node->wait_line('an own message is reported', qr/^mailbox\t0\t1\t0\t1000\tdefault$/);
    $node->say(['mailbox', '-', '-', '-', '-', '1000', 'default']);
    counts_are('the own count is the newest', '1/0');
    $node->say(['mailbox', 0, 5, 0, $other, '1000', 'default']);
    counts_are('another server', '5/0');
    $node->say(['mailbox', '-', '-', '-', '-', '1000', 'default']);
    counts_are('the own count comes back', '1/0');
    $node->say(['mailbox', 0, 7, 0, $other, '1000', 'default']);
    counts_are('a third word', '7/0');
    leave_message('1000', 2);
    $node->wait_line('it is reported', qr/^mailbox\t0\t2\t0\t1000\tdefault$/);
    counts_are('the node does not take its value back: it stands', '7/0');
    leave_message('1000', 0);
    $node->wait_line('no message is left', qr/^mailbox\t0\t0\t0\t1000\tdefault$/);
    $node->say(['mailbox', '-', '-', '-', '-', '1000', 'default'], ['mailbox', 0, 1, 0, $other, 'foreign', 'elsewhere'],
        ['mailbox', 0, 4, 0, $other, 'bare', '']);
    Flow::poll_until {
        scalar $ami->events(0, Event => 'MessageWaiting', Mailbox => 'bare', New => 4) or die 'none';
    } 'a mailbox without a context';
    $node->mark;
    $node->say(['mailbox', '-', '-', '-', '-', 'foreign', 'elsewhere'], ['mailbox', '-', '-', '-', '-', 'bare', ''],
        ['ping', 'x']);
    Flow::poll_until {
        $ami->events(0, Event => 'MessageWaiting', Mailbox => 'bare', New => 0) && $ami->events(0, Event => 'MessageWaiting', Mailbox => 'foreign@elsewhere', New => 0)
            or die 'none';
    } 'they are gone';
    $pbx->cli('devstate change Custom:marker INUSE');
    $node->wait_line('a mark', qr/Custom:marker/);
    is_deeply([grep { /^mailbox/ } @{ $node->hear }[$node->{from} // 0 .. $#{ $node->hear }]], [], 'deleting is not taken for an own word');
};

subtest 'toggles' => sub {
    $node->mark;
    my $stored = sub { ($pbx->cli('database get CustomDevstate toggle') =~ /Value: (\S+)/)[0] // 'none' };
    $node->say(['merged', 'INUSE', $other, 'Custom:toggle']);
    shows('merged', 'Custom:toggle', 'INUSE', 'InUse', 4);
    poll_until { contents_like($stored->(), qr/^INUSE$/) } 'func_devstate knows it';
    $pbx->cli('devstate change Custom:toggle NOT_INUSE');
    $node->wait_line('the press is the own word', qr/^device\tNOT_INUSE\tCustom:toggle$/);
    is(scalar(grep { /device\tINUSE\tCustom:toggle/ } @{ $node->hear }), 0, 'what was adopted is never said');
    $node->say(['merged', '-', '-', 'Custom:toggle']);
    shows('own', 'Custom:toggle', 'NOT_INUSE', 'Idle', 4);
    $node->say(['merged', 'INUSE', $third, 'Custom:toggle']);
    shows('the other presses', 'Custom:toggle', 'INUSE', 'InUse', 4);
    $node->say(['merged', 'BUSY', $third, 'Custom:toggle']);
    shows('... again', 'Custom:toggle', 'BUSY', 'Busy', 4);
    like($pbx->cli('pgdevstate show device Custom:toggle'), qr/This server says: +BUSY \(adopted/, 'the console says whose word it is');
    $node->mark;
    $pbx->cli('pgdevstate resync');
    $node->wait_line('resync', qr/^resync$/);
    $node->wait_line('a full report has the own last word', qr/^device\tNOT_INUSE\tCustom:toggle$/);
    $node->wait_line('its end', qr/^end$/);
    $node->say(['merged', '-', '-', 'Custom:toggle']);
    shows('taken back', 'Custom:toggle', 'NOT_INUSE', 'Idle', 4);
    poll_until { contents_like($stored->(), qr/^NOT_INUSE$/) } 'func_devstate has the own word again';
    $node->say(['merged', 'INUSE', $third, 'PJSIP/nobody']);
    shows('not custom', 'PJSIP/nobody', 'INUSE', 'InUse', 3);
    $node->say(['merged', '-', '-', 'PJSIP/nobody']);
    shows('not custom, taken back', 'PJSIP/nobody', 'INVALID', 'Unavailable', 3);
    $node->say(['merged', 'INUSE', $third, 'Custom:toggle']);
    shows('for the restart', 'Custom:toggle', 'INUSE', 'InUse', 4);
};

subtest 'a restart of Asterisk' => sub {
    my $from = @{ $node->hear };
    $pbx->cli('core stop now');
    $node->wait_line('goodbye', qr/^bye/);
    $pbx->wait_exit;
    $pbx->spawn;
    $node->greet;
    my @said = grep { /toggle/ } @{ $node->hear };
    is_deeply(\@said, ["device\tNOT_INUSE\tCustom:toggle"], 'what was adopted is not said after it either');
    $pbx->wait_booted;
    $ami = $pbx->ami;
    $node->say('begin', ['merged', 'INUSE', $third, 'Custom:toggle'], ['device', 'BUSY', $other, 'Custom:y'], 'end');
    shows('again', 'Custom:y', 'BUSY', 'Busy', 2);
    shows('again', 'Custom:toggle', 'INUSE', 'InUse', 4);
};

subtest 'the node goes and comes' => sub {
    my $mark = $ami->mark;
    $node->away;
    Flow::poll_until { $pbx->cli('pgdevstate show status') =~ /Link: +down/ } 'the module notices';
    is($ami->device('Custom:y'), 'BUSY', 'states stay');
    $node->listen->greet;
    $node->say('begin', ['device', 'BUSY', $other, 'Custom:y'], ['merged', 'INUSE', $third, 'Custom:toggle'], 'end');
    Flow::poll_until { $pbx->cli('pgdevstate show status') =~ /fresh/ } 'it is fresh again';
    is(scalar $ami->events($mark, Event => 'DeviceStateChange', Device => 'Custom:y'), 0, 'nothing flickered');
    $node->away;
    shows('stale_after', 'Custom:y', 'UNKNOWN', 'Idle', 2);
    is($ami->device('Custom:toggle'), 'INUSE', 'a toggle keeps its last word');
    $node->listen->greet;
    $node->say('begin', ['device', 'BUSY', $other, 'Custom:y'], 'end');
    shows('back', 'Custom:y', 'BUSY', 'Busy', 2);
    shows('... and nobody says anything of the toggle', 'Custom:toggle', 'NOT_INUSE', 'Idle', 4);
};

subtest 'a node that was away for long' => sub {
    # as many tries as an old back-off needed for half a minute between two of them
    $node->away;
    my $down = sub { ($pbx->cli('pgdevstate show status') =~ /Link: +(down, for \d+ s)/)[0] // 'up' };
    Flow::poll_until { $Flow::last_seen = $down->(); $Flow::last_seen =~ /for (\d+)/ && $1 >= 8 } 'it is down for 8 s, and the console says so';
    # nobody accepts what is queued here: connections are counted only
    $node->listen;
    my $tries = 0;
    Flow::poll_until {
        my $try = $node->{listen}->accept and $tries++;
        $Flow::last_seen = "$tries tries";
        $tries >= 4;
    } 'four more tries', 20;
    $node->greet;
    $node->say('begin', ['device', 'BUSY', $other, 'Custom:y'], 'end');
    shows('and linked', 'Custom:y', 'BUSY', 'Busy', 2);
};

subtest 'nonsense' => sub {
    my @bad = (
        ['hello twice', "hello\t1\t$node->{entity_id}\tx\ty\n"], ['an unknown state', "device\tFOO\t$other\tCustom:y\n"],
        ['no id', "device\tINUSE\tx\tCustom:y\n"], ['too few fields', "device\tINUSE\n"], ['a name of control characters', "device\tINUSE\t$other\ta\rb\n"],
        ['a long line', 'x' x 3000], ['NUL', "device\0\n"], ['end without begin', "end\n"], ['not UTF-8', "status\t\xff\n"],
        ['a flood', "wibble\n" x 3000]
    );
    for my $bad (@bad) {
        my ($what, $text) = @$bad;
        $node->raw($text);
        Flow::poll_until { $node->hear; !$node->{link} } "$what: the link is dropped";
        $node->greet;
    }
    $node->say(['later', 'word'], ['device', 'BUSY', $other, 'Custom:y', 'one', 'more'], 'begin', ['device', 'BUSY', $other, 'Custom:y'], 'end');
    shows('words and fields of later versions', 'Custom:y', 'BUSY', 'Busy', 2);
};

subtest 'unload, load, reload' => sub {
    $node->mark;
    like($pbx->cli('module unload res_pgdevstate.so'), qr/Unloaded/, 'unloaded');
    $node->wait_line('goodbye', qr/^bye/);
    shows('the truth is back', 'Custom:y', 'UNKNOWN', 'Idle', 2);
    $node->hang_up;
    $pbx->cli('module load res_pgdevstate.so');
    $node->greet;
    $node->say('begin', ['device', 'BUSY', $other, 'Custom:y'], 'end');
    shows('loaded again', 'Custom:y', 'BUSY', 'Busy', 2);
    $node->mark;
    $pbx->reconfigure('res_pgdevstate.conf' => $pbx->module_conf . "exclude=nothing*\nexclude=\n");
    $pbx->{expected_errors} = [qr/res_pgdevstate/];
    $pbx->cli('module reload res_pgdevstate.so');
    is($ami->device('Custom:y'), 'BUSY', 'a bad file changes nothing');
    $pbx->reconfigure('res_pgdevstate.conf' => $pbx->module_conf =~ s/(subscribe_event=device_state\n)/$1exclude=custom:Y\n/r);
    $pbx->cli('module reload res_pgdevstate.so');
    $node->wait_line('a resync', qr/^resync/);
    $node->say('begin', ['device', 'BUSY', $other, 'Custom:y'], 'end');
    shows('filtered now', 'Custom:y', 'UNKNOWN', 'Idle', 2);
    $pbx->reconfigure('res_pgdevstate.conf' => "[general]\nsocket=@{[ $pbx->socket ]}.moved\n");
    $pbx->cli('module reload res_pgdevstate.so');
    Flow::poll_until {
        contents_like(Flow::slurp($pbx->{log}), qr/Lost the node at \Q@{[ $pbx->socket ]}\E: the socket's path was changed/)
    } 'another path: the log says which node was left';
    like(Flow::slurp($pbx->{log}), qr/WARNING[^\n]*res_pgdevstate\.conf has no publish_event and no subscribe_event: nothing is shared/, '... and that nothing is shared');
    $node->hang_up;
    $pbx->reconfigure('res_pgdevstate.conf' => $pbx->module_conf);
    $pbx->cli('module reload res_pgdevstate.so');
    $node->greet;
    $node->say('begin', 'end'); # else what comes next is stale after 2 s
};

subtest 'reload while nobody is there' => sub {
    $node->say('begin', ['device', 'BUSY', $other, 'Custom:y'], ['device', 'RINGING', $other, 'Custom:z'], 'end');
    shows('before', 'Custom:y', 'BUSY', 'Busy', 2);
    $node->away;
    Flow::poll_until { $pbx->cli('pgdevstate show status') =~ /Link: +down/ } 'the module notices';
    $pbx->reconfigure('res_pgdevstate.conf' => "[general]\nstale_after=never\n[x]\ntype=nothing\n");
    $pbx->cli('module reload res_pgdevstate.so');
    like(Flow::slurp($pbx->{log}), qr/ERROR[^\n]*line 2: \[general\] stale_after: 'never' is not a number.*ERROR[^\n]*line 4: \[x\] type: 'nothing' is no type/s, 'all that is wrong with a file is said');
    # what is shown stays although the file that was in force says less
    my $conf = $pbx->module_conf =~ s/stale_after=\d+/stale_after=600/r;
    $pbx->reconfigure('res_pgdevstate.conf' => $conf =~ s/(subscribe_event=device_state\n)/$1exclude=CUSTOM:y\n/r);
    $pbx->cli('module reload res_pgdevstate.so');
    like($pbx->cli('pgdevstate show status'), qr/dropped in: +(?:600|[45]\d\d) s/, 'the new stale_after is in force');
    like($pbx->cli('pgdevstate resync'), qr/no link to the node, trying now/, 'resync says that there is no link');
    $node->listen->greet;
    $node->say('begin', ['device', 'BUSY', $other, 'Custom:y'], ['device', 'RINGING', $other, 'Custom:z'], 'end');
    shows('the new filter', 'Custom:y', 'UNKNOWN', 'Idle', 2);
    shows('what it lets through', 'Custom:z', 'RINGING');
    $pbx->reconfigure('res_pgdevstate.conf' => $pbx->module_conf);
    $pbx->cli('module reload res_pgdevstate.so');
    $node->wait_line('a resync', qr/^resync/);
    $node->say('begin', 'end');
    shows('gone', 'Custom:z', 'UNKNOWN');
};

subtest 'ten thousand at once' => sub {
    $node->mark;
    my @names = map { "Custom:many$_" } 1 .. 10000;
    my ($sent, $t0) = (0, Time::HiRes::time());
    my $mark = $ami->mark;
    while ($sent < @names) {
        $node->hear;
        my $n = 256 - ($sent - $node->{acked});
        if ($n <= 0) { Time::HiRes::sleep(0.0005); next }
        $n = @names - $sent if $n > @names - $sent;
        $node->say(map { ['device', 'INUSE', $other, $_] } @names[$sent .. $sent + $n - 1]);
        $sent += $n;
    }
    shows('the last', $names[-1], 'INUSE');
    diag sprintf('%d imports in %.2f s', $sent, Time::HiRes::time() - $t0);
    diag $pbx->cli('pgdevstate show status');
    $t0 = Time::HiRes::time();
    $pbx->cli('module unload res_pgdevstate.so');
    diag sprintf('unloaded in %.2f s', Time::HiRes::time() - $t0);
    shows('the truth', $names[-1], 'UNKNOWN');
};

done_testing();
