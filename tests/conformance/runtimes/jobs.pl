# SPDX-License-Identifier: MIT
# jobs.pl - a job server as one writes it in Perl with ithreads: threads, locks, timers, sockets, subprocesses and exceptions
use strict;
use warnings;
use threads;
use threads::shared;
use Thread::Queue;
use Thread::Semaphore;
use IO::Socket::INET;
use IPC::Open2;
use Time::HiRes qw(sleep);

$| = 1;

sub checksum {
    my ($text) = @_;
    my $value = 7;
    for (1 .. 200) { $value = ($value * 31 + ord) % 1_000_003 for split //, $text; }
    return $value;
}

sub by_command {
    my ($text) = @_;
    my $pid = open2(my $out, my $in, "sort", "-r");
    print $in join("\n", split /,/, $text), "\n";
    close $in;
    my @sorted = <$out>;
    waitpid $pid, 0;
    chomp @sorted;
    return join ",", @sorted;
}

sub job {
    my ($kind, $text) = @_;
    return checksum($text) if $kind eq "sum";
    return by_command($text) if $kind eq "sort";
    if ($kind eq "fail") {
        system "sh", "-c", "exit 5";
        die { status => $? >> 8 };
    }
    die "no such job: $kind\n";
}

sub answer {
    my ($kind, $text) = split / /, $_[0], 2;
    my $result = eval { job($kind, $text // "") };
    return "ok $result" unless $@;
    my $why = ref $@ ? "status $@->{status}" : $@;
    chomp $why;
    return "refused $why";
}

sub handle {
    my ($socket) = @_;
    while (defined(my $line = <$socket>)) {
        chomp $line;
        print $socket answer($line), "\n";
    }
    close $socket;
}

sub client {
    my ($number, $port, $answers) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) or die "connect: $!";
    for my $job ("sum client$number", "sort c$number,a,b", "nonsense x", "fail", "sum again$number") {
        print $socket "$job\n";
        my $line = <$socket>;
        chomp $line;
        $answers->enqueue("$number $job: $line");
    }
    close $socket;
}

sub serve {
    my $clients = 6;
    my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => "127.0.0.1") or die "listen: $!";
    my $answers = Thread::Queue->new;
    my @clients = map { threads->create(\&client, $_, $listener->sockport, $answers) } 1 .. $clients;
    my @handlers;
    for (1 .. $clients) {
        my $socket = $listener->accept or die "accept: $!";
        push @handlers, threads->create(\&handle, $socket);
        close $socket;
    }
    $_->join for @clients, @handlers;
    print "$_\n" for sort map { $answers->dequeue } 1 .. $answers->pending;
}

sub timers {
    my @fired : shared;
    my @threads = map {
        my ($name, $delay) = @$_;
        threads->create(sub { sleep $delay; lock @fired; push @fired, $name })
    } [ first => 0.1 ], [ second => 0.3 ], [ third => 0.5 ];
    my $ready = Thread::Semaphore->new(0);
    my $doomed = threads->create(sub { local $SIG{KILL} = sub { threads->exit }; $ready->up; sleep 0.01 while 1; });
    $ready->down;
    $doomed->kill("KILL")->join;
    $_->join for @threads;
    print "fired @fired\n";
    local $SIG{ALRM} = sub { die "alarm\n" };
    eval { alarm 1; select undef, undef, undef, 30; };
    print "interrupted by $@";
}

sub pipeline {
    my $buffer = Thread::Queue->new;
    $buffer->limit = 4;
    my $room = Thread::Semaphore->new(2);
    my ($sum, $count) : shared = (0, 0);
    my @consumers = map {
        threads->create({ context => "scalar" }, sub {
            while (defined(my $value = $buffer->dequeue)) {
                $room->down;
                { lock $sum; $sum += $value; $count++; }
                $room->up;
            }
            return eval { die "nothing is left\n" } // $@;
        })
    } 1 .. 3;
    $_->join for map { my $base = $_; threads->create(sub { $buffer->enqueue($base + $_) for 0 .. 29 }) } 0, 1000, 2000;
    $buffer->end;
    print "consumer: ", $_->join for @consumers;
    print "consumed $count $sum\n";
}

# Each thread waits for its turn under one condition.
sub turns {
    my $turn : shared = 0;
    my @order : shared;
    my @threads = map {
        my $own = $_;
        threads->create(sub {
            lock $turn;
            cond_wait $turn until $turn == $own;
            push @order, $own;
            $turn++;
            cond_broadcast $turn;
        })
    } 0 .. 4;
    $_->join for @threads;
    print "order @order\n";
    lock $turn;
    print "timed wait ", (cond_timedwait($turn, time + 1) ? "was told" : "ran out"), "\n";
}

# A thread that dies leaves its message behind, and nobody else is touched.
sub deaths {
    local $SIG{__WARN__} = sub { };
    my @threads = map { my $own = $_; threads->create(sub { die "thread $own gives up\n" if $own % 2; return $own * 10 }) } 0 .. 3;
    for my $thread (@threads) {
        my $result = $thread->join;
        print defined $result ? "returned $result\n" : "died: " . $thread->error;
    }
}

serve;
timers;
pipeline;
turns;
deaths;
print "threads left ", scalar(threads->list), "\n";
