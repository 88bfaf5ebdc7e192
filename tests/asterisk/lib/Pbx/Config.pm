# Pieces of Asterisk's configuration for tests: phones, mailboxes, queues, PUBLISH between servers.
package Pbx::Config;
use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(pjsip_conf phones voicemail_conf queues_conf publish_conf);

# A transport, and what else belongs into pjsip.conf.
sub pjsip_conf {
    my ($address, @parts) = @_;
    return join "\n", "[udp]\ntype=transport\nprotocol=udp\nbind=$address:5060\n", @parts;
}

# Phones that may register without a password; `mailboxes` is what message-summary tells them.
# Before them: lines for all of their endpoints.
sub phones {
    my ($options, @names) = @_;
    return join '', map { <<"CONF" } @names;
[$_]
type=endpoint
context=default
disallow=all
allow=ulaw
aors=$_
$options
[$_]
type=aor
max_contacts=1
mailboxes=$_\@default
CONF
}

sub voicemail_conf {
    my (@boxes) = @_;
    return join "\n", '[general]', 'format=gsm', 'minsecs=0', '[default]', (map { "$_ => 1234,Box $_" } @boxes), '';
}

# A queue: name => [interfaces].
sub queues_conf {
    my (%queues) = @_;
    my @lines = ('[general]', 'persistentmembers=no', 'shared_lastcall=no');
    for my $name (sort keys %queues) {
        push @lines, "[$name]", 'strategy=ringall', 'timeout=1', 'retry=1', 'ringinuse=no', 'joinempty=yes', 'leavewhenempty=no';
        push @lines, map { "member => $_" } @{ $queues{$name} };
    }
    return join "\n", @lines, '';
}

# Asterisk's own way to share states: each server PUBLISHes to each other one. For the server
# at an address: what it needs for its peers (name => address).
sub publish_conf {
    my ($self, %peers) = @_;
    return join '', map { <<"CONF" } sort keys %peers;
[$_]
type=endpoint
context=default
disallow=all
allow=ulaw
[$_]
type=identify
endpoint=$_
match=$peers{$_}
[$_-devices]
type=outbound-publish
server_uri=sip:$self\@$peers{$_}:5060
event=asterisk-devicestate
[$_-mailboxes]
type=outbound-publish
server_uri=sip:$self\@$peers{$_}:5060
event=asterisk-mwi
[$_]
type=inbound-publication
event_asterisk-devicestate=$_
event_asterisk-mwi=$_
[$_]
type=asterisk-publication
devicestate_publish=$_-devices
mailboxstate_publish=$_-mailboxes
device_state=yes
mailbox_state=yes
CONF
}

1;
