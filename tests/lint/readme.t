# README's commands are real: console commands in its examples and in its table, programs, options
# of programs, files, and the pages of the manual likewise.
use lib 'tests/lint';
use Lint;

my $readme = slurp('README.md');

# words => arguments, as the command tables have them
my (%command, %alias);
for my $file (tree_files(qr{^src/cmd_.*\.c$})) {
    my $text = slurp($file);
    $command{$1} = $2 while $text =~ /^\t\{"([a-z ]+)", "([^"]*)", \d/mg;
    $alias{$1} = 1 while $text =~ /^\t\{"((?:ais )[a-z ]+|dialplan reload)", "/mg;
}
cmp_ok(scalar keys %command, '>=', 20, 'the tables of commands were found');

# The table of commands names all of them, with their arguments.
for my $words (sort keys %command) {
    my $shown = join ' ', grep { $_ ne '' } $words, $command{$words};
    $shown =~ s/\|/\\|/g;
    ok(index($readme, "`$shown`") >= 0, "README has the command: $shown");
}

# Does a line begin with a command, and has it arguments only if it takes some?
sub is_command {
    my ($line) = @_;
    for my $words (sort { length $b <=> length $a } keys %command) {
        return $command{$words} ne '' || $line eq $words if $line =~ /^\Q$words\E(?: |$)/;
    }
    return;
}

my %programs = (
    'build/pgdevstate'  => 'man/pgdevstate.1',
    'build/pgdevstated' => 'man/pgdevstated.8',
    'pgdevstate'        => 'man/pgdevstate.1',
    'pgdevstated'       => 'man/pgdevstated.8',
);
my $examples = join "\n", $readme =~ /^    (.*)$/mg;
my $tried    = 0;
for my $line (split /\n/, $examples) {
    $line =~ s/^(?:\$ )?(?:sudo (?:-u \S+ )?)?//;
    if ($line =~ / -x '([^']+)'/) {
        ok(is_command($1), "README's example is a command: $1");
        $tried++;
    }
    my ($program) = $line =~ m{^((?:build/)?pgdevstated?)\b(?! *:)} or next;
    my $manual = slurp($programs{$program});
    for my $option ($line =~ s/ -x '[^']*'| --conninfo \S+//gr =~ / (--?[a-zA-Z-]+)/g) {
        my $spelled = $option =~ s/^-//r;
        like($manual, qr/Fl \Q$spelled\E\b/, "$program $option of README is in its manual");
    }
}
cmp_ok($tried, '>=', 8, 'README has examples');
for my $words ($readme =~ /`((?:core|cluster|ais|devstate|mailbox|console|dialplan) [^`]*)`/g) {
    my $said = $words =~ s/\\\|/|/gr;
    ok(is_command($said), "README says a command: $said");
}

# The messages that the section on trouble quotes are printed by the programs. What stands for
# values (quoted words, numbers, ..., ids) is left out; the longest piece between them is searched.
my $sources = join '', map { slurp($_) } tree_files(qr{^(?:src/.*\.[ch]|sql/functions/.*\.sql)$});
$sources =~ s/\\"/"/g;
$sources =~ s/"\s*\n\s*"//g;
my ($trouble) = $readme =~ /^## Troubleshooting\n(.*?)^## /ms;
for my $message ($trouble =~ /^\| `([^`]{25,})`/mg) {
    my @pieces = split /\.\.\.|"[^"]*"+|'[^']*'|\b\d+\b|[:;]/, $message;
    my ($piece) = sort { length $b <=> length $a } map { s/^\s+|\s+$//gr } @pieces;
    next if $message =~ /^(?:FATAL|permission denied)/;    # PostgreSQL's
    ok(index($sources, $piece) >= 0, "a program says: $piece");
}

# Views and functions of its SQL exist.
my %sql;
for my $file (tree_files(qr{^sql/(?:functions|views|schema)/.*\.sql$})) {
    my $text = slurp($file);
    $sql{$1} = 1 while $text =~ /^create (?:or replace )?(?:table|view|function|aggregate) pgdevstate\.(\w+)/mg;
}
for my $name ($readme =~ /\bpgdevstate\.(\w+)/g) {
    next if $name =~ /^(?:conf|d|link)$/;
    ok($sql{$name}, "README's pgdevstate.$name exists in SQL");
}

# The protocol's functions exist, and it lists every error code that SQL raises.
my $protocol = slurp('docs/protocol.md');
for my $name ($protocol =~ /^\| ([a-z_]+) \| /mg) {
    ok($sql{$name}, "the protocol's $name() exists in SQL") unless $name eq 'function';
}
my %code;
for my $file (tree_files(qr{^sql/functions/.*\.sql$})) {
    my $text = slurp($file);
    $code{$1} = $file while $text =~ /errcode = '(PD\d+)'/g;
}
cmp_ok(scalar keys %code, '>=', 5, 'codes of errors were found');
like($protocol, qr/^\| $_ \| /m, "the protocol lists $_ of $code{$_}") for sort keys %code;

# Each source file has one place in the table of files, and stands in it once.
my ($files) = $readme =~ /^## Which file does what\n(.*?)\n\nOne device /ms;
for my $file (tree_files(qr{^src/.*\.c$|^scripts/[^/]+$})) {
    my $n = () = $files =~ /`\Q$file\E`/g;
    is($n, 1, "README's table of files has $file once");
}

# The other documents name files that exist.
for my $document (tree_files(qr{^docs/.*\.md$})) {
    my $text = slurp($document);
    for my $path ($text =~ m{`((?:src|sql|migrations|tests|scripts|conf|docs|man)/[^`\s]*)`}g) {
        next if $path =~ /\bX\.|_X\./;    # patterns for names to be made
        my @found = grep { -e } glob($path =~ s{/$}{}r);
        ok(scalar @found, "$document: $path is there");
    }
    for my $link ($text =~ /\]\(([^)#:\s]+)\)/g) {
        ok(-e "docs/$link", "$document links to $link");
    }
}

# The manual knows the daemon's options.
for my $letter (slurp('src/main.c') =~ /^\t\tcase '(\w)':/mg) {
    like(slurp('man/pgdevstated.8'), qr/^\.It .*\bFl $letter\b/m, "pgdevstated(8) explains: -$letter");
}
for my $signal (slurp('src/main.c') =~ /\b(SIG(?:HUP|USR1|TERM|INT))\b/g) {
    like(slurp('man/pgdevstated.8'), qr/\b$signal\b/, "pgdevstated(8) explains: $signal");
}

done_testing();
