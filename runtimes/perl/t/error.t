# What functions die with, as it stands on the wire; what is cut, and where.
use v5.36;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Alyx::Error;
use Alyx::Json 'decode';

sub told ($thrown) {
    my $error = decode(Alyx::Error::thrown_wire($thrown, 'stack'));
    return [$error->@{qw(code message)}, $error->{data}->@{qw(code details)}];
}

sub died ($code) { eval { $code->() }; return told($@) }

is_deeply died(sub { die 'it broke' }), [-32020, 'it broke', 'FUNCTION_ERROR', undef], 'a text, without the place';
is_deeply died(sub { die "just text\n" }), [-32020, 'just text', 'FUNCTION_ERROR', undef], 'a line';
is_deeply died(sub { die Alyx::Error->new(TAKEN => 'taken', field => 'slug') }),
    [-32020, 'taken', 'TAKEN', {field => 'slug'}], 'an error';
is_deeply died(sub { die {code => 404, message => 'gone', id => 7} }), [-32020, 'gone', '404', {id => 7}], 'a hash';
is_deeply died(sub { die bless {message => 'mine', code => 'MINE', f => sub { }}, 'My::Failure' }),
    [-32020, 'mine', 'MINE', undef], 'an object of its own, without what is no JSON';
is_deeply told([1]), [-32020, 'an error without a message', 'FUNCTION_ERROR', undef], 'anything';
like told({code => 'BIG', text => 'x' x 70_000})->[3]{dropped}, qr/70\d\d\d bytes/, 'too much is dropped';

is Alyx::Error::cut('üü', 3), 'ü', 'cut between characters';
is Alyx::Error::cut('üü', 4), 'üü', 'and not when there is room';
is Alyx::Error::cut('a🎉', 4), 'a', 'of any length';

my $busy = Alyx::Error->from_wire({code => -32045, message => 'busy', data => {code => 'DB_BUSY', retryable => !!1, details => {waitedMs => 5}}});
is_deeply [$busy->code, $busy->message, $busy->retryable, $busy->fields], ['DB_BUSY', 'busy', !!1, {waitedMs => 5}], 'from the host';
is(Alyx::Error->from_wire({code => -32044, message => 'bare'})->code, 'DB_SQL', 'the word of the number');
is(Alyx::Error->from_wire(7)->code, 'HOST_ERROR', 'an error of no form');

done_testing;
