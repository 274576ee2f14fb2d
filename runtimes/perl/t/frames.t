# The golden byte streams of the protocol: whole, byte by byte and in pieces.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Alyx::Frames;
use Alyx::Json 'decode';

my $folder = "$FindBin::Bin/../../../protocol/v1/examples/framing";
my @files  = glob "$folder/*.json";
ok @files > 20, 'the examples are there';

for my $file (@files) {
    open my $handle, '<', $file or die "$file: $!";
    local $/ = undef;
    my $example = decode(<$handle>);
    my $bytes   = pack 'H*', $example->{hex} =~ s/\s//gr;
    for my $size (length $bytes || 1, 1, 3, 7) {
        my ($frames, $end) = frames_of($bytes, $size, $example->{maxFrame});
        is_deeply $frames, [map { defined ? bytes($_) : undef } $example->{frames}->@*],
            "$example->{title}, $size at a time";
        is $end, ($example->{end} // '') eq 'unknown-kind' ? 'unknown' : '', 'and how it ends' if $size == 1;
    }
}

sub frames_of ($bytes, $size, $limit) {
    my $decoder = Alyx::Frames->new;
    $decoder->limit($limit // 8388608);
    my @frames;
    while (length $bytes) {
        $decoder->feed(substr $bytes, 0, $size, '');
        while (my ($kind, $content) = $decoder->next) {
            return (\@frames, 'unknown') if $kind eq 'unknown';
            push @frames, $kind eq 'payload' ? $content : undef;
        }
    }
    return (\@frames, '');
}

sub bytes ($text) { utf8::encode($text); return $text }

is Alyx::Frames::frame('{}'), "\0\0\0\2{}", 'a frame is a header and a payload';

done_testing;
