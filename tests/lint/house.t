# The house's rules on C files: contract comments, layers, guards, short functions, no typedefs
# for structs; and how the numbers stand.
use lib 'tests/lint';
use Lint;

my @c       = tree_files(qr{^src/.*\.c$});
my @headers = tree_files(qr{^src/.*\.h$});
my @tests   = tree_files(qr{^tests/.*\.[cht]$|^tests/.*\.(?:sql|pm)$});

# Stages are layer 2, but for the first and the last, the faces; src/console is the client, a face.
sub layer_of {
    my ($file) = @_;
    my $head = join "\n", (lines_of($file))[0 .. 2];
    return $1 if $head =~ m{^/\*[\s*]*Layer ([0-3]):};
    return $1 == 1 || $1 == 9 ? 3 : 2 if $head =~ m{^/\*[\s*]*Stage (\d+)[:,]};
    return 3 if $file =~ m{^src/(?:console/|main\.c)};
    return;
}

for my $file (@c, @headers) {
    my $text = slurp($file);
    like($text, qr{\A/\*}, "$file begins with what it is for");
    my $layer = layer_of($file);
    ok(defined $layer, "$file says its layer or stage") or next;
    for my $include ($text =~ /^#include "([^"]+)"/mg) {
        my ($path) = grep { -f } "src/$include", "src/module/$include";
        my $other = $path ? layer_of($path) : 3;
        next unless defined $other;
        cmp_ok($other, '<=', $layer, "$file (layer $layer) may include $include");
    }
    unlike($text, qr/^typedef\s+(?:struct|union|enum)\b[^(]*;/m, "$file makes no typedef of a struct");
    unlike($text, qr/[ \t]$/m, "$file has no blanks at the ends of lines");
}
# clang-format 14 and 19 indent what follows differently.
unlike(slurp($_) =~ s{ /\*.*?\*/$}{}gmr, qr/^\t+for \(.*[^{)\n]$/m, "$_ has for (...) on one line")
    for @c, @headers, tree_files(qr{^tests/.*\.[ch]$});

for my $file (@headers) {
    my ($name) = $file =~ m{([^/]+)\.h$};
    my $guard = uc($name) . '_H';
    like(slurp($file), qr/^#ifndef $guard\n#define $guard\n/m, "$file has its guard");
}

# A function: from its first line to the brace in the first column.
my @lengths;
for my $file (@c) {
    my ($start, $line, $long) = (undef, 0, '');
    for my $text (lines_of($file)) {
        $line++;
        $start = $line if $text =~ /^[a-z].*\(/ && $text !~ /;$/;
        if ($text eq '}' && defined $start) {
            my $length = $line - $start + 1;
            push @lengths, $length;
            $long .= " $file:$start ($length lines)" if $length > 100;
            undef $start;
        }
    }
    is($long, '', "functions in $file have at most 100 lines");
}
@lengths = sort { $a <=> $b } @lengths;
my ($median, $p90) = map { $lengths[ int($_ * $#lengths) ] } 0.5, 0.9;
cmp_ok($median, '<=', 18, 'median length of functions');
cmp_ok($p90,    '<=', 45, 'p90 length of functions');

# Lines that say something.
sub size {
    my $n = 0;
    $n += grep { /\S/ } lines_of($_) for @_;
    return $n;
}
my @code = (@c, @headers, tree_files(qr{^(?:sql/functions|sql/views|migrations)/.*\.sql$}));
my $ratio = size(@tests) / size(@code);
cmp_ok($ratio, '>=', 0.8, 'tests : code');
diag(sprintf 'functions: %d, median %d, p90 %d, longest %d lines; tests : code = %d : %d = %.2f',
    scalar @lengths, $median, $p90, $lengths[-1], size(@tests), size(@code), $ratio);

# The node is built for the newest migration; migrations leave transactions to the program.
my @migrations = tree_files(qr{^migrations/.*\.sql$});
my ($built_for) = slurp('src/schema_version.h') =~ /^#define SCHEMA_VERSION (\d+)$/m;
is($built_for, scalar @migrations, 'src/schema_version.h has the number of the last migration');
for my $file (@migrations) {
    unlike(slurp($file), qr/^\s*(?:begin|commit|rollback|start transaction)\s*;/mi, "$file leaves transactions alone");
}
for my $file (@migrations, tree_files(qr{^sql/(?:schema|functions)/.*\.sql$})) {
    like(slurp($file), qr/\A-- \S/, "$file begins with what it is for");
}
for my $file (tree_files(qr{^sql/views/[^9].*\.sql$})) {
    like(slurp($file), qr/^comment on view /m, "$file comments its view");
}

# A unit test is named like the file that it tests.
for my $test (tree_files(qr{^tests/unit/test_.*\.c$})) {
    my ($name) = $test =~ m{test_(.*)\.c$};
    ok((grep { -f } map { "$_/$name.c" } qw(src src/console src/module)), "$test tests a file of that name");
}

done_testing();
