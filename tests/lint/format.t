# C files have the format that .clang-format says.
use lib 'tests/lint';
use Lint;
use File::Temp;

my @files = tree_files(qr/\.[ch]$/);
my ($bad) = File::Temp->new(SUFFIX => '.c', TMPDIR => 1);
print {$bad} "int  f( void ){return 1 ;}\n";
close($bad);
my ($status) = run_tool('clang-format', '--style=file:.clang-format', '--dry-run', '-Werror', "$bad");
isnt($status, 0, 'the check fails when it should');
tool_accepts("format of $_", 'clang-format', '--dry-run', '-Werror', '--ferror-limit=3', $_) for @files;

done_testing();
