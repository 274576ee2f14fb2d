# The log of one invocation, or of what runs outside of any: entries go to the host at once.
#
# Knows limits and lines; who printed is Alyx::Output's business. Nothing here ever dies.
package Alyx::Log;
use v5.36;

use Time::HiRes ();

use Alyx::Echo ();
use Alyx::Error ();
use Alyx::Json qw(encode type_of);

my %SOURCE = (
    stdout => {level => 'info', source => 'stdout'},
    stderr => {level => 'warn', source => 'stderr'},
);

# Of no invocation without an id.
sub new ($class, $peer, $limits, $id = undef) {
    return bless {
        peer => $peer, limits => $limits, id => $id,
        spent => 0, dropped => 0, unfinished => {stdout => '', stderr => ''},
    }, $class;
}

sub add ($self, $level, $message, $fields = undef) {
    $message = type_of($message) eq 'string' ? $message : encode($message, 'message', \&_marker)
        if defined $message;
    return $self->_entry({level => $level}, $message // '', $fields);
}

# Printed text becomes entries line by line; the rest waits for its line end.
sub print ($self, $stream, $text) {
    my $unfinished = \$self->{unfinished}{$stream};
    $$unfinished .= _characters($text);
    while ($$unfinished =~ s/\A([^\n]*)\n//) {
        my $line = $1;
        $self->_entry($SOURCE{$stream}, $line);
    }
    # A line without an end must not fill the memory.
    $self->_flush($stream) if length $$unfinished > 4 * $self->{limits}{maxLogEntry};
    return;
}

# Everything is sent, and how much was not. Afterwards the entries belong to no invocation.
sub finish ($self) {
    $self->_flush($_) for qw(stdout stderr);
    $self->{peer}->notify(log => qq({"inv":$self->{id},"entries":[],"dropped":$self->{dropped}}))
        if $self->{dropped} && defined $self->{id};
    $self->@{qw(id dropped)} = (undef, 0);
    return;
}

sub _flush ($self, $stream) {
    my $text = $self->{unfinished}{$stream};
    return if $text eq '';
    $self->{unfinished}{$stream} = '';
    return $self->_entry($SOURCE{$stream}, $text);
}

sub _entry ($self, $entry, $message, $fields = undef) {
    my $limits = $self->{limits};
    my %entry  = (
        %$entry,
        ts  => int(Time::HiRes::time() * 1000),
        msg => _cut($message, $limits->{maxLogEntry}),
    );
    my $size = length $entry{msg};
    if (defined $fields) {
        my $json = encode($fields, 'fields', \&_marker);
        $fields = {dropped => 'fields of ' . length($json) . ' bytes'}
            if length $json > $limits->{maxLogEntry};
        $entry{fields} = type_of($fields) eq 'object' ? $fields : {value => $fields};
        $size += length $json;
    }
    if (defined $self->{id} && ($self->{spent} += $size) > $limits->{maxLogBytes}) {
        $self->{dropped}++;
        return;
    }
    Alyx::Echo->line(\%entry);
    my $json = encode(\%entry, 'fields', \&_marker);
    my $inv = defined $self->{id} ? qq("inv":$self->{id},) : '';
    $self->{peer}->notify(log => qq({$inv"entries":[$json]}));
    return;
}

sub _marker ($place, $kind) { return "[$kind]" }

sub _cut ($text, $most) {
    utf8::encode(my $bytes = $text);
    return $text if length $bytes <= $most;
    # The number takes as many digits as the whole has at most.
    my $room = $most - length(" \xe2\x80\xa6[cut, " . length($bytes) . ' bytes]');
    my $kept = Alyx::Error::cut($text, $room);
    utf8::encode(my $kept_bytes = $kept);
    return $kept . " \x{2026}[cut, " . (length($bytes) - length $kept_bytes) . ' bytes]';
}

# What is printed may be text or, as is usual in Perl, its UTF-8.
sub _characters ($text) {
    return $text if $text !~ /[\x80-\xff]/ || $text =~ /[^\x00-\xff]/;
    my $decoded = $text;
    return utf8::decode($decoded) ? $decoded : $text;
}

1;
