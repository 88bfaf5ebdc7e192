# What the lint tests share: the tree's files, and one test for each file.
package Lint;
use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter ();
use Test::More;

our @ISA    = ('Exporter');
our @EXPORT = (qw(tree_files slurp tool_accepts run_tool lines_of), @Test::More::EXPORT);

my ($here) = __FILE__ =~ m{(.*)/};
chdir abs_path("$here/../..") or die $!;

sub import {
    strict->import;
    warnings->import;
    $_[0]->export_to_level(1, @_);
}

# Files of the tree (known to git, or new and not ignored) whose path matches.
sub tree_files {
    my ($re) = @_;
    open(my $git, '-|', 'git', 'ls-files', '-co', '--exclude-standard') or die "git: $!";
    my @files = sort grep { -f && $_ =~ $re } map { chomp; $_ } <$git>;
    close($git) or die "git ls-files failed\n";
    return @files;
}

sub slurp {
    my ($path) = @_;
    open(my $in, '<', $path) or die "$path: $!";
    local $/;
    return <$in> // '';
}

sub lines_of { return split /\n/, slurp($_[0]) }

# (exit status, everything it printed)
sub run_tool {
    my (@argv) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open(STDERR, '>&', \*STDOUT);
        exec(@argv) or print "$argv[0]: $!\n";
        exit 127;
    }
    local $/;
    my $text = <$out> // '';
    close($out);
    return ($? >> 8, $text);
}

# One test: the tool ends with 0 and, unless it is expected to chat, says nothing.
sub tool_accepts {
    my ($name, @argv) = @_;
    my ($status, $text) = run_tool(@argv);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($status == 0, $name) or diag("exit status $status\n$text");
}

1;
