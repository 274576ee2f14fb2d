# Values of the database, there and back.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Math::BigInt;
use Time::Piece;

use Alyx::Values qw(filter_to_wire from_wire to_wire);

is_deeply to_wire([1, 9007199254740991, 9007199254740992, -9007199254740993]),
    [1, 9007199254740991, {'$int' => '9007199254740992'}, {'$int' => '-9007199254740993'}], 'integers';
is_deeply to_wire(Math::BigInt->new('1' . '0' x 30)), {'$int' => '1' . '0' x 30}, 'of any size';
is_deeply to_wire(Alyx::Bytes->new("\x00\xff")), {'$bytes' => 'AP8='}, 'bytes';
is to_wire(scalar gmtime(1769250600)), '2026-01-24T10:30:00.000Z', 'a moment';
is_deeply to_wire({a => {'$int' => '1'}, b => {'$x' => 1, y => 2}}),
    {a => {'$lit' => {'$int' => '1'}}, b => {'$x' => 1, y => 2}}, 'what looks like a value';
is_deeply filter_to_wire({n => {'$gt' => 9007199254740992}, '$not' => {m => {'$eq' => {'$ref' => 1}}}}),
    {n => {'$gt' => {'$int' => '9007199254740992'}}, '$not' => {m => {'$eq' => {'$lit' => {'$ref' => 1}}}}},
    'operators stay, operands are values';

my $read = from_wire({n => {'$int' => '9223372036854775807'}, big => {'$int' => '9223372036854775807000'},
    b => {'$bytes' => 'AP8='}, l => {'$lit' => {'$int' => 'x'}}, p => {'$ref' => 1}});
is $read->{n}, 9223372036854775807, 'an integer is read exactly';
is $read->{big} . '', '9223372036854775807000', 'also one beyond 64 bits';
is $read->{b}->octets, "\x00\xff", 'bytes are read';
is_deeply [$read->@{qw(l p)}], [{'$int' => 'x'}, {'$ref' => 1}], 'the rest is plain';

done_testing;
