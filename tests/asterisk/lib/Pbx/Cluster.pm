# Servers that share states: each with a node of its own on one PostgreSQL, or, to see that a test
# tests what it should, as Asterisk does it alone (PBX_VIA=publish: PUBLISH from each to each), or
# with Perl in the place of nodes and database (PBX_VIA=hub).
package Pbx::Cluster;
use strict;
use warnings;
use Exporter qw(import);
use Test::More;
use Pbx;
use Pbx::Config qw(pjsip_conf phones voicemail_conf queues_conf publish_conf);

our @EXPORT_OK = qw(cluster started shows everywhere without);
my $via = $ENV{PBX_VIA} // 'pgdevstate';
my ($pg, $hub);

# Servers, not started: cluster(2, %options for all, a => {options of server a}). Options are
# Pbx::Server's, and dialplan, phones, phone_options, boxes, queues, which become files. Names: a, b, c, ...
sub cluster {
    my ($count, %opt) = @_;
    my @names = ('a' .. 'z')[ 0 .. $count - 1 ];
    my %own   = map { $_ => delete $opt{$_} // {} } @names;
    my @servers;
    for my $name (@names) {
        my %mine = (%opt, %{ $own{$name} });
        $mine{node} //= make_node($name, %mine) if $via eq 'pgdevstate';
        $mine{node} //= ($hub //= Pbx::Hub->new('a' .. 'd'))->node($name) if $via eq 'hub';
        push @servers, pbx($name, %mine, modules => [ modules_of(%mine) ]);
    }
    write_files($_, @servers) for @servers;
    return @servers;
}

sub make_node {
    my ($name, %opt) = @_;
    $pg //= Flow::Pg->new;
    return $pg->node($name, options => "lease=$LEASE\n" . ($opt{node_options} // ''))->start;
}

sub pg { return $pg }

# A node for a telephone server that is no Asterisk.
sub other_node {
    my ($name) = @_;
    return $via eq 'hub' ? ($hub //= Pbx::Hub->new('a' .. 'd'))->node('d') : make_node($name);
}

# It dies and comes back; the hub's nodes live as long as those who are linked to them.
sub kill_node {
    my ($node, $speaker) = @_;
    $speaker->drop;
    $node->kill('KILL') if $via eq 'pgdevstate';
}

sub restart_node {
    my ($node) = @_;
    return if $via eq 'hub';
    $node->spawn;
    $node->wait_ready;
}

sub modules_of {
    my (%opt) = @_;
    my @modules = @{ $opt{modules} // [] };
    push @modules, 'sip' if $opt{phones} || $via eq 'publish';
    push @modules, 'voicemail' if $opt{boxes};
    push @modules, 'queue' if $opt{queues};
    return @modules;
}

sub write_files {
    my ($server, @all) = @_;
    my %peers = map { $_->{name} => $_->{address} } grep { $_ != $server } @all;
    my %file;
    $file{'extensions.conf'} = $server->{dialplan} // "[default]\n";
    $file{'pjsip.conf'} = pjsip_conf($server->{address}, phones($server->{phone_options} // '', @{ $server->{phones} // [] }),
        $via eq 'publish' ? publish_conf($server->{name}, %peers) : ());
    $file{'voicemail.conf'} = voicemail_conf(@{ $server->{boxes} }) if $server->{boxes};
    $file{'queues.conf'} = queues_conf(%{ $server->{queues} }) if $server->{queues};
    $server->reconfigure(%file, %{ $server->{files} // {} });
}

# A cluster, started, with all of its servers knowing each other.
sub started {
    my @servers = cluster(@_);
    $_->spawn for @servers;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $_->wait_booted for @servers;
    know_each_other(@servers);
    return @servers;
}

# What each says reaches each.
sub know_each_other {
    my (@servers) = @_;
    $_->ami->set("DEVICE_STATE(Custom:hello-$_->{name})", 'INUSE') for @servers;
    for my $server (@servers) {
        everywhere("Custom:hello-$server->{name}", 'INUSE', @servers);
        $server->ami->set("DEVICE_STATE(Custom:hello-$server->{name})", 'NOT_INUSE');
    }
    everywhere("Custom:hello-$_->{name}", 'NOT_INUSE', @servers) for @servers;
}

# Tests: the servers' DEVICE_STATE() comes to say so.
sub everywhere {
    my ($device, $state, @servers) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    shows($_, $device, $state) for @servers;
}

sub shows {
    my ($server, $device, $state, $seconds) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Flow::poll_until { contents_like($server->ami->device($device), qr/^\Q$state\E$/) } "$server->{name}: $device is $state", $seconds;
}

# A hint's line in `core show hints`.
sub hint {
    my ($server, $exten) = @_;
    my ($state) = $server->cli('core show hints') =~ /^\s*\Q$exten\E\@\S+ .*?State:(\S+)/m;
    return $state // 'none';
}

sub via { return $via }

1;
