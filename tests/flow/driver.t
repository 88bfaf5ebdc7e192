# The tests' own Driver: what is printed behind what is expected is there for the next expectation.
use lib 'tests/flow/lib';
use Flow;
use Driver;

my $c = Driver->new('cat');
$c->tell('one', 'two', 'three of it', 'four');
is($c->expect(qr/^two/m, 'a line'), "one\ntwo\n", 'up to its line');
is($c->expect(qr/^three/m, 'the next one, printed with it'), "three of it\n", '... the whole line');
is($c->tell('five')->expect(qr/^five$/m, 'one more'), "four\nfive\n", 'nothing is dropped');
$c->tell('end');
is($c->end('cat'), "end\n", 'the end');
done_testing();
