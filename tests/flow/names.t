# Names of devices go through unharmed, byte for byte, by whatever way; illegal ones are refused
# by name at every edge.
use lib 'tests/flow/lib';
use Flow;

my %names = (
    semicolon => 'Custom:a;b;', equals => 'Custom:a=b', pipe => 'Custom:a|b|', single => q{Custom:it's 'so'},
    double => 'Custom:"quo"ted"', backslash => 'Custom:\\n\\\\x\\', spaces => ' Custom: two  spaces ',
    umlaut => "Custom:J\x{c3}\x{bc}rgen \x{e2}\x{82}\x{ac} \x{f0}\x{9f}\x{93}\x{9e}", long => 'Custom:' . 'x' x 248,
    long_utf8 => 'Custom:x' . "\x{c3}\x{a9}" x 123 . 'z', percent => 'Custom:%s%n$(id)`id`', dollar => 'Custom:$${x}',
    parens => 'Custom:(a,b)', comma => 'Custom:a,b', ampersand => 'Custom:a&b', json => '{"x":["y"]}', slash => '../../etc/x',
    sql => q{x'); drop schema pgdevstate cascade; --}, null => 'NULL', braces => '{a,b}', plain => 'PJSIP/1000', dash => '-f',
    one => 'x', percent_x => 'sip:100@x.invalid;transport=tcp', nbsp => "a\x{c2}\x{a0}b",
);
for my $name ('long', 'long_utf8') {
    is(length $names{$name}, 255, "$name has 255 bytes");
}

sub chars  { my ($s) = @_; utf8::decode($s); return $s }
sub quoted { my ($s) = @_; $s =~ s/(["\\])/\\$1/g; return "\"$s\"" }
sub sql    { my ($s) = @_; $s =~ s/'/''/g; return "'$s'" }

# What can be written in a file: a name behind Set(d=...) is a text, a hint divides at & and ,
my @in_file = grep { !/^(?:dollar|parens|spaces)$/ } sort keys %names;
my @in_hint = grep { !/^(?:dollar|ampersand|comma|braces|parens|spaces|json)$/ } sort keys %names;
my $dialplan = "[set]\n";
for my $label (@in_file) {
    my $text = $names{$label} =~ s/;/\\;/gr;
    $dialplan .= "exten => $label,1,Set(d=$text)\n same => n,Set(DEVICE_STATE(\${d})=BUSY)\n same => n,NoOp(is \${DEVICE_STATE(\${d})})\n";
}
$dialplan .= "[hints]\n";
for my $label (@in_hint) {
    my $text = $names{$label} =~ s/;/\\;/gr;
    $dialplan .= "exten => $label,hint,$text\n";
}

my $pg = Flow::Pg->new;
my ($a, $b) = map { $pg->node("server$_", dialplan => $dialplan) } 1, 2;
$_->spawn for $a, $b;
$_->wait_ready for $a, $b;

sub all_are {
    my ($name, $state, @labels) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    agree($name, { devices => { map { chars($names{$_}) => $state } @labels }, mailboxes => {} }, $pg, $a, $b);
}

# --- the console
$a->ok_batch('console: set', map { 'devstate change ' . quoted($names{$_}) . ' INUSE' } sort keys %names);
all_are('console, nodes, views: byte for byte', 'INUSE', keys %names);
for my $label (sort keys %names) {
    my $shown = $b->json('devstate show ' . quoted($names{$label}));
    is("$shown->{device} $shown->{state} $shown->{entities}", chars($names{$label}) . ' INUSE 1', "devstate show: $label");
}
like($b->console('devstate list'), qr/^--- Name: '\Q$names{$_}\E'  State: 'INUSE'$/m, "devstate list: $_") for sort keys %names;

my %hints = map { $_->{exten} => $_ } @{ $b->json('core show hints') };
is_deeply({ map { $_ => "$hints{$_}{devices} $hints{$_}{state}" } keys %hints },
    { map { $_ => chars($names{$_}) . ' InUse' } @in_hint }, 'hints know them');

# --- the dialplan
for my $label (@in_file) {
    my ($out, $err, $status) = $b->run("console dial $label\@set");
    is($status, 0, "dialplan: $label") or diag($out . $err);
}
is($a->ok_batch('console: remove', map { 'devstate remove ' . quoted($names{$_}) } sort keys %names) =~ /^Removing/m, 1, 'said so');
all_are('dialplan: what is left was set there', 'BUSY', @in_file);
$b->ok_batch('console: remove', map { 'devstate remove ' . quoted($names{$_}) } @in_file);
all_are('nothing is left', '');

# --- SQL
for my $label (sort keys %names) {
    is($pg->psql('select pgdevstate.set_device_state(' . sql($names{$label}) . ", 'ringing')"), 1, "SQL: $label");
}
all_are('SQL: byte for byte', 'RINGING', keys %names);
is($pg->psql('select device from pgdevstate.device_entity where device = ' . sql($names{$_})), $names{$_}, "SQL finds $_") for sort keys %names;
is($pg->psql('select pgdevstate.clear_device_state(array[' . join(',', map { sql($names{$_}) } sort keys %names) . '])'),
    scalar keys %names, 'all cleared');
all_are('nothing is left', '');

# --- illegal names
my %illegal = (
    '256 bytes' => 'x' x 256, 'tab' => "a\tb", 'newline' => "a\nb", 'escape' => "a\eb", 'delete' => "a\x{7f}b",
    'a C1 control' => "a\x{c2}\x{85}b", 'empty' => '', 'latin 1' => "J\xfcrgen", 'overlong' => "a\xc0\xafb",
    'a surrogate' => "a\xed\xa0\x80b", 'cut' => "a\xe2\x82",
);
for my $what (sort keys %illegal) {
    my $name = $illegal{$what};
    for my $command ('devstate change %s INUSE', 'devstate remove %s', 'devstate show %s') {
        my ($out, $err, $status) = $a->run(sprintf $command, quoted($name));
        is($status, 1, "console, $what: $command: exit status 1");
        like($err, qr/^'\Q$name\E' is no device name: \S/, '... and names it');
    }
    my (undef, $err, $status) = run_command('psql', '-XAtq', $pg->conninfo, '-v', 'VERBOSITY=verbose', '-c',
        'select pgdevstate.set_device_state(' . sql($name) . ", 'INUSE')");
    is($status, 1, "SQL, $what: refused");
    like($err, qr/PD004|22021/, '... for its name');
}
my ($out, $err, $status) = $a->run('devstate change "open INUSE');
is($status, 1, 'an open quote');
like($err, qr/a double quote is not closed/, '... is told');
all_are('nothing of these was taken', '');

# --- in files: refused with file and line
for my $case (["256 bytes", 'x' x 256, 'longer than 255 bytes|255'], ['an empty device', 'A&&B', 'bad device'], ['no device', '', 'names no device|DEVICE']) {
    my ($what, $devices, $why) = @$case;
    $a->write_conf(dialplan => "[x]\nexten => 1,hint,$devices\n");
    ($out, $err, $status) = $a->run('core reload');
    is($status, 1, "hint: $what: exit status 1");
    like($err, qr/extensions\.conf:2: .*(?:$why)/, '... file, line and reason');
}

my $stats = $a->stats;
is($stats->{keys_refused}, 0, 'the database refused nothing that a node had let in');
$_->signal('TERM') for $a, $b;
is($_->wait_exit, 0, "$_->{name} stopped") for $a, $b;
done_testing();
