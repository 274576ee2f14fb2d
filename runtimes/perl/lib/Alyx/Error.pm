# Errors: what functions throw, what the host answers, and how both stand on the wire.
#
#     die Alyx::Error->new(VALIDATION_ERROR => 'Email is required', field => 'email');
#
# Functions may as well die with a hash of code, message and more, with an object of their own, or
# with a text. Knows nothing of connections.
package Alyx::Error;
use v5.36;

use overload '""' => sub ($self, @) { $self->message }, bool => sub { 1 }, fallback => 1;

use builtin qw(blessed reftype);
no warnings 'experimental::builtin';

use Alyx::Json qw(encode type_of);

use constant {MESSAGE => 4096, STACK => 16384, DETAILS => 65536};

my %NUMBER = (
    PARSE_ERROR => -32700, INVALID_REQUEST => -32600, METHOD_NOT_FOUND => -32601,
    INVALID_PARAMS => -32602, INTERNAL_ERROR => -32603, FUNCTION_ERROR => -32020,
    FUNCTION_NOT_FOUND => -32021, NOT_READY => -32022, LOAD_FAILED => -32023, CANCELLED => -32024,
    DEADLINE_EXCEEDED => -32025, OVERLOADED => -32026, RESULT_NOT_SERIALIZABLE => -32027,
    FRAME_TOO_LARGE => -32028, INVOCATION_ENDED => -32029, UNSUPPORTED_VERSION => -32030,
    UNAUTHENTICATED => -32031, DB_NOT_FOUND => -32040, DB_CONFLICT => -32041,
    DB_VALIDATION => -32042, DB_FORBIDDEN => -32043, DB_SQL => -32044, DB_BUSY => -32045,
    TX_ENDED => -32046, TX_TIMEOUT => -32047, DB_OUTCOME_UNKNOWN => -32048,
);
my %WORD = reverse %NUMBER;

sub new ($class, $code, $message, %fields) {
    return bless {code => $code, message => $message, fields => \%fields}, $class;
}

# From the `error` of an answer, whose members may be absent or of any type.
sub from_wire ($class, $error) {
    $error = {} if type_of($error) ne 'object';
    my $data    = type_of($error->{data}) eq 'object' ? $error->{data} : {};
    my $details = type_of($data->{details}) eq 'object' ? $data->{details} : {};
    my $number  = $error->{code} // 0;
    my $self    = $class->new(
        $data->{code} // $WORD{$number} // 'HOST_ERROR',
        $error->{message} // "the host answered error $number", %$details,
    );
    $self->{retryable} = !!$data->{retryable};
    return $self;
}

sub code ($self)      { return $self->{code} }
sub message ($self)   { return $self->{message} }
sub fields ($self)    { return $self->{fields} }
sub retryable ($self) { return $self->{retryable} // !!0 }

# The JSON of an error of the protocol itself.
sub wire ($word, $message, %data) {
    return encode({
        code    => $NUMBER{$word},
        message => cut($message, MESSAGE),
        data    => {code => $word, %data},
    });
}

# The JSON of whatever a handler died with.
sub thrown_wire ($thrown, $stack) {
    my ($code, $message, $fields) = _parts($thrown);
    my %data = (code => $code // 'FUNCTION_ERROR', stack => cut($stack, STACK));
    my $details = _details($fields);
    $data{details} = $details if $details && %$details;
    $message = 'an error without a message' if $message !~ /\S/;
    return encode({
        code => $NUMBER{FUNCTION_ERROR}, message => cut($message, MESSAGE), data => \%data,
    });
}

# Code, message and further members.
sub _parts ($thrown) {
    return (undef, without_place($thrown), {}) if !ref $thrown;
    return ("$thrown->{code}", "$thrown->{message}", $thrown->{fields})
        if blessed $thrown && $thrown->isa(__PACKAGE__);
    my %members = reftype $thrown eq 'HASH' ? %$thrown : ();
    my ($code, $message) = delete @members{qw(code message)};
    $message //= blessed $thrown && $thrown->can('message') ? $thrown->message
        : blessed $thrown && overload::Method($thrown, '""') ? "$thrown"
        :                                                      '';
    return (defined $code ? "$code" : undef, "$message", \%members);
}

# Only members that JSON can hold, and a marker instead of too many.
sub _details ($fields) {
    my %kept;
    my $size = 0;
    for my $name (keys %$fields) {
        my $json = eval { encode($fields->{$name}) } // next;
        $kept{$name} = $fields->{$name};
        $size += length($json) + length($name) + 4;
    }
    return \%kept if $size <= DETAILS;
    return {dropped => "details of $size bytes; at most @{[DETAILS]} are sent"};
}

# Perl ends a text with the place where it was thrown, unless it ends with a line end.
sub without_place ($text) {
    $text =~ s/\.?\n\z//;
    $text =~ s/ at \S[^\n]* line \d+(?:, <[^>]*> (?:line|chunk) \d+)?\.?\z//;
    return $text;
}

# At most so many bytes of UTF-8, cut between characters.
sub cut ($text, $most) {
    my $bytes = $text;
    utf8::encode($bytes);
    return $text if length $bytes <= $most;
    $bytes = substr $bytes, 0, $most;
    $bytes =~ s/(?:[\xc0-\xff][\x80-\xbf]*)\z// if !utf8::decode(my $whole = $bytes);
    utf8::decode($bytes);
    return $bytes;
}

1;
