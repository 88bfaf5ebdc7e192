# The link socket: what a telephone server reports through one node is told to those who watch
# at another; cut reports, lost links, restarts, clients that do not behave.
use lib 'tests/flow/lib';
use Flow;
use Link;
use Time::HiRes qw(time);

my $lease = 4;
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

$pbx->bye;
told($watch, 'device', {}, 'goodbye: its states leave at once');
done_testing();
