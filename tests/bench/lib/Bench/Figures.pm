# The pure parts of the benches: figures of rounds, ratios, whether a target is reached, the
# table. Tested by tests/flow/bench.t.
package Bench::Figures;
use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(min max);

our @EXPORT_OK = qw(median quantile parse_figures number spread verdict table cases_of);

# The middle one; of an even number, the lower one of the two.
sub median { return quantile(0.5, @_) }

# The smallest value that at least the part q of all do not exceed; undef: there are none.
sub quantile {
    my ($q, @v) = @_;
    return if !@v;
    @v = sort { $a <=> $b } @v;
    my $n = int($q * @v);
    $n++ if $n < $q * @v;
    return $v[ max($n, 1) - 1 ];
}

# "rate=12.5 n=3": {rate => 12.5, n => 3}. Dies of anything else.
sub parse_figures {
    my ($line) = @_;
    chomp $line;
    my %figures;
    for my $word (split / /, $line) {
        my ($name, $value) = $word =~ /^([a-z][a-z0-9_]*)=(-?[0-9]+(?:\.[0-9]+)?)$/ or die "no figure: '$word' in '$line'\n";
        die "twice: $name in '$line'\n" if exists $figures{$name};
        $figures{$name} = $value + 0;
    }
    return \%figures;
}

my @cases = qw(idle saturated fan-out join memory dead sql);    # 1, 2, ...

# "1 join": (1 => 1, 4 => 1). Dies of what is no case, and of none.
sub cases_of {
    my ($text)  = @_;
    my %number  = map { ($_ => $_, $cases[ $_ - 1 ] => $_) } 1 .. @cases;
    my @words   = split ' ', $text;
    my $unknown = join ', ', map { "'$_'" } grep { !$number{$_} } @words;
    return map { $number{$_} => 1 } @words if @words && !$unknown;
    die 'ONLY: ' . ($unknown || 'none') . '; cases are ' . join(', ', map { "$_ $cases[ $_ - 1 ]" } 1 .. @cases) . "\n";
}

# Three digits that count, and thousands.
sub number {
    my ($n) = @_;
    return '-' if !defined $n;
    my $text = abs($n) >= 100 ? sprintf('%.0f', $n) : abs($n) >= 10 ? sprintf('%.1f', $n) : sprintf('%.2f', $n);
    1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
    return $text;
}

# "0.15 (0.12 .. 0.18)"; one value is told alone.
sub spread {
    my (@v) = @_;
    return '-' if !@v;
    return number($v[0]) if @v == 1;
    return sprintf '%s (%s .. %s)', number(median(@v)), number(min(@v)), number(max(@v));
}

my %holds = ('<=' => sub { $_[0] <= $_[1] }, '>=' => sub { $_[0] >= $_[1] });

# A row has ours, floor, peer (lists of the rounds' figures, any may be missing) and targets:
# [what, '<=' or '>=', number], what is ours, floor or peer: the value itself, or the ratio of medians
# to that. Gives {floor => ratio, peer => ratio, reached => yes|no|-, target => text}.
sub verdict {
    my ($row) = @_;
    my %is = (ours => median(@{ $row->{ours} }));
    for my $other (qw(floor peer)) {
        my $than = median(@{ $row->{$other} // [] });
        $is{$other} = $is{ours} / $than if defined $is{ours} && $than;
    }
    my (@texts, $reached);
    for my $target (@{ $row->{targets} // [] }) {
        my ($what, $relation, $bound) = @$target;
        push @texts, $what eq 'ours' ? "$relation " . number($bound) : "$relation $bound x $what";
        my $is = $is{$what};
        if (!defined $is) { $reached = '-' if ($reached // '') ne 'no' }
        elsif (!$holds{$relation}->($is, $bound)) { $reached = 'no' }
        else                                      { $reached //= 'yes' }
    }
    delete $is{ours};
    return { %is, reached => $reached // '', target => join(', ', @texts) };
}

# The rows as text, columns aligned; the first column to the left, the others as they come.
sub table {
    my (@lines) = @_;
    my @width;
    for my $line (@lines) {
        $width[$_] = max($width[$_] // 0, length $line->[$_]) for 0 .. $#$line;
    }
    return join '', map {
        my $line = $_;
        join('  ', map { sprintf "%-*s", $width[$_], $line->[$_] } 0 .. $#$line) =~ s/ +$//r . "\n"
    } @lines;
}

1;
