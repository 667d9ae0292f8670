#!/usr/bin/ruby
# SPDX-License-Identifier: MIT
# crew.rb - Ruby threads, each with a connection of its own by Net::HTTP over TLS; crew.c in Ruby
#
# Arguments: threads, turns, milliseconds that the server takes for an answer, port, certificate.

require 'net/http'
require 'openssl'

threads, turns, ms, port = ARGV[0, 4].map(&:to_i)
$place = ARGV[4]

def connect(port)
  http = Net::HTTP.new('localhost', port)
  http.use_ssl = true
  http.ca_file = $place
  http.verify_mode = OpenSSL::SSL::VERIFY_PEER
  http.open_timeout = http.read_timeout = 30
  http.start
end

def milliseconds
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :float_millisecond)
end

# All wait at a gate until each has its connection, or none to be had.
lock, moved = Mutex.new, ConditionVariable.new
connected, started, lost, right = 0, false, 0, 0
began = milliseconds

crew = Array.new(threads) do |number|
  Thread.new do
    http = begin
      connect(port)
    rescue StandardError => error
      warn error.message
      nil
    end
    lock.synchronize do
      connected += 1
      lost += 1 unless http
      moved.broadcast
      moved.wait(lock) until started
    end
    next unless http
    turns.times do |turn|
      path = "/#{ms}/#{number}-#{turn}"
      seen = http.get(path).body
      lock.synchronize { right += 1 } if seen == path
    end
    http.finish
  end
end

lock.synchronize do
  moved.wait(lock) until connected == threads
  started = true
  moved.broadcast
end
ready = milliseconds
crew.each(&:join)
warn format('connected %.0f ms, asked %.0f ms', ready - began, milliseconds - ready)
puts "#{right} right, #{(threads - lost) * turns - right} wrong, #{lost} without a connection"
exit(right == threads * turns)
