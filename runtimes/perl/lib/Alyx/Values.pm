# Values of the database: what JSON cannot carry stands as {"$int": …}, {"$bytes": …}, {"$lit": …}.
package Alyx::Values;
use v5.36;
no warnings qw(experimental::builtin recursion portable);

use builtin qw(blessed);
use Exporter 'import';
use MIME::Base64 qw(decode_base64 encode_base64);

use Alyx::Json 'type_of';

our @EXPORT_OK = qw(to_wire filter_to_wire from_wire);

use constant {EXACT => 9007199254740991, DEPTH => 128};

sub to_wire ($value, $depth = 0) {
    # What contains itself is left as it is: writing it as JSON finds it.
    return $value if $depth > DEPTH;
    my $type = type_of($value);
    return [map { to_wire($_, $depth + 1) } @$value] if $type eq 'array';
    return $value =~ /^-?[0-9]+$/ && abs $value > EXACT ? {'$int' => "$value"} : $value
        if $type eq 'number';
    return _object_to_wire($value) if $type eq 'foreign' && blessed $value;
    return $value                  if $type ne 'object';
    my %members = map { $_ => to_wire($value->{$_}, $depth + 1) } keys %$value;
    return \%members if !_is_marked(\%members);
    return {'$lit' => \%members};
}

sub _object_to_wire ($object) {
    return {'$bytes' => encode_base64($object->octets, '')} if $object->isa('Alyx::Bytes');
    return $object->babs > EXACT ? {'$int' => $object->bstr} : 0 + $object->bstr
        if $object->isa('Math::BigInt') && $object->is_int && ($object = $object->copy);
    return _moment($object->epoch) if $object->isa('Time::Piece');
    return $object;
}

sub _moment ($epoch) {
    my ($second, $minute, $hour, $day, $month, $year) = gmtime int $epoch;
    return sprintf '%04d-%02d-%02dT%02d:%02d:%02d.%03dZ',
        $year + 1900, $month + 1, $day, $hour, $minute, $second, 1000 * ($epoch - int $epoch) + 0.5;
}

sub _is_marked ($object) {
    my @names = keys %$object;
    return @names == 1 && $names[0] =~ /^\$/;
}

# Fields and operators of a filter stay as they are; their operands are values.
sub filter_to_wire ($filter) {
    return to_wire($filter) if type_of($filter) ne 'object';
    my %members;
    for my $name (keys %$filter) {
        my $operand = $filter->{$name};
        my $type = type_of($operand);
        $members{$name}
            = $name eq '$not'                          ? filter_to_wire($operand)
            : $name =~ /^\$/ && $type eq 'array'       ? [map { filter_to_wire($_) } @$operand]
            : $type eq 'object' && grep(/^\$/, keys %$operand)
                ? {map { $_ => to_wire($operand->{$_}) } keys %$operand}
            : to_wire($operand);
    }
    return \%members;
}

sub from_wire ($value) {
    my $type = type_of($value);
    return [map { from_wire($_) } @$value] if $type eq 'array';
    return $value                          if $type ne 'object';
    if (_is_marked($value)) {
        my ($name, $inside) = %$value;
        return _integer($inside) if $name eq '$int' && type_of($inside) eq 'string' && $inside =~ /^-?[0-9]+$/;
        return Alyx::Bytes->new(decode_base64 $inside) if $name eq '$bytes' && type_of($inside) eq 'string';
        $value = $inside if $name eq '$lit' && type_of($inside) eq 'object';
    }
    return {map { $_ => from_wire($value->{$_}) } keys %$value};
}

sub _integer ($digits) {
    my $integer = 0 + $digits;
    return $integer if "$integer" eq $digits;
    # Seldom needed, and slow to load.
    require Math::BigInt;
    return Math::BigInt->new($digits);
}

# Bytes, which Perl itself does not tell from text: Alyx::Bytes->new($octets).
package Alyx::Bytes;
use v5.36;

use overload '""' => sub ($self, @) { $self->octets }, fallback => 1;

sub new ($class, $octets) { return bless \$octets, $class }
sub octets ($self)        { return $$self }

1;
