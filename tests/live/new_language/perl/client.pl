#!/usr/bin/perl
# An echo client in Perl: passes its input through, or plays a script.
use strict;
use warnings;
use IO::Select;
use Socket qw(getaddrinfo SOCK_STREAM);

my $script;
my @places;
while (defined(my $word = shift)) {
    if ($word eq '--script') { $script = shift }
    else                     { push @places, $word }
}
my $host = $places[0] || $ENV{ECHO_HOST} || 'localhost';
my $port = $places[1] || $ENV{ECHO_PORT} || 8080;
$| = 1;
$SIG{TERM} = sub { exit 143 };

my ($error, $first) = getaddrinfo($host, $port, { socktype => SOCK_STREAM });
die qq{echo-client: there is no host named "$host"; check the name\n} if $error;
socket(my $server, $first->{family}, SOCK_STREAM, 0) or die;
connect($server, $first->{addr}) or die "echo-client: $host port $port refused the connection\n";

sub send_all {
    my ($octets) = @_;
    while (length $octets) {
        my $sent = syswrite($server, $octets) // exit 1;
        substr($octets, 0, $sent) = '';
    }
}

if (defined $script) {
    open(my $lines, '<', $script) or exit 2;
    my $arrived = '';
    while (my $line = <$lines>) {
        chomp $line;
        next if $line =~ /^#/;
        print "> $line\n";
        send_all("$line\n");
        until ($arrived =~ s/^([^\n]*\n)//) {
            sysread($server, $arrived, 65536, length $arrived) or exit 0;
        }
        print $1;
        exit 0 if $1 eq "Good bye\n";
    }
    shutdown($server, 1);
    while (sysread($server, my $octets, 65536)) { syswrite(STDOUT, $octets) }
    exit 0;
}

my $both = IO::Select->new($server, \*STDIN);
while (my @ready = $both->can_read) {
    for my $one (@ready) {
        my $count = sysread($one, my $octets, 65536) // exit 1;
        if ($one == $server) {
            exit 0 unless $count;
            syswrite(STDOUT, $octets);
        }
        elsif ($count) { send_all($octets) }
        else           { $both->remove(\*STDIN); shutdown($server, 1) }
    }
}
