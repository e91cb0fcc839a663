#!/usr/bin/perl
# An echo server in Perl: a process for every client.
use strict;
use warnings;
use IO::Select;
use Socket qw(:DEFAULT IN6ADDR_ANY IPPROTO_IPV6 IPV6_V6ONLY pack_sockaddr_in6);

my $port    = $ENV{ECHO_PORT}     || 8080;
my $flush_s = ($ENV{ECHO_FLUSH_MS} || 200) / 1000;
my $longest = $ENV{ECHO_MAX_LINE} || 1048576;
$| = 1;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';

sub capital_letters {
    my ($message) = @_;
    my $text = $message;
    if (utf8::decode($text)) {    # it is UTF-8
        $text = uc $text;
        utf8::encode($text);
        return $text;
    }
    $message =~ tr/a-z/A-Z/;
    return $message;
}

sub send_all {
    my ($peer, $octets) = @_;
    while (length $octets) {
        my $sent = syswrite($peer, $octets) // exit 0;
        substr($octets, 0, $sent) = '';
    }
}

sub finish {    # a FIN, then read on until the peer's, but not for long
    my ($peer) = @_;
    shutdown($peer, 1);
    my $waiting = IO::Select->new($peer);
    my $end     = time + 2;
    while (time <= $end && $waiting->can_read(0.5)) {
        last unless sysread($peer, my $gone, 65536);
    }
    exit 0;
}

sub answer {
    my ($peer, $message, $line_end) = @_;
    if (length $message > $longest) {
        send_all($peer, "ERROR line longer than $longest bytes\n");
        finish($peer);
    }
    if ($message =~ /^quit\z/i) {
        send_all($peer, "Good bye$line_end");
        finish($peer);
    }
    return capital_letters($message) . $line_end;
}

sub serve {
    my ($peer)  = @_;
    my $line    = '';
    my $waiting = IO::Select->new($peer);
    while (1) {
        my $answers = '';
        if (length $line && !$waiting->can_read($flush_s)) {
            send_all($peer, answer($peer, $line, ''));
            $line = '';
        }
        my $count = sysread($peer, $line, 65536, length $line) // exit 0;
        while ($line =~ s/^([^\n]*?)(\r?\n)//) {
            my ($message, $line_end) = ($1, $2);
            send_all($peer, $answers), $answers = '' if $message =~ /^quit\z/i || length $message > $longest;
            $answers .= answer($peer, $message, $line_end);
        }
        send_all($peer, $answers) if length $answers;
        send_all($peer, answer($peer, $line, '')), $line = '' if !$count && length $line;
        finish($peer) unless $count;
    }
}

socket(my $listener, AF_INET6, SOCK_STREAM, 0) or die;
setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1);
setsockopt($listener, IPPROTO_IPV6, IPV6_V6ONLY, pack('i', 0));
bind($listener, pack_sockaddr_in6($port, IN6ADDR_ANY)) or die "echo-server: cannot listen\n";
listen($listener, 4096);
print "listening on [::]:$port\n";
$SIG{TERM} = $SIG{INT} = sub { print "stopping\n"; exit 0 };
while (1) {
    my $from = accept(my $peer, $listener) or next;
    my $pid = fork;
    next if $pid;
    $SIG{TERM} = 'DEFAULT';
    close $listener;
    serve($peer);
}
