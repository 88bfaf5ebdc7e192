# gcc and clang compile every file without a warning; the warnings are in the Makefile.
use lib 'tests/lint';
use Lint;
use File::Temp qw(tempdir);

for my $cc (qw(gcc clang)) {
    my $dir = tempdir(CLEANUP => 1);
    tool_accepts("make CC=$cc", 'make', '-s', '-j2', "CC=$cc", "B=$dir", 'CFLAGS=-O1', 'all');
}

done_testing();
