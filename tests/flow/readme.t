# README's session is what the programs print, its dialplan can be read, its SQL can be run.
use lib 'tests/flow/lib';
use Flow;

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
