# A byte stream to frames: one byte of kind, three of length, the payload.
#
# Bytes in, frames out; knows neither sockets nor JSON.
package Alyx::Frames;
use v5.36;

use constant {HEADER => 4, BEFORE_HELLO => 65536, LARGEST => 16777215, DEFAULT => 8388608};

sub new ($class) {
    return bless {buffer => '', limit => BEFORE_HELLO, to_skip => 0}, $class;
}

# The largest payload from here on, in both directions.
sub limit ($self, @new) {
    ($self->{limit}) = @new if @new;
    return $self->{limit};
}

sub feed ($self, $bytes) { $self->{buffer} .= $bytes }

# The next frame: (payload => $bytes), (oversize => $length), (unknown => $kind); nothing when the
# bytes for one are not there yet.
sub next ($self) {
    if ($self->{to_skip}) {
        my $gone = length substr $self->{buffer}, 0, $self->{to_skip}, '';
        $self->{to_skip} -= $gone;
        return if $self->{to_skip};
    }
    return if $self->{buffer} eq '';
    my $kind = ord $self->{buffer};
    return (unknown => $kind) if $kind != 0;
    return if length $self->{buffer} < HEADER;
    my $length = unpack 'N', $self->{buffer};
    if ($length > $self->{limit}) {
        substr $self->{buffer}, 0, HEADER, '';
        $self->{to_skip} = $length;
        return (oversize => $length);
    }
    return if length $self->{buffer} < HEADER + $length;
    substr $self->{buffer}, 0, HEADER, '';
    return (payload => substr $self->{buffer}, 0, $length, '');
}

# The bytes of a frame.
sub frame ($payload) { return pack('N', length $payload) . $payload }

1;
