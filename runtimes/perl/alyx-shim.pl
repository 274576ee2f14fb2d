#!/usr/bin/env perl
# The Alyx shim for Perl: started by a host, it loads functions and runs them.
#
# Reads its environment and puts the parts together. What happens then is in Alyx::Worker.
use v5.36;

use File::Basename 'dirname';
use lib dirname(__FILE__) . '/lib';

use Alyx::Connection;
use Alyx::Echo;
use Alyx::Output;
use Alyx::Peer;
use Alyx::Worker;

# Functions and child processes see none of them.
my $address = delete $ENV{ALYX_ADDR} // '';
my $token   = delete $ENV{ALYX_TOKEN} // '';
Alyx::Echo->on if delete $ENV{ALYX_ECHO};

my $connection = Alyx::Connection->open($address);
if (!ref $connection) {
    my ($code, $why) = $connection =~ /^(\d) (.*)/s;
    say STDERR "alyx-shim-perl: $why";
    exit $code;
}

my $peer   = Alyx::Peer->new($connection);
my $worker = Alyx::Worker->new($peer);
Alyx::Output->capture($worker);
$worker->run($token);
