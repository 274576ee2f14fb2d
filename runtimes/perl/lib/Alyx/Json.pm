# JSON, strict in both directions: bytes to values and back.
#
# Knows nothing of messages. Core Perl has JSON::PP, which is slow on large texts, refuses the
# escape of half a character and does not say where in a value it failed; this does all three.
#
# A value is undef, a boolean (`true` of Perl 5.36, or JSON::PP's), a number, text, an array or a
# hash. Objects are asked for TO_JSON, as is the custom; any other is foreign to JSON.
package Alyx::Json;
use v5.36;
no warnings qw(experimental::builtin recursion);

use builtin qw(blessed created_as_number is_bool refaddr reftype);
use Encode ();
use Exporter 'import';

our @EXPORT_OK = qw(encode decode type_of);

use constant {DEPTH => 128, DEEPEST_MESSAGE => 512};

my %ESCAPE = ("\n" => '\n', "\r" => '\r', "\t" => '\t', '"' => '\"', "\\" => '\\\\');
my %UNESCAPE = (b => "\b", f => "\f", n => "\n", r => "\r", t => "\t");

# encode($value, $name, $foreign): the bytes. What JSON cannot hold goes to $foreign with its place
# ("$name.items[2]") and its kind, and what that returns is written instead; by default it is fatal.
sub encode ($value, $name = 'value', $foreign = \&_refuse) {
    my $writer = {path => [$name], foreign => $foreign, above => {}};
    my $text   = _write($writer, $value);
    utf8::encode($text);
    return $text;
}

sub _refuse ($place, $kind) { die {place => $place, kind => $kind} }

sub type_of ($value) {
    return 'null'    if !defined $value;
    return 'array'   if ref $value eq 'ARRAY';
    return 'object'  if ref $value eq 'HASH';
    return 'boolean' if ref $value ? ref $value eq 'JSON::PP::Boolean' : is_bool($value);
    return 'foreign' if ref $value;
    return created_as_number($value) ? 'number' : 'string';
}

sub _write ($writer, $value) {
    my $type = type_of($value);
    return _text($value)               if $type eq 'string';
    return _number($writer, $value)    if $type eq 'number';
    return 'null'                      if $type eq 'null';
    return $value ? 'true' : 'false'   if $type eq 'boolean';
    return _foreign($writer, 'a value that contains itself') if $writer->{above}{refaddr $value};
    return _foreign($writer, 'nested deeper than ' . DEPTH . ' levels')
        if $writer->{path}->@* > DEPTH;
    local $writer->{above}{refaddr $value} = 1;
    return _array($writer, $value)  if $type eq 'array';
    return _object($writer, $value) if $type eq 'object';
    return _other($writer, $value);
}

sub _array ($writer, $array) {
    my @parts;
    for my $index (0 .. $#$array) {
        push $writer->{path}->@*, "[$index]";
        push @parts, _write($writer, $array->[$index]);
        pop $writer->{path}->@*;
    }
    return '[' . join(',', @parts) . ']';
}

sub _object ($writer, $object) {
    my @parts;
    for my $name (sort keys %$object) {
        push $writer->{path}->@*, ".$name";
        push @parts, _text($name) . ':' . _write($writer, $object->{$name});
        pop $writer->{path}->@*;
    }
    return '{' . join(',', @parts) . '}';
}

sub _other ($writer, $value) {
    return $value->bstr if blessed $value && $value->isa('Math::BigInt') && $value->is_int;
    return _write($writer, $value->TO_JSON) if blessed $value && $value->can('TO_JSON');
    # \1 and \0 are the booleans of older Perl.
    return $$value ? 'true' : 'false'
        if ref $value eq 'SCALAR' && defined $$value && $$value =~ /^[01]$/;
    return _foreign($writer, ref $value);
}

sub _foreign ($writer, $kind) {
    my $instead = $writer->{foreign}->(join('', $writer->{path}->@*), $kind);
    return _text($instead);
}

sub _number ($writer, $number) {
    return _foreign($writer, 'NaN')      if $number != $number;
    return _foreign($writer, 'Infinity') if abs $number == 9**9**9;
    return "$number" if $number =~ /^-?[0-9]+$/;
    for my $digits (15, 16) {
        my $text = sprintf "%.${digits}g", $number;
        return $text if $text == $number;
    }
    return sprintf '%.17g', $number;
}

sub _text ($text) {
    $text =~ s{(["\\\x00-\x1f])}{ $ESCAPE{$1} // sprintf '\u%04x', ord $1 }ge;
    no warnings qw(surrogate non_unicode);
    if (utf8::is_utf8($text)) {
        $text =~ s{([\x{d800}-\x{dfff}])}{ sprintf '\u%04x', ord $1 }ge;
        $text =~ s{[^\x{0}-\x{10ffff}]}{\x{fffd}}g;
    }
    return qq("$text");
}

# decode($bytes): the value; dies with a text that says what is wrong and where.
sub decode ($bytes) {
    die "a byte order mark\n" if $bytes =~ /^\xef\xbb\xbf/;
    # Bytes are searched much faster than characters; each text is decoded by itself.
    eval { Encode::decode('UTF-8', my $copy = $bytes, Encode::FB_CROAK); 1 } or die "no UTF-8\n"
        if $bytes =~ /[\x80-\xff]/;
    my $value = _read(\$bytes, 0);
    $bytes =~ /\G[ \t\r\n]*/gc;
    _stop(\$bytes, 'the end') if pos $bytes != length $bytes;
    return $value;
}

sub _read ($bytes, $depth) {
    for ($$bytes) {
        /\G[ \t\r\n]*/gc;
        return _string($bytes) if /\G"/gc;
        return _read_object($bytes, $depth + 1) if /\G\{/gc;
        return _read_array($bytes, $depth + 1)  if /\G\[/gc;
        return 0 + $1 if /\G(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)/gc;
        return !!1   if /\Gtrue\b/gc;
        return !!0   if /\Gfalse\b/gc;
        return undef if /\Gnull\b/gc;
    }
    _stop($bytes, 'a value');
}

sub _read_object ($bytes, $depth) {
    die "nested too deeply\n" if $depth > DEEPEST_MESSAGE;
    my %object;
    for ($$bytes) {
        return \%object if /\G[ \t\r\n]*\}/gc;
        while (1) {
            /\G[ \t\r\n]*"/gc or _stop($bytes, 'a name');
            my $name = _string($bytes);
            /\G[ \t\r\n]*:/gc or _stop($bytes, "':'");
            $object{$name} = _read($bytes, $depth);
            next if /\G[ \t\r\n]*,/gc;
            return \%object if /\G[ \t\r\n]*\}/gc;
            _stop($bytes, "',' or '}'");
        }
    }
}

sub _read_array ($bytes, $depth) {
    die "nested too deeply\n" if $depth > DEEPEST_MESSAGE;
    my @array;
    for ($$bytes) {
        return \@array if /\G[ \t\r\n]*\]/gc;
        while (1) {
            push @array, _read($bytes, $depth);
            next if /\G[ \t\r\n]*,/gc;
            return \@array if /\G[ \t\r\n]*\]/gc;
            _stop($bytes, "',' or ']'");
        }
    }
}

# After the first quote, to the last one.
sub _string ($bytes) {
    my $text = '';
    for ($$bytes) {
        while (1) {
            if (/\G([^"\\\x00-\x1f]+)/gc) {
                my $part = $1;
                utf8::decode($part);
                $text .= $part;
            }
            return $text if /\G"/gc;
            if    (/\G\\(["\\\/])/gc)  { $text .= $1 }
            elsif (/\G\\([bfnrt])/gc) { $text .= $UNESCAPE{$1} }
            elsif (/\G\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})/gc) {
                $text .= chr(0x10000 + ((hex($1) & 0x3ff) << 10) + (hex($2) & 0x3ff));
            }
            # Half a character stays what it is: Perl's text can hold it.
            elsif (/\G\\u([0-9a-fA-F]{4})/gc) { no warnings 'surrogate'; $text .= chr hex $1 }
            else { _stop($bytes, 'the end of a text') }
        }
    }
}

sub _stop ($bytes, $expected) {
    die sprintf "expected %s at byte %d\n", $expected, pos($$bytes) // 0;
}

1;
