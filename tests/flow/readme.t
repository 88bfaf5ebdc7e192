# README's session is what the programs print, its dialplan can be read, its SQL can be run.
use lib 'tests/flow/lib';
use Flow;
use Link;

my $readme = slurp("$Flow::ROOT/README.md");
my ($demo) = slurp("$Flow::ROOT/scripts/demo") =~ /extensions\.conf" <<'END'\n(.*?)^END$/ms;

my $pg   = Flow::Pg->new;
my %node = (
    server1 => $pg->node('server1', entity_id => '01:23:45:67:89:ab', dialplan => $demo)->start,
    server2 => $pg->node('server2', entity_id => '01:23:45:67:89:ac', dialplan => $demo)->start,
);

# A command of the session and the lines that it printed; "..." stands for any lines.
my ($session) = $readme =~ /^## A session\n(.*?)^## /ms;
my @steps;
for my $line ($session =~ /^(?:    (.*)|)$/mg) {
    next unless defined $line;
    if ($line =~ /^\$ (.*)/) { push @steps, { command => $1, lines => [] } }
    elsif (@steps) { push @{ $steps[-1]{lines} }, $line }
}

sub pattern_of {
    my $pattern = join '', map { /^\s*\.\.\.$/ ? '(?:.*\n)*' : quotemeta($_) . ' *\n' } @_;
    $pattern =~ s/\d{4}\\-\d\d\\-\d\d\\ \d\d\\:\d\d\\:\d\d\\ UTC/\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC/g;
    return qr/\A$pattern\z/;
}

my $done = 0;
for my $step (@steps) {
    my ($name, $command) = $step->{command} =~ m{^build/pgdevstate -C run/demo/(server\d)\.conf -x '(.*)'$} or next;
    my $pattern = pattern_of(@{ $step->{lines} });
    poll_until { contents_like($node{$name}->console($command), $pattern) } "$name: $command";
    $done++;
}
cmp_ok($done, '>=', 6, 'the session has commands');

# The link's session, in three parts: who watches says, who reports says and is told, who watches is told.
{
    my ($text) = $readme =~ /^## Telephone servers and other programs\n(.*?)^## /ms;
    my @printf = $text =~ /printf '(.*?)'/g;
    my @blocks = $text =~ /((?:^    [^\$ (].*\n)+)/mg;
    my $say = sub { join '', map {s/\\t/\t/gr =~ s/\\n/\n/gr} @_ };
    # Changes of several names come in any order: what is said, then what is taken back, each sorted.
    my $in_order = sub {
        my ($dump, $changes) = $_[0] =~ /\A(.*^end\n)?(.*)\z/ms;
        my %of = (0 => '', 1 => '');
        $of{ /^\w+\s+-/ ? 1 : 0 } .= $_ for sort $changes =~ /^(.*\n)/mg;
        return ($dump // '') . $of{0} . $of{1};
    };
    my $is_told = sub {
        my ($link, $block, $name) = @_;
        my $pattern = pattern_of(split /\n/, $in_order->($block =~ s/^    //mgr));
        $pattern =~ s/(?:\\ )+/\t/g;
        $pattern =~ s/\bhost1\b/[^\t]+/g;
        poll_until { contents_like($in_order->($link->text), $pattern) } $name;
    };
    is(@printf, 4, 'the session of the link says four things');
    my $watch = Link->connect_only($node{server2});
    $watch->send($say->($printf[0]));
    $watch->wait_for(qr/^end$/);
    my $report = Link->connect_only($node{server1});
    $report->send($say->(@printf[1, 2]));
    $is_told->($report, $blocks[0], 'README: who reports is told that');
    $watch->wait_for($_) for qr/^device\t.*\tSIP\/1000$/, qr/^mailbox\t.*\t1001\tdefault$/;
    $report->send($say->($printf[3]));
    $watch->wait_for($_) for qr/^device\t-\t.*\tSIP\/1000$/, qr/^mailbox\t-\t.*\t1001\tdefault$/;
    $is_told->($watch, $blocks[1], 'README: who watches is told that');
}

# The dialplan that it shows.
my ($dialplan) = $readme =~ /^## Dialplan\n.*?^```\n(.*?)^```$/ms;
my $third = $pg->node('server3', dialplan => $dialplan)->start;
poll_until {
    contents_like($third->console('console dial check@devstate_test'), qr/Custom:mystate is RINGINUSE/)
}
"README's dialplan runs";

# The SQL that it shows: the administrator's, with the role that it speaks of.
$pg->psql('create role doorbell');
my $answers = '';
for my $block ($readme =~ /^```sql\n(.*?)^```$/msg) {
    for my $statement (split /;[^\n]*\n/, $block) {
        next if $statement =~ /pgdevstate\.remove\(/;    # an entity that is not there
        my $answer = eval { $pg->psql("$statement;") };
        is($@, '', "README's SQL: $statement");
        $answers .= $answer // '';
    }
}
like($answers, qr/RINGINUSE/, '... and it adds up');
$pg->psql('drop owned by doorbell; drop role doorbell');

done_testing();
