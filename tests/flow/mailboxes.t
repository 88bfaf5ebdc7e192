# Mailboxes: the last change of a living server counts; a dead one's counts leave.
use lib 'tests/flow/lib';
use Flow;

my $dialplan = <<'END';
[default]
exten => count,1,NoOp(${MAILBOX_COUNT(1000@default)})
 same => n,NoOp(${MAILBOX_COUNT(1000,new)} ${MAILBOX_COUNT(1000@default,old)} ${MAILBOX_COUNT(1000@default,urgent)})
 same => n,NoOp(nobody's: ${MAILBOX_COUNT(nobody@nowhere)})
exten => set,1,Set(MAILBOX_COUNT(1000@default)=7/8/9)
exten => bad,1,Set(what=seven)
 same => n,Set(MAILBOX_COUNT(1000@default)=${what})
END

my $pg = Flow::Pg->new;
my ($a, $b, $c) = map { $pg->node("server$_", dialplan => $dialplan, options => 'lease=5') } 1 .. 3;
$_->spawn for $a, $b, $c;
$_->wait_ready for $a, $b, $c;
my @all = ($a, $b, $c);

sub all_say {
    my ($name, %mailboxes) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    agree($name, { devices => {}, mailboxes => \%mailboxes }, $pg, grep { $_->{pid} } @all);
}

# --- set here, seen there, in all ways to write it
like($a->ok_console('mailbox set 1000@default 2'), qr/^Setting 1000\@default to 2 new, 0 old, 0 urgent messages$/m, '... says what it does');
all_say('new messages', '1000@default' => '2/0/0');
$b->ok_console('mailbox set 1000 3 1 2');
all_say('the last change counts, whoever makes it', '1000@default' => '3/1/2');
$a->ok_console('mailbox set 1000 4/1');
all_say('... again', '1000@default' => '4/1/0');
my $shown = $c->json('mailbox show 1000');
is("$shown->{mailbox} $shown->{new}/$shown->{old}/$shown->{urgent} $shown->{entities}", '1000@default 4/1/0 2', 'mailbox show: the sum');
is_deeply([sort map {"$_->{name} $_->{new}/$_->{old}/$_->{urgent}"} @{ $shown->{statements} }], ['server1 4/1/0', 'server2 3/1/2'], '... and who said what');
is($pg->psql(q{select entity, entities from pgdevstate.mailbox where mailbox = '1000' and context = 'default'}), 'server1|2', '... also in SQL');
$b->ok_console('mailbox set 1000 3/1/2');
is($pg->psql(q{select entity, new_messages from pgdevstate.mailbox}), 'server1|4', 'a count equal to the last one of its server is no change');

# --- in the dialplan
like($c->ok_console('console dial count'),
    qr{NoOp\("Console/dsp", "4/1"\).*NoOp\("Console/dsp", "4 1 0"\).*NoOp\("Console/dsp", "nobody's: 0/0"\)}s, 'MAILBOX_COUNT reads');
$c->ok_console('console dial set');
all_say('MAILBOX_COUNT writes', '1000@default' => '7/8/9');
my ($out, $err, $status) = $c->run('console dial bad');
is($status, 1, 'counts that are none, dialled: exit status 1');
like($out . $err, qr/bad\@default:2: .*'seven' are no message counts/s, '... and place and reason');

# --- to take it back
$c->ok_console('mailbox remove 1000');
all_say('what was said before counts again', '1000@default' => '4/1/0');
($out, $err, $status) = $c->run('mailbox remove 1000');
is($status, 1, 'there is nothing more to take back');
like($err, qr/This node says nothing about 1000\@default/, '... it says');

# --- zero is a count, too
$c->ok_console('mailbox set 1000 0');
all_say('no messages', '1000@default' => '0/0/0');

# --- names
my @names = ('a@b@c', '1000@', '@ctx', ';=|@x', '"quo\\ted" \'name\'@with space', "J\x{c3}\x{bc}rgen@\x{e2}\x{82}\x{ac}", 'x' x 255 . '@' . 'y' x 255);
my %legal = map { $_ => 1 } @names[0, 1, 3 .. 6];    # a context may be empty, a mailbox not
my %expected = ('1000@default' => '0/0/0');
for my $i (0 .. $#names) {
    my $word = $names[$i] =~ s/(["\\])/\\$1/gr;
    ($out, $err, $status) = $a->run(qq{mailbox set "$word" $i});
    is($status, $legal{ $names[$i] } ? 0 : 1, 'mailbox ' . substr($names[$i], 0, 40)) or diag($out . $err);
    like($err, qr/^'\Q$names[$i]\E' is no mailbox: /, '... is refused by name') unless $legal{ $names[$i] };
    utf8::decode(my $key = $names[$i]);
    $expected{$key} = "$i/0/0" if $legal{ $names[$i] };
}
all_say('names arrive as they were given', %expected);
for my $bad ('x' x 256, 'x@' . 'y' x 256, "bell\a\@x", "\xff\@x") {
    ($out, $err, $status) = $a->run(qq{mailbox set "$bad" 1});
    is($status, 1, 'refused: ' . substr($bad, 0, 5));
    like($err, qr/ is no mailbox: \S/, '... and said why');
}
for my $bad ('-1', '1/2/3/4', 'x', '1000001', '1.5', '""') {
    ($out, $err, $status) = $a->run("mailbox set 1000 $bad");
    is($status, 1, "counts: $bad is refused");
    like($err, qr/ is not NEW, NEW\/OLD or NEW\/OLD\/URGENT: \S/, '... and said why');
}
all_say('nothing of these was taken', %expected);

# --- a server that dies takes its counts along
$c->ok_console('mailbox set died 5');
$c->kill('KILL');
$expected{'1000@default'} = '4/1/0';
all_say('the counts of a dead server leave', %expected);
$a->stop;
all_say('the counts of one that stops leave', '1000@default' => '3/1/2');
$c->start;
poll_until { ($b->mailboxes->{'died@default'} // '') eq '5/0/0' } 'they are back when it is back';

$_->signal('TERM') for $b, $c;
is($_->wait_exit, 0, "$_->{name} stopped") for $b, $c;
done_testing();
