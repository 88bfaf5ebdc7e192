# Policies with real servers: a toggle that any server presses, what stays local, mailboxes of
# several voicemails; changed while they run, and through restarts of servers and nodes. Each
# time DEVICE_STATE(), hint, AMI and SQL say the same on all of them.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(started shows);

my %hint_of = (INUSE => 'InUse', NOT_INUSE => 'Idle', BUSY => 'Busy', RINGING => 'Ringing', ONHOLD => 'Hold', RINGINUSE => 'InUse&Ringing', UNKNOWN => 'Idle');
my %exten_of = ('Custom:t-night' => 1, 'Custom:t-cross' => 2, 'Custom:l-room' => 3, 'Custom:x-line' => 4, 'PJSIP/nobody' => 5);
my $dialplan = join '', "[default]\n", map {"exten => $exten_of{$_},hint,$_\n"} sort keys %exten_of;
my @boxes = qw(1000 2000 3000);
my ($a, $b, $c) = my @all = started(3, dialplan => $dialplan, expected_errors => [qr/the node says: the node stops/],
    a => { boxes => \@boxes }, b => { boxes => \@boxes });
my $pg = Pbx::Cluster::pg();
my %mark;

sub policy {
    my ($kind, $pattern, $policy) = @_;
    $pg->psql("select pgdevstate.set_policy('$kind', '$pattern', '$policy')");
    my $rows = sub { scalar grep { $_->{pattern} eq $pattern && $_->{policy} eq $policy } @{ $_[0]{node}->json('policy show') } };
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { $rows->($_) } "$_->{node}{name} knows: $policy for $kind $pattern" for @all;
}

sub press { my ($server, $device, $state) = @_; $server->ami->set("DEVICE_STATE($device)", $state) or fail("$server->{name}: $device could not be pressed") }

# What a server says of a device, in all the ways that there are; of AMI's events the last one.
sub all_of {
    my ($server, $device) = @_;
    my @told = $server->ami->events($mark{ $server->{name} } // 0, Event => 'DeviceStateChange', Device => $device);
    return join ' ', $server->ami->device($device), Pbx::Cluster::hint($server, $exten_of{$device}), @told ? $told[-1]{State} : 'never told';
}

sub says {
    my ($server, $device, $state, $why) = @_;
    # a server that was started since may have known it before it had anybody to tell
    my $want = "$state $hint_of{$state}";
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { contents_like(all_of($server, $device), qr/^\Q$want\E (?:\Q$state\E|never told)$/) } "$why: $server->{name} says $want of $device";
}

sub sql_of { my ($device) = @_; return $pg->psql("select state from pgdevstate.device where device = '$device'") }

sub all_say {
    my ($device, $state, $why, @servers) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { contents_like(sql_of($device), qr/^\Q$state\E$/) } "$why: SQL says $state of $device";
    says($_, $device, $state, $why) for @servers ? @servers : @all;
}

# func_devstate's store, that it starts from.
sub stored {
    my ($server, $name, $value) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { contents_like($server->cli("database get CustomDevstate $name"), qr/^Value: \Q$value\E$/m) } "$server->{name}: func_devstate keeps $value for $name";
}

# What the servers and their nodes have said since they started.
sub told {
    my @lines;
    for my $server (@all) {
        my $stats = $server->{node}->stats;
        push @lines, "$server->{name}: rows $stats->{rows_sent} seq $stats->{seq} " . join '', $server->cli('pgdevstate show status') =~ /^ *Told the node: *\d+$/mg;
    }
    return join "\n", @lines;
}

# All come to be silent: nobody says anything while the database's coordinator ticks a few times.
sub quiet {
    my ($why) = @_;
    my ($before, $from) = ('', 0);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until {
        my ($now, $pulses) = (told(), $c->{node}->stats->{pulses});
        ($before, $from) = ($now, $pulses) if $now ne $before || $pulses < $from;
        $Flow::last_seen = "$now\n$pulses pulses, the last word at $from";
        $pulses >= $from + 6;
    } "$why: nobody says anything any more";
}

policy('device', 'Custom:t-*', 'latest');
policy('device', 'Custom:l-*', 'local');

subtest 'a toggle' => sub {
    my $t = 'Custom:t-night';
    press($a, $t, 'INUSE');
    all_say($t, 'INUSE', 'pressed on a');
    stored($_, 't-night', 'INUSE') for @all;
    press($b, $t, 'NOT_INUSE');
    all_say($t, 'NOT_INUSE', 'pressed on b');
    stored($_, 't-night', 'NOT_INUSE') for @all;
    for my $round (1 .. 5) {
        press($a, $t, 'INUSE');
        all_say($t, 'INUSE', "round $round: a says the same as before");
        press($b, $t, 'NOT_INUSE');
        all_say($t, 'NOT_INUSE', "round $round: b says the same as before");
    }
    is($pg->psql("select count(*) from pgdevstate.entity_device where device = '$t'"), 2, 'c, which never pressed, says nothing');
    quiet('after presses');
};

subtest 'the console of the node presses, too' => sub {
    my $t = 'Custom:t-night';
    $c->{node}->ok_console("devstate change $t BUSY");
    all_say($t, 'BUSY', "pressed at c's node");
    press($a, $t, 'RINGING');
    all_say($t, 'RINGING', 'pressed on a');
    $pg->psql("select pgdevstate.set_device_state('$t', 'ONHOLD')");
    all_say($t, 'ONHOLD', 'pressed in SQL');
    press($b, $t, 'INUSE');
    all_say($t, 'INUSE', 'pressed on b');
};

subtest 'the console of the node says something, its own server shows it' => sub {
    my $x = 'Custom:x-line';
    my $node = $c->{node};
    $node->ok_console("devstate change $x RINGING");
    all_say($x, 'RINGING', "said at c's node");
    like($c->cli("pgdevstate show device $x"), qr/This server says: +nothing\n +this node +says: +RINGING/, 'the console of c says who says that');
    press($a, $x, 'INUSE');
    all_say($x, 'RINGINUSE', 'and a');
    $c->cli('core stop now');
    is($c->wait_exit, 0, 'c: has stopped');
    $c->start;
    $mark{c} = 0;
    all_say($x, 'RINGINUSE', 'c was restarted: it is held');
    press($c, $x, 'NOT_INUSE');
    all_say($x, 'INUSE', 'c says something itself: that is its word now');
    $node->ok_console("devstate change $x RINGING");
    all_say($x, 'RINGINUSE', "said at c's node again");
    $node->ok_console("devstate remove $x");
    all_say($x, 'INUSE', '... and taken back');
    press($a, $x, 'NOT_INUSE');
    all_say($x, 'NOT_INUSE', 'and a');

    my $t = 'Custom:t-night';
    press($c, $t, 'INUSE');
    all_say($t, 'INUSE', 'a toggle, pressed on c');
    $node->ok_console("devstate change $t BUSY");
    all_say($t, 'BUSY', "pressed at c's node");
    stored($c, 't-night', 'BUSY');
    for my $way ('stop', 'node') {
        if ($way eq 'node') {
            $node->kill('KILL');
            poll_until { contents_like($c->cli('pgdevstate show status'), qr/Link: +down/) } "c's module notices that its node is gone";
            $node->start;
        } else {
            $c->cli('core stop now');
            is($c->wait_exit, 0, 'c: has stopped');
            $c->start;
            $mark{c} = 0;
        }
        poll_until { contents_like($c->cli('pgdevstate show status'), qr/Full report: +complete\n.*fresh/) } 'c has told everything';
        quiet("$way: c is back");
        all_say($t, 'BUSY', "$way: c is back: the older word of c does not count");
    }
    press($c, $t, 'INUSE');
    all_say($t, 'INUSE', 'c presses');
    $node->ok_console("mailbox set 9000\@default 2/1");
    boxes_say('9000', '2/1', "a mailbox, said at c's node");
    like($c->cli('pgdevstate show mailboxes 9000*'), qr{^9000\@default +2/1/0 +- +this node$}m, '... the console of c says who said that');
    $node->ok_console("mailbox remove 9000\@default");
    poll_until { contents_like(join(' ', map { box_of($_, '9000') } @all), qr{^0/0 0/0 0/0$}) } '... and taken back';
    quiet('after that');
};

subtest 'both at once' => sub {
    my $t = 'Custom:t-cross';
    for my $round (1 .. 30) {
        my @states = @{ [ [qw(INUSE NOT_INUSE)], [qw(NOT_INUSE INUSE)], [qw(BUSY BUSY)], [qw(RINGING ONHOLD)] ]->[ $round % 4 ] };
        my @sent   = ([ $a, $states[0] ], [ $b, $states[1] ]);
        @sent = reverse @sent if $round % 3 == 0;
        $_->[0]->ami->send_action('Setvar', Variable => "DEVICE_STATE($t)", Value => $_->[1]) for @sent;
        my $seen = '';
        poll_until {
            $seen = join "\n", 'SQL: ' . sql_of($t), map { "$_->{name}: " . all_of($_, $t) } @all;
            my $state = sql_of($t);
            $Flow::last_seen = $seen;
            $seen eq join "\n", "SQL: $state", map {"$_->{name}: $state $hint_of{$state} $state"} @all and grep { $_ eq $state } @states;
        } "round $round: @states: all agree";
        my ($state) = $seen =~ /^SQL: (\S+)/;
        stored($_, 't-cross', $state) for @all;
    }
    quiet('after crossing presses');
    my $state = sql_of($t);
    all_say($t, $state, '... and it stays');
};

subtest 'a device that is not func_devstate\'s' => sub {
    my $t = 'PJSIP/nobody';
    policy('device', $t, 'latest');
    $c->{node}->ok_console("devstate change $t INUSE");
    $pg->psql("select pgdevstate.set_device_state('$t', 'RINGING')");
    all_say($t, 'RINGING', 'pressed in SQL');
    $c->{node}->ok_console("devstate change $t BUSY");
    all_say($t, 'BUSY', "pressed at c's node");
};

subtest 'restarts' => sub {
    my $t = 'Custom:t-night';
    press($a, $t, 'INUSE');
    all_say($t, 'INUSE', 'a says');
    press($b, $t, 'NOT_INUSE');
    all_say($t, 'NOT_INUSE', 'and b');
    for my $way ('core stop now', 'kill -9') {
        for my $server ($a, $b, $c) {
            if ($way eq 'kill -9') {
                Time::HiRes::sleep(1.5);    # Asterisk's database is on the disk a second after a press (man page, CAVEATS)
                $server->kill9;
            } else {
                $server->cli('core stop now');
                is($server->wait_exit, 0, "$server->{name}: has stopped");
            }
            all_say($t, 'NOT_INUSE', "$way of $server->{name}", grep { $_ != $server } @all);
            $server->start;
            $mark{ $server->{name} } = 0;
            all_say($t, 'NOT_INUSE', "$server->{name} is back after $way");
            poll_until { contents_like($server->cli('pgdevstate show status'), qr/fresh/) } "$server->{name} has told everything";
            quiet("$server->{name} is back after $way");
            all_say($t, 'NOT_INUSE', '... and it stays');
            press($server, $t, 'BUSY');
            all_say($t, 'BUSY', "$server->{name} presses after $way");
            press($b, $t, 'NOT_INUSE');
            all_say($t, 'NOT_INUSE', 'b presses');
        }
    }
};

subtest 'pressed while it is away' => sub {
    my $t = 'Custom:t-night';
    press($a, $t, 'INUSE');
    all_say($t, 'INUSE', 'a says');
    $a->cli('core stop now');
    is($a->wait_exit, 0, 'a: has stopped');
    press($b, $t, 'BUSY');
    all_say($t, 'BUSY', 'b presses', $b, $c);
    $a->start;
    all_say($t, 'BUSY', 'a is back, with its older word');
    press($a, $t, 'INUSE');
    all_say($t, 'INUSE', 'a presses the same as before');
};

subtest 'pressed while the module is not there' => sub {
    my $t = 'Custom:t-night';
    press($a, $t, 'INUSE');
    all_say($t, 'INUSE', 'a says');
    press($b, $t, 'NOT_INUSE');
    all_say($t, 'NOT_INUSE', 'and b');
    for my $state (qw(BUSY INUSE)) {
        like($a->cli('module unload res_pgdevstate.so'), qr/Unloaded/, 'a: the module is unloaded');
        press($a, $t, $state);
        says($a, $t, $state, 'a alone');
        all_say($t, 'NOT_INUSE', 'the others do not know yet', $b, $c);
        like($a->cli('module load res_pgdevstate.so'), qr/Loaded/, 'a: ... and loaded');
        all_say($t, $state, 'what was pressed meanwhile counts');
        stored($_, 't-night', $state) for @all;
        press($b, $t, 'NOT_INUSE');
        all_say($t, 'NOT_INUSE', 'b presses');
    }
    quiet('after that');
    all_say($t, 'NOT_INUSE', '... and it stays');
};

subtest 'the node is restarted' => sub {
    my $t = 'Custom:t-night';
    press($a, $t, 'INUSE');
    all_say($t, 'INUSE', 'a says');
    press($b, $t, 'NOT_INUSE');
    all_say($t, 'NOT_INUSE', 'and b');
    for my $way (qw(USR2 TERM KILL)) {
        my $node = $a->{node};
        $node->kill($way);
        poll_until { contents_like($a->cli('pgdevstate show status'), qr/Link: +down/) } "$way: a's module notices";
        says($_, $t, 'NOT_INUSE', "$way of a's node") for @all;
        $node->start;
        poll_until { contents_like($a->cli('pgdevstate show status'), qr/fresh/) } "$way: a is linked again";
        all_say($t, 'NOT_INUSE', "$way: a's node is back");
        quiet("$way: a's node is back");

        $node->kill($way);
        poll_until { contents_like($a->cli('pgdevstate show status'), qr/Link: +down/) } "$way: a's module notices";
        press($a, $t, 'INUSE');
        says($a, $t, 'INUSE', 'pressed on a while its node is away');
        $node->start;
        all_say($t, 'INUSE', "$way: ... counts when it is back");
        press($b, $t, 'NOT_INUSE');
        all_say($t, 'NOT_INUSE', 'b presses');
    }
};

subtest 'local' => sub {
    my $l = 'Custom:l-room';
    press($a, $l, 'BUSY');
    says($a, $l, 'BUSY', 'pressed on a');
    press($a, 'Custom:x-line', 'INUSE');
    all_say('Custom:x-line', 'INUSE', 'what a said after it');
    is($_->ami->device($l), 'UNKNOWN', "$_->{name} does not see it") for $b, $c;
    is(sql_of($l), '', 'nor does SQL');
    press($b, $l, 'RINGING');
    says($b, $l, 'RINGING', 'pressed on b');
    says($a, $l, 'BUSY', '... and a has its own');
    $pg->psql("select pgdevstate.clear_policy('device', 'Custom:l-*')");
    all_say($l, 'RINGINUSE', 'not local any more');
    policy('device', 'Custom:l-*', 'local');
    says($a, $l, 'BUSY', 'local again');
    says($b, $l, 'RINGING', 'local again');
    poll_until { contents_like($c->ami->device($l), qr/^UNKNOWN$/) } 'local again: c sees nothing';
};

# Which entities have slots in Asterisk's cache, as the module tells.
sub entities { my ($server, $device) = @_; return $server->cli("pgdevstate show device $device") }

subtest 'aggregate, latest and back' => sub {
    my $x = 'Custom:x-line';
    press($a, $x, 'INUSE');
    press($b, $x, 'RINGING');
    all_say($x, 'RINGINUSE', 'added up');
    for my $round (1 .. 3) {
        policy('device', 'Custom:x-*', 'latest');
        all_say($x, $round == 1 ? 'RINGING' : 'INUSE', "round $round: the last word");
        press($a, $x, 'NOT_INUSE');
        all_say($x, 'NOT_INUSE', 'a presses: no leftovers are added up');
        press($a, $x, 'INUSE');
        all_say($x, 'INUSE', 'a presses');
        press($b, $x, 'RINGING');
        all_say($x, 'RINGING', 'b presses');
        $pg->psql("select pgdevstate.clear_policy('device', 'Custom:x-*')");
        all_say($x, 'RINGINUSE', 'added up again');
        press($a, $x, 'NOT_INUSE');
        all_say($x, 'RINGING', 'b is left');
        press($a, $x, 'INUSE');
        all_say($x, 'RINGINUSE', 'both');
    }
    stored($a, 'x-line', 'INUSE');
    stored($b, 'x-line', 'RINGING');
    quiet('after changes of policies');
};

# ---- mailboxes ----

# Message files, as app_voicemail keeps them; then it is told to look.
sub messages {
    my ($server, $box, $new, $old) = @_;
    my $top = "$server->{dir}/spool/voicemail";
    mkdir $_ for $top, "$top/default", "$top/default/$box";
    my %count = (INBOX => $new, Old => $old);
    for my $folder (sort keys %count) {
        my $dir = "$top/default/$box/$folder";
        mkdir $dir;
        unlink glob "$dir/*";
        for my $n (0 .. $count{$folder} - 1) {
            spew(sprintf('%s/msg%04d.%s', $dir, $n, $_), '') for qw(txt gsm);
        }
    }
    $server->count_messages($box);
}

# What AMI told last; its field Waiting is what app_voicemail has in files of its own.
sub box_of {
    my ($server, $box) = @_;
    my @told = $server->ami->events(0, Event => 'MessageWaiting', Mailbox => "$box\@default");
    return @told ? ($told[-1]{New} // 0) . '/' . ($told[-1]{Old} // 0) : 'nothing';
}

sub boxes_say {
    my ($box, $counts, $why) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until {
        contents_like($pg->psql("select new_messages || '/' || old_messages from pgdevstate.mailbox where mailbox = '$box'"), qr{^\Q$counts\E$});
    } "$why: SQL: $box has $counts";
    for my $server (@all) {
        poll_until { contents_like(box_of($server, $box), qr{^\Q$counts\E$}) } "$why: $server->{name}: $box has $counts";
    }
}

subtest 'mailboxes' => sub {
    policy('mailbox', '1000@default', 'sum');
    policy('mailbox', '2000@default', 'max');
    policy('mailbox', '3000@default', 'latest');
    messages($a, $_, 2, 1) for @boxes;
    boxes_say($_, '2/1', 'a only') for @boxes;
    messages($b, $_, 1, 4) for @boxes;
    boxes_say('1000', '3/5', 'sum of a and b');
    boxes_say('2000', '2/4', 'the most of each');
    boxes_say('3000', '1/4', 'the last word');
    messages($a, $_, 0, 0) for @boxes;
    boxes_say('1000', '1/4', 'a has none any more');
    boxes_say('2000', '1/4', 'a has none any more');
    boxes_say('3000', '0/0', 'a has none any more, and said that last');
    messages($a, $_, 3, 0) for @boxes;
    boxes_say('1000', '4/4', 'a has some again');
    boxes_say('2000', '3/4', 'a has some again');
    boxes_say('3000', '3/0', 'a has some again');
    quiet('after messages');
    policy('mailbox', '*@default', 'max');
    for my $policy (['sum', '4/4'], ['max', '3/4'], ['latest', '3/0'], ['sum', '4/4'], ['latest', '3/0'], ['max', '3/4']) {
        my ($name, $counts) = @$policy;
        policy('mailbox', "$_\@default", $name) for @boxes;
        boxes_say($_, $counts, "all are $name") for @boxes;
    }
};

subtest 'mailboxes: servers and modules come and go' => sub {
    my %has = ('1000' => 'sum', '2000' => 'max', '3000' => 'latest');
    policy('mailbox', "$_\@default", $has{$_}) for @boxes;
    my %counts = ('1000' => '4/4', '2000' => '3/4', '3000' => '3/0');
    boxes_say($_, $counts{$_}, $has{$_}) for @boxes;
    # of the last word: app_voicemail says all of its counts anew when it is loaded
    my @kept = qw(1000 2000 3000);
    for my $server ($a, $b) {
        $server->cli('module reload app_voicemail.so');
        boxes_say($_, $counts{$_}, "app_voicemail is reloaded on $server->{name}") for @kept;
        quiet("app_voicemail is reloaded on $server->{name}");
        boxes_say($_, $counts{$_}, '... and it stays') for @kept;
    }
    for my $server (@all) {
        $server->{node}->kill('USR2');
        $server->{node}->start;
        poll_until { contents_like($server->cli('pgdevstate show status'), qr/fresh/) } "$server->{name}: its node was restarted";
        boxes_say($_, $counts{$_}, "$server->{name}: its node was restarted") for @kept;
        $server->cli('core stop now');
        is($server->wait_exit, 0, "$server->{name}: has stopped");
        $server->start;
        boxes_say($_, $counts{$_}, "$server->{name} was restarted") for @kept;
    }
};
done_testing();
