# A program of the benches that takes commands and answers each with a line of figures (path.h,
# swarm.c). It dies with the bench.
package Bench::Helper;
use strict;
use warnings;
use Bench::Figures qw(parse_figures);
use IPC::Open2 qw(open2);

# Dies, with what it said on standard error above, when it does not come up.
sub new {
    my ($class, $program, @args) = @_;
    my $self = bless { name => $program =~ s{.*/}{}r }, $class;
    $self->{pid} = open2($self->{out}, $self->{in}, 'setpriv', '--pdeathsig', 'KILL', $program, @args);
    $self->answer;
    return $self;
}

# Says a command and does not wait; the answer has to be taken before the next one.
sub say_command {
    my ($self, @words) = @_;
    syswrite($self->{in}, "@words\n") or die "$self->{name} has ended\n";
    return;
}

sub answer {
    my ($self) = @_;
    my $line = readline($self->{out}) // die "$self->{name} has ended\n";
    return parse_figures($line);
}

sub ask {
    my ($self, @words) = @_;
    $self->say_command(@words);
    return $self->answer;
}

sub end {
    my ($self) = @_;
    close $self->{in};
    close $self->{out};
    waitpid $self->{pid}, 0;
    return;
}

1;
