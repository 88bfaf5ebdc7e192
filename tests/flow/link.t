# The link socket: what a telephone server reports through one node is told to those who watch
# at another; cut reports, lost links, restarts, clients that do not behave.
use lib 'tests/flow/lib';
use Flow;
use Link;
use Time::HiRes qw(time);

my $lease = 30;
my $pg    = Flow::Pg->new;
my ($one, $two) = my @nodes = map { $pg->node("server$_", options => "lease=$lease") } 1 .. 2;
$_->spawn for @nodes;
$_->wait_ready for @nodes;
my ($id1, $id2) = map { $_->{entity_id} } @nodes;

# What is told arrives: {name => {entity => state}}.
sub told {
    my ($link, $kind, $want, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { $link->read; contents_like(Flow::as_text($link->{$kind}), qr/^\Q${\Flow::as_text($want)}\E$/) } $name;
}

my %report = (device => { 'PJSIP/1' => 'INUSE', 'PJSIP/2' => 'NOT_INUSE' }, mailbox => { '1000@default' => [ 0, 2, 1 ] });
my %said   = ('PJSIP/1' => { $id1 => 'INUSE' }, 'PJSIP/2' => { $id1 => 'NOT_INUSE' });

# --- hello
my $watch = Link->new($two, 'watch');
is(join("\t", @{ $watch->{lines}[0] }), join("\t", 'hello', 1, $id2, 'server2', '0.1.0'), 'hello is answered: who the node is');
poll_until { $watch->read; $watch->{complete} } 'the dump is told once the node is ready';
is($watch->{status}, 'ready', '... and its status');
is_deeply($watch->{member}, { server1 => 'up' }, '... the other member');

# --- a full report counts when it is complete
my $pbx = Link->new($one, 'report', 'watch');
$pbx->send(join '', "begin\n", $pbx->report_lines(%report));
$pbx->sync;
poll_until { $one->stats->{unsent} == 0 } 'half a report is written';
is_deeply($two->devices, {}, '... and does not count');
is($one->stats->{report}, 'open', 'the node says so');
$pbx->say('end');
told($watch, 'device', \%said, 'a full report is told to who watches elsewhere');
told($watch, 'mailbox', { '1000@default' => { all => '2/1/0' } }, '... its mailbox, too');
agree('the nodes and SQL know it', { devices => { 'PJSIP/1' => 'INUSE', 'PJSIP/2' => 'NOT_INUSE' }, mailboxes => { '1000@default' => '2/1/0' } }, $pg, @nodes);
is($one->stats->{report}, 'complete', 'the report is complete');
$pbx->sync;
is_deeply([ $pbx->{device}, $pbx->{mailbox} ], [ {}, {} ], 'no echo to the one that said it');

# --- changes, both ways
$pbx->say('device', 'ringing', 'PJSIP/1');
$said{'PJSIP/1'} = { $id1 => 'RINGING' };
told($watch, 'device', \%said, 'a change');
$pbx->say('device', '-', 'PJSIP/2');
delete $said{'PJSIP/2'};
told($watch, 'device', \%said, 'a removal');
$two->ok_console('devstate change PJSIP/1 INUSE');
told($pbx, 'device', { 'PJSIP/1' => { $id2 => 'INUSE' } }, 'what the other says is told to the telephone server');
is($one->json('devstate show PJSIP/1')->{state}, 'RINGINUSE', '... and added up');
$two->ok_console('devstate remove PJSIP/1');
told($pbx, 'device', {}, '... and taken back');
$two->ok_console('mailbox set 1000@default 5');
told($pbx, 'mailbox', { '1000@default' => { all => '5/0/0' } }, 'the newest word of a mailbox');
$pbx->say('mailbox', 0, 7, 0, '1000', 'default');
told($watch, 'mailbox', { '1000@default' => { all => '7/0/0' } }, 'the telephone server\'s is newer');
told($pbx, 'mailbox', {}, '... it is told to show its own');

# --- who is linked
my ($shown) = grep { $_->{reports} } @{ $one->json('link show') };
is("$shown->{program} $shown->{version} $shown->{pid} $shown->{report}", "test 1.0 $$ complete", 'link show: who reports');
like($one->console('link show'), qr/^test 1\.0 pid $$ uid \d+, for \d+ s\n  reports: complete, statements \d+, refused 0\n/, '... for people');
$pbx->say('device', 'INUSE', "a\x01b");
$pbx->say('device', 'ASLEEP', 'PJSIP/1');
$pbx->sync;
is(scalar(grep { $_->[0] eq 'refused' } @{ $pbx->{lines} }), 2, 'what is bad is refused, and the link goes on');
like($one->console('link show'), qr/refused 2\n.*\n?  refused last: device "PJSIP\/1": unknown state; there are UNKNOWN, /s, '... and shown');
is($one->stats->{link_refused}, 2, '... and counted');
my $second = Link->connect_only($one);
$second->say(qw(hello 1 - other 2 report));
poll_until { !$second->read } 'a second telephone server is sent away';
is($second->{bye}, "test 1.0 pid $$ reports already; one may", '... and told who is there');

# --- goodbye
$pbx->bye;
told($watch, 'device', {}, 'goodbye: its states leave at once');
is($one->stats->{report}, 'none', 'the node knows');

# --- what the database was told of server1 since the last time: (publishes, journal rows)
sub written {
    my ($id) = @_;
    return $pg->psql("select e.seq || ' ' || (select count(*) from pgdevstate.change c where c.entity_id = e.entity_id)"
            . " from pgdevstate.entity e where entity_id = '$id'");
}

sub back {
    my ($name, @words) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $link = Link->new($one, 'report', @words);
    $link->report(%report);
    $link->sync;
    told($watch, 'device', { 'PJSIP/1' => { $id1 => 'INUSE' }, 'PJSIP/2' => { $id1 => 'NOT_INUSE' } }, $name);
    return $link;
}

# --- killed, and back within half a lease: nobody notices
$pbx = back('back again');
poll_until { $one->stats->{unsent} == 0 && $one->stats->{reporting} eq 'Yes' } 'all is written';
my $before = written($id1);
$watch->read;
my $changes = $watch->{changes};
$pbx->cut;
poll_until { $one->stats->{report} eq 'kept' } 'the link is lost';
$pbx = back('... and back with the same');
poll_until { $one->stats->{report} eq 'complete' } 'the report is complete again';
is(written($id1), $before, 'not one publish, not one row, not one notification');
is($watch->{changes}, $changes, 'whoever watches was told nothing');

# --- a report cut in the middle removes nothing, and does not prolong what was
$pbx->send("begin\ndevice\tINUSE\tPJSIP/1\ndevice\tBU");
$pbx->cut;
poll_until { $one->stats->{report} eq 'kept' } 'a report is cut';
is(written($id1), $before, '... which removes nothing');

# --- the node sleeps, the telephone server gives up and tries again: who is there last, reports
$pbx = back('once more');
$one->signal('STOP');
$pbx->cut;
for my $state (qw(BUSY RINGING)) {
    my $try = Link->connect_only($one);
    $try->say(qw(hello 1 - test 1.0 report));
    $try->report(device => { 'PJSIP/1' => $state, 'PJSIP/2' => $state });
    $try->cut;
}
my $last = Link->connect_only($one);
$last->say(qw(hello 1 - test 1.0 report));
$one->signal('CONT');
$last->wait_for(qr/^(?:hello|bye)\t/);
is($last->{lines}[0][0], 'hello', 'those that closed while the node slept are not in the way') or diag($last->{bye});
$last->report(%report);
poll_until { $one->stats->{report} eq 'complete' } '... and the report is complete';
told($watch, 'device', { 'PJSIP/1' => { $id1 => 'INUSE' }, 'PJSIP/2' => { $id1 => 'NOT_INUSE' } }, '... with the last word');
$pbx = $last;
poll_until { $one->stats->{unsent} == 0 } 'all is written';
$before = written($id1);
$pbx->cut;

# --- it does not come back: off within the lease; one flag
my $since = time;
told($watch, 'device', {}, 'the telephone server is gone: its lamps go off');
note(sprintf 'off after %.2f s, lease %d s', time - $since, $lease);
my ($seq) = split / /, $before;
my ($now) = split / /, written($id1);
is($now, $seq + 1, '... with one publish');
is($pg->psql("select count(*) from pgdevstate.entity_device where entity_id = '$id1'"), 2, '... that removes no row');

# --- the node is killed and started again: no flicker at the other one
$pbx = back('the telephone server is back');
poll_until { $one->stats->{unsent} == 0 && $one->stats->{reporting} eq 'Yes' } 'all is written';
my $sent = $one->stats->{rows_sent};

sub restarted {
    my ($how, $stop) = @_;
    $watch->read;
    my $told = $watch->{changes};
    $stop->();
    $one->start;
    poll_until { contents_like($one->stats->{report}, qr/^kept$/) } "$how: what was said counts";
    $pbx = back("$how: the telephone server says the same");
    poll_until { $one->stats->{report} eq 'complete' } "$how: ... all of it";
    is($one->stats->{rows_sent}, 0, "$how: nothing was written");
    $watch->sync;
    is($watch->{changes}, $told, "$how: no lamp flickered at the other node");
}
restarted('killed', sub { $one->kill('KILL') });
restarted('handed over', sub { $one->signal('USR2'); is($one->wait_exit, 0, 'SIGUSR2 ends it') });
like($one->log, qr/stopping, to be started again within the lease/, '... and it says so');

# --- the database is away: said meanwhile, delivered afterwards
$pg->stop;
poll_until { $pbx->read; ($pbx->{status} // '') eq 'away' } 'a telephone server is told that the database is away';
$pbx->say('device', 'ONHOLD', 'PJSIP/1');
$pbx->sync;
$pg->start;
poll_until { $pbx->read; $pbx->{status} eq 'ready' } '... and that it is back';
told($watch, 'device', { 'PJSIP/1' => { $id1 => 'ONHOLD' }, 'PJSIP/2' => { $id1 => 'NOT_INUSE' } }, 'what was said meanwhile is delivered');

# --- the watcher's own node restarts: what it is told then is the whole
$watch->cut;
$two->kill('KILL');
$two->spawn;
poll_until { $watch = eval { Link->new($two, 'watch') } } 'watching again';
poll_until { $watch->read; $watch->{complete} } 'a dump';
told($watch, 'device', { 'PJSIP/1' => { $id1 => 'ONHOLD' }, 'PJSIP/2' => { $id1 => 'NOT_INUSE' } }, '... has everything at once');
is($watch->{dumps}, 1, '... and is one');
$two->wait_ready;

# --- entity ids
my $other = Link->connect_only($one);
$other->say('hello', 1, '02:00:00:00:00:99', 'asterisk', 22, 'report');
poll_until { !$other->read } 'another entity id is refused';
like($other->{bye}, qr/^entity id mismatch: this node is $id1 \(\S+server1\.conf\), asterisk says 02:00:00:00:00:99; give both the same/, '... and both are named');
$pbx->bye;
$_->stop for $one, $two;

my $auto = $pg->node('server3', entity_id => 'auto', options => "lease=$lease", user => 'postgres')->start;
my $was  = $auto->json('core show settings')->{entity_id};
$auto->ok_console('devstate change Custom:held BUSY');
my $idle = Link->new($auto, 'watch');
my $aster = Link->new_as($auto, '02:00:00:00:00:77', 'report', 'watch');
is($aster->{lines}[0][2], '02:00:00:00:00:77', 'auto: the telephone server\'s id is taken');
$aster->report(device => { 'PJSIP/7' => 'BUSY' });
poll_until { !$idle->read } 'auto: who was linked is sent away';
like($idle->{bye}, qr/another entity id now: 02:00:00:00:00:77; connect again/, '... and told why');
poll_until { $pg->psql("select string_agg(entity_id || ' ' || alive || ' ' || reporting, ',' order by entity_id) from pgdevstate.member where name = 'server3'")
        =~ /02:00:00:00:00:77 true true/ } 'auto: the node is back with it';
is($pg->psql("select alive from pgdevstate.member where entity_id = '$was'"), 'f', '... and has left as what it was');
agree('auto: with all that was said', { devices => { 'Custom:held' => 'BUSY', 'PJSIP/7' => 'BUSY' }, mailboxes => {} }, $pg, $auto);
is($auto->json('core show settings')->{entity_id}, '02:00:00:00:00:77', '... as it says');
$aster->wait_for(qr/^end$/);
$auto->kill('KILL');
$auto->start;
is($auto->json('core show settings')->{entity_id}, '02:00:00:00:00:77', 'auto: a restart begins with it');
poll_until { contents_like($auto->stats->{report}, qr/^kept$/) } '... and with what was said';
$auto->stop;
done_testing();
