# What other people's checkers say: cppcheck, shellcheck, perl -c, mandoc.
use lib 'tests/lint';
use Lint;

my @options = qw(--quiet --std=c11 --error-exitcode=1 --inline-suppr -j 2
    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches -Isrc
    --include=tests/lint/cppcheck.h -D_GNU_SOURCE -DPGDEVSTATE_VERSION="x" -DPGDEVSTATE_CONF="x"
    -DASTERISK_BUILT_FOR="22.0.0" -DASTERISK_MAJOR=22);
tool_accepts('cppcheck', 'cppcheck', '--enable=warning,performance,portability', @options, 'src');

# Text files, by their first line.
sub first_line { return (lines_of($_[0]))[0] // '' }
my @texts = grep { !-B } tree_files(qr/./);

my @shell = grep { first_line($_) =~ m{^#!.*\b(?:ba)?sh\b} } @texts;
cmp_ok(scalar @shell, '>', 3, 'there are shell scripts');
tool_accepts("shellcheck $_", 'shellcheck', $_) for @shell;

my @perl = grep { /\.(?:pm|t|pl)$/ || first_line($_) =~ m{^#!.*perl} } @texts;
for my $file (@perl) {
    my ($status, $text) = run_tool($^X, '-Itests/flow/lib', '-Itests/asterisk/lib', '-Itests/bench/lib', '-Itests/lint', '-c', $file);
    like($text, qr/syntax OK$/, "perl -c $file");
}

my @man = tree_files(qr{^man/.*\.[1-8]$});
cmp_ok(scalar @man, '>=', 3, 'there are man pages');
tool_accepts("mandoc $_", 'mandoc', '-T', 'lint', '-W', 'warning', $_) for @man;

done_testing();
