# Sessions that wait for each other, with PostgreSQL's isolationtester: tests/isolation.
use strict;
use warnings;

my ($top) = __FILE__ =~ m{(.*)/tests/flow/};
chdir $top if defined $top;
exec 'tests/isolation/run' or die "tests/isolation/run: $!";
