# What the documents name is there, and what is there they name.
use lib 'tests/lint';
use Lint;

my $readme = slurp('README.md');

# Paths in backticks; * stands for anything but /.
my %named;
for my $path ($readme =~ /`((?:src|sql|migrations|tests|scripts|conf|docs|man)\/[^`\s]*)`/g) {
    my @found = grep { -e } glob($path =~ s{/$}{}r);
    ok(scalar @found, "README: $path is there");
    $named{$_} = 1 for @found;
}
for my $file (tree_files(qr{^(?:src|scripts)/[^.]*(?:\.c)?$})) {
    my $dir = $file =~ s{/[^/]*$}{}r;
    ok($named{$file} || ($dir ne 'src' && $named{$dir}), "README tells what $file is for");
}

# Its commands are targets of the Makefile.
my %target = map { $_ => 1 } slurp('Makefile') =~ /^([a-z-]+):/mg;
for my $command ($readme =~ /`make ([a-z-]+)/g, $readme =~ /^    (?:.*&& )?make ([a-z-]+)$/mg) {
    ok($target{$command}, "make $command is a target");
}
like($readme, qr/^.*make $_$/m, "README has the line that ends with: make $_") for qw(demo check);

# Links to files.
for my $link ($readme =~ /\]\(([^)#:\s]+)\)/g) {
    ok(-e $link, "README links to $link");
}

# Every rule of the protocol has tests that hold it, and they are there.
{
    my ($rules) = slurp('docs/protocol.md') =~ /^## Rules\n(.*?)^## /ms;
    my $mutations = slurp('tests/sim/mutation.c');
    my $faults = slurp('tests/chaos/lib/Chaos/Faults.pm');
    my $last = 0;
    for my $rule ($rules =~ /^(\d+\. \*\*.*?)(?=^\d+\. |\z)/msg) {
        my ($number) = $rule =~ /^(\d+)/;
        is($number, ++$last, "rule $last comes next");
        my ($held) = $rule =~ /\*Held by:\*(.*?)(?=^###|\z)/ms;
        like($rule, qr/\*Fault:\*/, "rule $number names its fault");
        my @files = $held =~ /`([^`]+)`/g;
        ok(scalar @files, "rule $number is held by tests");
        ok(-e, "rule $number: $_ is there") for @files;
        for my $name (map {s/\s+/ /gr} $held =~ /"([^"]+)"/g) {
            my $there = index($mutations, "{\"$name\"") >= 0 || index($faults, "'$name'") >= 0;
            ok($there, "rule $number: \"$name\" is a mutation of the simulator or a fault of chaos");
        }
    }
    cmp_ok($last, '>=', 16, 'there are rules');
}

# docs/console.md explains every counter, and no other; a flow test moves each (tests/flow/stats.t).
{
    my ($table) = slurp('docs/console.md') =~ /^## Counters\n(.*?)^And how/ms;
    my @explained = $table =~ /^\| `(\w+)` \|/mg;
    my ($names) = slurp('src/node.c') =~ /names\[NODE_COUNTERS\] = \{(.*?)\};/s;
    is_deeply(\@explained, [$names =~ /"(\w+)"/g], 'docs/console.md explains the counters of src/node.c, in order');
    ($table) = slurp('docs/console.md') =~ /^Of the link \(.*?\n(.*)\z/ms;
    ($names) = slurp('src/link.c') =~ /names\[LINK_COUNTERS\] = \{(.*?)\};/s;
    is_deeply([$table =~ /^\| `(\w+)` \|/mg], [$names =~ /"(\w+)"/g], '... and those of src/link.c');
}

# The manual knows every command and every option.
my $man = slurp('man/pgdevstate.1') =~ s/\.(?:It )?Ic |\\&| Ar | Op | Ns //gr;
for my $file (tree_files(qr{^src/cmd_.*\.c$})) {
    for my $words (slurp($file) =~ /^\t\{"([a-z ]+)", "/mg) {
        my ($last) = $words =~ /(\S+)$/;
        my ($first) = $words =~ /^(\S+ \S+|\S+)/;
        ok($man =~ /\Q$words\E/ || ($man =~ /\Q$first\E/ && $man =~ /\b\Q$last\E\b/), "pgdevstate(1) explains: $words");
    }
}
my $conf = slurp('man/pgdevstate.conf.5');
for my $option (slurp('src/options_table.c') =~ /\.name = "(\w+)"/g) {
    like($conf, qr/^\.It Cm \Q$option\E\b/m, "pgdevstate.conf(5) explains: $option");
}
for my $option (slurp('src/console/migrate.c') =~ /^\s*\{"([a-z-]+)", (?:no|required)_argument/mg) {
    my $spelled = $option =~ /^(?:config|user|help)$/ ? '' : "Fl -$option";
    like(slurp('man/pgdevstate.1'), qr/\Q$spelled\E/, "pgdevstate(1) explains: --$option");
}

# README's table of options is what the program prints.
{
    my ($status, $table) = run_tool('sh', '-c', <<'SH');
set -e
B=${B:-build}
dir=$(mktemp -d /tmp/pgdevstate-lint.XXXXXX)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/main.c" <<'C'
#include <stdio.h>
#include "options.h"
int main(void)
{
	struct buf out;
	buf_init(&out);
	options_print_table(&out);
	fputs(buf_str(&out), stdout);
	buf_clear(&out);
	return 0;
}
C
gcc -std=c11 -D_GNU_SOURCE -Isrc -o "$dir/table" "$dir/main.c" "$B/libnode.a" $(pkg-config --libs libpq libevent)
"$dir/table"
SH
    is($status, 0, 'the table of options can be printed') or diag($table);
    ok(index($readme, $table) >= 0, "README's table of options is the program's") or diag("it is:\n$table");
}

done_testing();
