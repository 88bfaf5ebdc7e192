# Two nodes with one entity id: the second is refused, both logs name the other; it reads only,
# until the first one leaves.
use lib 'tests/flow/lib';
use Flow;
use Sys::Hostname qw(hostname);

my $id = '02:aa:00:00:00:01';
my $host = hostname();
my $pg = Flow::Pg->new;
my $a = $pg->node('holder', entity_id => $id, options => "lease=6\ndebug=1")->start;
my $b = $pg->node('twin', entity_id => uc $id, options => 'lease=6', user => 'node_holder');
my $witness = $pg->node('witness', dialplan => "[default]\nexten => 1,hint,Custom:x\n")->start;
$a->ok_batch('the holder speaks', 'devstate change Custom:x INUSE', 'mailbox set m 1');
$witness->ok_console('devstate change Custom:w INUSE');
my %devices = ('Custom:x' => 'INUSE', 'Custom:w' => 'INUSE');
my %mailboxes = ('m@default' => '1/0/0');

sub all_agree {
    my ($name, @nodes) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    agree($name, { devices => \%devices, mailboxes => \%mailboxes }, $pg, @nodes);
}

sub is_refused {
    my ($refused, $holder) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($rpid, $hpid) = ($refused->{pid}, $holder->{pid});
    poll_until { contents_like($refused->log, qr/ERROR .*entity id \Q$id\E is held by another living process: name=\Q$holder->{name}\E host=\Q$host\E pid=$hpid\b.*entity_id/) }
        "$refused->{name} names the holder's host and pid";
    poll_until { contents_like($holder->log, qr/ERROR .*another process asked for our entity id \Q$id\E and was refused: name=\Q$refused->{name}\E host=\Q$host\E pid=$rpid\b.*entity_id/) }
        "$holder->{name} names the host and pid of who was refused";
}

# --- refused
$b->spawn;
is_refused($b, $a);
poll_until { $b->stats->{phase} eq 'refused' } 'it says so on its console';
my $settings = $b->json('core show settings');
like($settings->{holder}, qr/^holder host=\Q$host\E pid=$a->{pid} since=/, 'settings tell who holds the id');

# --- reads only
all_agree('it hears what the others say, and what the holder says', $witness, $a, $b);
my ($out, $err, $status) = $b->run('devstate change Custom:x BUSY');
is($status, 1, 'it does not write: exit status 1');
like($err, qr/This node may not write: its entity id is in use by holder host=\Q$host\E pid=$a->{pid}.*entity_id/s, '... and why, and what to do');
(undef, $err, $status) = $b->run('mailbox set m 9');
is($status, 1, 'no mailbox either');
$witness->ok_console('devstate change Custom:w RINGING');
$devices{'Custom:w'} = 'RINGING';
all_agree('it goes on hearing', $witness, $a, $b);
$a->ok_console('devstate change Custom:x BUSY');
$devices{'Custom:x'} = 'BUSY';
all_agree('the holder is not disturbed', $witness, $a, $b);
is($a->stats->{phase}, 'ready', '... it says');

# --- the holder leaves: the other one takes over, with what is held under that id
$a->stop;
poll_until { $b->stats->{phase} eq 'ready' } 'the holder leaves: the other one takes over';
poll_until { contents_like($b->log, qr/NOTICE .*entity id is ours now, it was held by name=holder host=\Q$host\E/) } '... and says so';
all_agree('with what was held', $witness, $b);
$b->ok_console('devstate change Custom:x ONHOLD');
$devices{'Custom:x'} = 'ONHOLD';
all_agree('it may write', $witness, $b);

# --- the first one comes back: now it is refused
$a->spawn;
is_refused($a, $b);
all_agree('it hears, too', $witness, $a, $b);
is($b->stats->{phase}, 'ready', 'who holds it goes on');

# --- the holder is killed: the other one takes over
$b->kill('KILL');
poll_until { $a->stats->{phase} eq 'ready' } 'the holder is killed: the other one takes over';
all_agree('nothing of the entity is lost', $witness, $a);

# --- a frozen holder that goes on after its lease ran out finds itself replaced
$b->spawn;
is_refused($b, $a);
$a->signal('STOP');
poll_until { $b->stats->{phase} eq 'ready' } 'a frozen holder is replaced when its lease is over';
$b->ok_console('devstate change Custom:x RINGING');
$a->signal('CONT');
poll_until { $a->stats->{phase} eq 'refused' } 'it goes on and finds itself refused';
$devices{'Custom:x'} = 'RINGING';
all_agree('what it said before is not said again', $witness, $a, $b);
is($b->stats->{phase}, 'ready', 'the new holder keeps the id');
is(() = $b->log =~ /is held by another living process/g, 2, 'a refusal is logged once, not at each try');

$_->signal('TERM') for $a, $b, $witness;
is($_->wait_exit, 0, "$_->{name} stopped") for $a, $b, $witness;
done_testing();
