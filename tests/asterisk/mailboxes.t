# Mailboxes: what app_voicemail counts on server a lights lamps on server b, also while it is
# loaded and reloaded there, and goes out again; a message that a call has left.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(started);
use Pbx::Config qw(pjsip_conf phones);
use IO::Socket::INET ();
use Socket qw(inet_aton sockaddr_in);

my $dialplan = <<'CONF';
[default]
exten => leave,1,Answer()
same => n,VoiceMail(2000@default,s)
exten => speak,1,Answer()
same => n,Playtones(440)
same => n,Wait(1)
CONF
# b has the mailboxes, too, and nothing in them; c has no voicemail at all
my @boxes = qw(1000 2000);
# a phone of c is told without having asked
my $untold = "[3000]\ntype=endpoint\ncontext=default\ndisallow=all\nallow=ulaw\naors=3000\nmailboxes=1000\@default\n[3000]\ntype=aor\nmax_contacts=1\n";
my ($server1, $server2, $server3) = started(3, dialplan => $dialplan, phones => \@boxes,
    a => { boxes => \@boxes }, b => { boxes => \@boxes }, c => { module_conf => 'voicemail_provider=yes', files => { 'pjsip.conf' => pjsip_conf('127.0.1.3', phones('', @boxes), $untold) } });

# Message files, as app_voicemail keeps them; then it is told to look.
sub messages {
    my ($server, $box, $new, $old, $urgent) = @_;
    my $top = "$server->{dir}/spool/voicemail";
    mkdir $_ for $top, "$top/default", "$top/default/$box";
    my %count = (INBOX => $new, Old => $old, Urgent => $urgent // 0);
    for my $folder (keys %count) {
        my $dir = "$top/default/$box/$folder";
        mkdir $dir;
        unlink glob "$dir/*";
        for my $n (0 .. $count{$folder} - 1) {
            spew(sprintf('%s/msg%04d.%s', $dir, $n, $_), '') for qw(txt gsm);
        }
    }
    $server->count_messages($box);
}

my %lamp = map { $_->{name} => Pbx::Sipp->subscribe($_, '1000', 'message-summary') } $server1, $server2, $server3;
for my $name (sort keys %lamp) {
    poll_until { $lamp{$name}->notified(qr{Voice-Message: 0/0}) } "$name: a phone subscribes to its mailbox";
}

# A phone that registers and answers whatever it is told.
my $address = '127.0.9.1';
my $phone   = IO::Socket::INET->new(Proto => 'udp', LocalAddr => $address, LocalPort => 5060) or die "$address: $!";
my @untold;    # what its lamp was told
send($phone, join("\r\n", "REGISTER sip:$server3->{address} SIP/2.0", "Via: SIP/2.0/UDP $address:5060;branch=z9hG4bK1", 'From: <sip:3000@phone>;tag=1', 'To: <sip:3000@phone>',
    'Call-ID: 1', 'CSeq: 1 REGISTER', "Contact: <sip:3000\@$address:5060>", 'Expires: 600', 'Max-Forwards: 70', 'Content-Length: 0', '', ''),
    0, sockaddr_in(5060, inet_aton($server3->{address}))) or die "REGISTER: $!";

sub hear_phone {
    while (1) {
        my $ready = '';
        vec($ready, fileno $phone, 1) = 1;
        return unless select($ready, undef, undef, 0);
        my $from = recv($phone, my $message, 65536, 0) // die "phone: $!";
        next unless $message =~ /^NOTIFY/;
        push @untold, $message =~ m{^Voice-Message: (\d+/\d+)}m;
        my @headers = grep { /^(?:Via|From|To|Call-ID|CSeq):/i } split /\r\n/, $message;
        send($phone, join("\r\n", 'SIP/2.0 200 OK', @headers, 'Content-Length: 0', '', ''), 0, $from);
    }
}
poll_until { hear_phone(); contents_like($untold[-1] // 'nothing', qr{^0/0$}) } 'c: a phone that registers is told of its mailbox without asking';

# What the phone was told last.
sub lamp_says {
    my ($server, $counts) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $phone = $lamp{ $server->{name} };
    poll_until { contents_like(($phone->bodies)[-1] // '', qr{Voice-Message: \Q$counts\E}) } "$server->{name}: the phone is told $counts";
    my $waiting = $counts =~ /^0/ ? 'no' : 'yes';
    like(($phone->bodies)[-1], qr/Messages-Waiting: $waiting/, "... Messages-Waiting: $waiting");
}

# What AMI and VMCOUNT() say where there is no voicemail application: the cluster's counts.
sub c_answers {
    my ($counts) = @_;
    my ($new, $old) = split m{/}, $counts;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $waiting = $new > 0 ? 1 : 0;
    my $ami = $server3->ami;
    poll_until {
        my @says = map { $ami->mailbox($_), $ami->action('MailboxStatus', Mailbox => $_)->{Waiting}, $ami->get("VMCOUNT($_,INBOX)"), $ami->get("VMCOUNT($_,Old)") }
            '1000@default', '1000';
        contents_like("@says", qr{^$counts $waiting $new $old $counts $waiting $new $old$});
    } "c: MailboxCount, MailboxStatus, VMCOUNT() say $counts";
}

for my $counts ([ 2, 0 ], [ 1, 1 ], [ 0, 2 ], [ 0, 0 ]) {
    my ($new, $old) = @$counts;
    my $mark = $server2->ami->mark;
    messages($server1, '1000', $new, $old);
    $server2->ami->wait_event("b: MessageWaiting $new/$old", $mark, Event => 'MessageWaiting', Mailbox => '1000@default', New => $new, Old => $old);
    lamp_says($_, "$new/$old") for $server1, $server2, $server3;
    poll_until { hear_phone(); contents_like($untold[-1], qr{^$new/$old$}) } "c: the phone that did not ask is told $new/$old";
    c_answers("$new/$old");
}

# Loading app_voicemail publishes all mailboxes, empty ones too: nobody's lamp goes out.
messages($server1, '1000', 3, 1);
lamp_says($_, '3/1') for $server1, $server2, $server3;
for my $round ('reload', 'unload and load') {
    my $told = scalar $lamp{c}->bodies;
    if ($round eq 'reload') {
        $server2->cli('module reload app_voicemail.so');
    } else {
        $server2->cli('module unload app_voicemail.so');
        $server2->cli('module load app_voicemail.so');
    }
    # what is said afterwards arrives afterwards
    my $mark = $server3->ami->mark;
    $server2->ami->set('DEVICE_STATE(Custom:after)', $_) for $round eq 'reload' ? 'INUSE' : 'RINGING';
    $server3->ami->wait_event("c: what b says after its $round", $mark, Event => 'DeviceStateChange', Device => 'Custom:after');
    is(scalar $lamp{c}->bodies, $told, "$round of app_voicemail on b, which has no messages: c's phone is not told anything");
    lamp_says($server2, '3/1');
}
$server1->cli('module reload app_voicemail.so');
lamp_says($_, '3/1') for $server1, $server2, $server3;

# app_voicemail answers with its own files: the console says what the cluster has.
is($server1->ami->mailbox('1000@default'), '3/1', 'a: MailboxCount');
is($server2->ami->mailbox('1000@default'), '0/0', 'b: MailboxCount tells its own files (a limit of Asterisk)');
like($server2->cli('pgdevstate show mailboxes 1000@*'), qr{^1000\@default +3/1/0 +(?:0/0/0|-) +$server1->{entity}$}m, 'b: the console tells the cluster, and itself');
like($server1->cli('pgdevstate show mailboxes'), qr{^1000\@default +3/1/0 +3/1/0 +this server$}m, 'a: ... who says it');
is_deeply([ map { $server3->ami->action('MailboxStatus', Mailbox => $_)->{Waiting} } '1000@default,2000@default', '2000@default', 'nobody@default' ], [ 1, 0, 0 ],
    'c: lists of mailboxes, and unknown ones');
messages($server1, '1000', 3, 1, 2);
poll_until { contents_like($server1->ami->mailbox('1000@default', 1), qr{^2/3/1$}) } 'a: two more are urgent';
poll_until { contents_like($server3->ami->mailbox('1000@default', 1), qr{^0/5/1$}) } 'c: app_voicemail tells others its urgent messages as new ones';

# There is one provider at a time: the one that is there first.
unlike($server3->cli('module load app_voicemail.so'), qr/^Loaded/m, 'c: app_voicemail cannot be loaded beside it');
$server3->reconfigure('res_pgdevstate.conf' => $server3->module_conf =~ s/voicemail_provider=yes/voicemail_provider=no/r);
$server3->cli('module reload res_pgdevstate.so');
poll_until { contents_like($server3->ami->mailbox('1000@default'), qr{^0/0$}) } 'c: without the option nobody answers';
$server3->reconfigure('res_pgdevstate.conf' => $server3->module_conf);
$server3->cli('module reload res_pgdevstate.so');
poll_until { contents_like($server3->ami->mailbox('1000@default'), qr{^5/1$}) } 'c: and with it again the cluster does';
messages($server1, '1000', 3, 1);
c_answers('3/1');

# A real message.
my $lamp = Pbx::Sipp->subscribe($server3, '2000', 'message-summary');
poll_until { $lamp->notified(qr{Voice-Message: 0/0}) } 'c: a phone subscribes to 2000';
$server1->ami->action('Originate', Channel => 'Local/leave@default', Context => 'default', Exten => 'speak', Priority => 1, Async => 'true');
poll_until { contents_like(($lamp->bodies)[-1] // '', qr{Voice-Message: 1/0}) } 'c: a message that was left on a lights the lamp';
like(join(' ', glob "$server1->{dir}/spool/voicemail/default/2000/INBOX/*.gsm"), qr/msg0000\.gsm$/, 'the message is on a');
done_testing();
