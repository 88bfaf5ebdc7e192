# Event channels: what a server publishes and what it subscribes to, in all four combinations
# of both events, from the start and by reload.
use lib 'tests/flow/lib';
use Flow;

# Text of a configuration: 'p' publishes, 's' subscribes, 'ps' does both, '' has no channel.
sub channels {
    my (%does) = @_;
    my $text = '';
    for my $event (sort keys %does) {
        next if $does{$event} eq '';
        $text .= "[my $event]\ntype=event_channel\n";
        $text .= "publish_event=$event\n" if $does{$event} =~ /p/;
        $text .= "subscribe_event=$event\n" if $does{$event} =~ /s/;
    }
    return $text;
}

my $dialplan = "[default]\nexten => 1,hint,Custom:w\n";
my $pg = Flow::Pg->new;
my $witness = $pg->node('witness', dialplan => $dialplan);
my $node = $pg->node('node', dialplan => $dialplan, channels => channels(device_state => 'ps', mwi => 'ps'));
my $other = $pg->node('other', dialplan => $dialplan, channels => '');
$_->spawn for $witness, $node, $other;
$_->wait_ready for $witness, $node, $other;

# --- none at all: says nothing, hears nothing
like($other->log, qr/WARNING .*no event channel: nothing is shared/, 'a server without channels warns');
is_deeply($other->json('cluster show channels'), [], '... and shows none');
like($other->ok_console('devstate change Custom:o INUSE'), qr/Note: no event channel publishes device_state: the other servers will not hear of it/, 'it takes a state, and says who hears it');
like($other->ok_console('mailbox set o 1'), qr/Note: no event channel publishes mwi/, '... a mailbox, too');
is_deeply($other->devices, { 'Custom:o' => 'INUSE' }, 'it knows its own');

# What the witness says, so that there is something to hear.
$witness->ok_batch('the witness speaks', 'devstate change Custom:w INUSE', 'mailbox set w 1');
my (%device, %mailbox) = ();

sub check {
    my ($name, $does_device, $does_mwi) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($n) = $name =~ /(\d+)/;
    my $state = $n % 2 ? 'BUSY' : 'INUSE';
    $node->ok_batch("$name: says something", "devstate change Custom:n $state", "mailbox set n $n");
    my $hears_device  = $does_device =~ /s/ ? 'INUSE' : undef;
    my $hears_mailbox = $does_mwi =~ /s/    ? '1/0/0' : undef;
    my $heard_device  = $does_device =~ /p/ ? $state : undef;
    my $heard_mailbox = $does_mwi =~ /p/    ? "$n/0/0" : undef;
    poll_until {
        my ($d, $m) = ($node->devices, $node->mailboxes);
        $Flow::last_seen = Flow::as_text([$d, $m]);
        same($d->{'Custom:w'}, $hears_device) && same($m->{'w@default'}, $hears_mailbox)
            && same($d->{'Custom:n'}, $state) && same($m->{'n@default'}, "$n/0/0")
    } "$name: hears what it subscribes to, and knows its own";
    my $hint = $hears_device ? 'InUse' : 'Idle';
    like($node->console('core show hints'), qr/State:$hint /, "$name: so does its hint");
    poll_until {
        my ($d, $m) = ($witness->devices, $witness->mailboxes);
        $Flow::last_seen = Flow::as_text([$d, $m]);
        same($d->{'Custom:n'}, $heard_device) && same($m->{'n@default'}, $heard_mailbox)
    } "$name: is heard where it publishes";
    agree("$name: SQL has what the witness has", undef, $pg, $witness);
}

sub same { return defined $_[0] ? defined $_[1] && $_[0] eq $_[1] : !defined $_[1] }

# --- by reload, through all combinations
my @combinations = map { my $d = $_; map { [$d, $_] } 'ps', 'p', 's', '' } 'ps', 'p', 's', '';
my $n = 0;
for my $case (@combinations) {
    my ($d, $m) = @$case;
    $node->write_conf(channels => channels(device_state => $d, mwi => $m));
    $node->ok_console('core reload');
    check(++$n . " reload device_state='$d' mwi='$m'", $d, $m);
}
my %shown = map { $_->{name} => $_ } @{ $node->json('cluster show channels') };
is_deeply(\%shown, {}, 'the last one has no channels');

# --- from the start
for my $case (['p', 's'], ['s', 'p'], ['', 'ps'], ['ps', '']) {
    my ($d, $m) = @$case;
    $node->stop;
    $node->write_conf(channels => channels(device_state => $d, mwi => $m));
    $node->start;
    check(++$n . " start device_state='$d' mwi='$m'", $d, $m);
}

# --- one channel for both events, and two channels for one
$node->write_conf(channels => "[all]\ntype=event_channel\npublish_event=device_state\npublish_event=mwi\n"
        . "[hear]\ntype=event_channel\nsubscribe_event=device_state\nsubscribe_event=mwi\n");
$node->ok_console('core reload');
check(++$n . ' both events in one channel', 'ps', 'ps');
is_deeply($node->json('cluster show channels'), [
    { name => 'all',  publish_event => ['device_state', 'mwi'], subscribe_event => [] },
    { name => 'hear', publish_event => [], subscribe_event => ['device_state', 'mwi'] },
], 'shown as they are');
my $settings = $node->json('cluster show stats');
is($settings->{phase}, 'ready', 'all of it on one session');
is($settings->{payloads_bad} + $settings->{gaps} + $settings->{reloads}, 0, '... and without a gap');
is_deeply($other->devices, { 'Custom:o' => 'INUSE' }, 'the server without channels has heard nothing');
ok(!exists $witness->devices->{'Custom:o'}, '... and was not heard');

$_->signal('TERM') for $witness, $node, $other;
is($_->wait_exit, 0, "$_->{name} stopped") for $witness, $node, $other;
done_testing();
