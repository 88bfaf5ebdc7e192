# The model of the database (tests/sim/model.c) and PostgreSQL do the same, for a few seeds; tests/diff.
use lib 'tests/flow/lib';
use Flow;

my $pg = Flow::Pg->new;
$pg->psql(slurp("$Flow::ROOT/tests/diff/clock.sql"));
my ($out, $err, $status) = run_command("$Flow::BIN/diff", '-n', $ENV{SEEDS} // 8, $pg->conninfo);
is($status, 0, 'the same from both') or diag($out);
like($out, qr/^the model and PostgreSQL agree: /, 'which says so');
is($err, '', 'and nothing else');
done_testing();
