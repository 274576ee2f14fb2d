# JSON: what is written, what is refused and where, what is read.
use v5.36;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use JSON::PP ();
use Math::BigInt;

use Alyx::Json qw(decode encode);

sub characters ($value) { my $json = encode($value); utf8::decode($json); return $json }

is characters({b => [1, -2.5, 'x', undef, !!1, !!0], a => {}}), '{"a":{},"b":[1,-2.5,"x",null,true,false]}', 'plain values';
is characters([JSON::PP::true, JSON::PP::false, \1, \0]), '[true,false,true,false]', 'booleans of older Perl';
is characters(["1", 1, "1" + 1]), '["1",1,2]', 'text and numbers stay apart';
is characters([0.1, 0.1 + 0.2, 1e-7, 2**53 - 1, -9223372036854775807]),
    '[0.1,0.30000000000000004,1e-07,9007199254740991,-9223372036854775807]', 'numbers keep their digits';
is characters(Math::BigInt->new('1' . '0' x 20)), '1' . '0' x 20, 'integers of any size';
is characters("Zoë \"\\\n\x{1}🎉"), "\"Zoë \\\"\\\\\\n\\u0001🎉\"", 'text';
is encode("a\x{d800}b"), '"a\ud800b"', 'half a character is an escape';

my %cycle;
$cycle{inner}[0] = \%cycle;
for my $case (
    ['value.items[1]', qr/NaN/,              {items => [1, 'nan' + 0]}],
    ['value[0]',       qr/Infinity/,         [9**9**9]],
    ['value.f',        qr/CODE/,             {f => sub { }}],
    ['value.o',        qr/^Some::Class$/,    {o => bless {}, 'Some::Class'}],
    ['value.inner[0]', qr/contains itself/,  \%cycle],
) {
    my ($place, $kind, $value) = @$case;
    ok !eval { encode($value); 1 }, "$place is refused";
    is $@->{place}, $place, 'with its place';
    like $@->{kind}, $kind, 'and its kind';
}
delete $cycle{inner};
is encode({a => sub { }, b => 1}, 'fields', sub ($place, $kind) { "$place $kind" }), '{"a":"fields.a CODE","b":1}',
    'or something else stands there';

my $deep = 1;
$deep = [$deep] for 1 .. 128;
is encode(decode(encode($deep))), encode($deep), '128 levels';
ok !eval { encode([$deep]); 1 }, 'and no more';

for my $json ('{"a":1,}', '[1 2]', '{"a"}', '"x', "\"a\nb\"", '01', '1.', 'tru', '[]]', '', '"\x"', '"\u12"', "\xef\xbb\xbf{}", "\"\xff\"", '{a:1}', 'NaN') {
    ok !eval { decode($json); 1 }, "'" . ($json =~ s/[^ -~]/?/gr) . "' is no JSON";
}
is_deeply decode(" {\"a\" :\r\n[ 1 , \"\\u00fc\\ud83c\\udf89\" ] }\t"), {a => [1, 'ü🎉']}, 'white space and escapes';
is decode('"a\ud800b"'), "a\x{d800}b", 'half a character is read';
is decode('9007199254740993') . '', '9007199254740993', 'integers are exact';

done_testing;
