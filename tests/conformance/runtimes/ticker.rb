# SPDX-License-Identifier: MIT
# ticker.rb SECONDS - a thread that ticks every 10 ms beside one that computes: how many ticks, and how late, in us
INTERVAL = 0.01
over = false
lateness = []

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

computing = Thread.new do
  value = 0
  value = (value * 31 + 7) % 1_000_003 until over
end
ticking = Thread.new do
  until over
    start = now
    sleep INTERVAL
    lateness << now - start - INTERVAL
  end
end
sleep ARGV[0].to_f
over = true
[computing, ticking].each(&:join)
puts "#{lateness.size} #{(lateness.sort[lateness.size / 2] * 1e6).to_i}"
