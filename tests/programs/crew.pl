#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# crew.pl - Perl's interpreter threads, each with a connection of its own by HTTP::Tiny; crew.c in Perl
#
# Arguments: threads, turns, milliseconds that the server takes for an answer, port, address.
use strict;
use warnings;
use threads;
use threads::shared;
use HTTP::Tiny;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($threads, $turns, $ms, $port, $place) = @ARGV;
my $size = 200;
my $connected : shared = 0;
my $started : shared = 0;
my ($right, $lost) = (0, 0);

sub milliseconds {
	return 1000 * clock_gettime(CLOCK_MONOTONIC);
}

# The server's files hold their own path again and again.
sub is_right {
	my ($http, $path) = @_;
	my $reply = $http->get("http://$place:$port$path");
	return $reply->{success} && $reply->{content} eq substr("$path " x $size, 0, $size);
}

sub work {
	my ($number) = @_;
	my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 30, proxy => undef, http_proxy => undef);
	my $there = is_right($http, "/0/$size/hello-$number");
	{
		lock($connected);
		$connected++;
		cond_broadcast($connected);
	}
	{
		lock($started);
		cond_wait($started) until $started;
	}
	return (0, 1) unless $there;
	return (scalar(grep { is_right($http, "/$ms/$size/$number-$_") } 1 .. $turns), 0);
}

my $began = milliseconds();
my @crew = map { threads->create({ context => 'list', stack_size => 512 * 1024 }, \&work, $_) } 1 .. $threads;
{
	lock($connected);
	cond_wait($connected) until $connected == $threads;
}
my $ready = milliseconds();
{
	lock($started);
	$started = 1;
	cond_broadcast($started);
}
for my $thread (@crew) {
	my ($some, $none) = $thread->join();
	$right += $some;
	$lost += $none;
}
printf STDERR "connected %.0f ms, asked %.0f ms\n", $ready - $began, milliseconds() - $ready;
printf "%d right, %d wrong, %d without a connection\n", $right, ($threads - $lost) * $turns - $right, $lost;
exit($right == $threads * $turns ? 0 : 1);
