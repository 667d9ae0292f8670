# SPDX-License-Identifier: MIT
# jobs.rb - a job server as one writes it in Ruby: threads, locks, timers, sockets, subprocesses and exceptions
require "monitor"
require "open3"
require "socket"
require "timeout"

class Refused < StandardError; end

def checksum(text)
  300.times.reduce(7) { |sum, _| text.each_byte.reduce(sum) { |value, byte| (value * 31 + byte) % 1_000_003 } }
end

def run_job(kind, text)
  case kind
  when "sum" then checksum(text)
  when "sort"
    out, status = Open3.capture2("sort", "-r", stdin_data: text.tr(",", "\n"))
    raise Refused, "sort failed" unless status.success?
    out.split.join(",")
  when "fail"
    system("exit 5")
    raise Refused, "status #{$?.exitstatus}"
  when "slow"
    begin
      Timeout.timeout(0.05) { sleep 30 }
    rescue Timeout::Error
      "ended in time"
    end
  else raise Refused, "no such job: #{kind}"
  end
end

def answer(line)
  kind, text = line.chomp.split(" ", 2)
  "ok #{run_job(kind, text.to_s)}"
rescue Refused => e
  "refused #{e.message}"
end

def serve
  server = TCPServer.new("127.0.0.1", 0)
  handlers = Queue.new
  acceptor = Thread.new do
    loop do
      handlers << Thread.new(server.accept) do |socket|
        while (line = socket.gets)
          socket.puts answer(line)
        end
        socket.close
      end
    end
  rescue IOError
    handlers << nil
  end
  answers = Queue.new
  clients = 12.times.map { |number| Thread.new { client(number, server.addr[1], answers) } }
  clients.each(&:join)
  server.close
  acceptor.join
  connections = 0
  while (handler = handlers.pop)
    handler.join
    connections += 1
  end
  puts answers.size.times.map { answers.pop }.sort
  puts "connections #{connections}"
end

def client(number, port, answers)
  jobs = ["sum client#{number}", "sort c#{number},a,b", "nonsense x", "fail", "sum again#{number}"]
  jobs << "slow" if (number % 4).zero?
  TCPSocket.open("127.0.0.1", port) do |socket|
    jobs.each do |job|
      socket.puts job
      answers << format("%02d %s: %s", number, job, socket.gets.chomp)
    end
  end
end

def timers
  fired = Queue.new
  doomed = Thread.new { sleep 0.05; fired << "cancelled" }
  threads = %w[first second third].each_with_index.map { |name, i| Thread.new { sleep 0.1 + 0.2 * i; fired << name } }
  doomed.kill.join
  threads.each(&:join)
  puts "fired #{fired.size.times.map { fired.pop }.inspect}"
end

def pipeline
  buffer, consumed = SizedQueue.new(4), []
  consuming = Mutex.new
  consumers = 3.times.map do
    Thread.new do
      Thread.current.report_on_exception = false
      while (value = buffer.pop)
        consuming.synchronize { consumed << value }
      end
      raise EOFError, "nothing is left"
    end
  end
  [0, 1000, 2000].map { |base| Thread.new { 50.times { |i| buffer << base + i } } }.each(&:join)
  buffer.close
  puts(consumers.map { |thread| begin thread.value rescue "#{$!.class}: #{$!.message}" end }.inspect)
  puts "consumed #{consumed.size} #{consumed.sum}"
end

# A counter under a monitor whose waiters are told one by one.
def monitors
  monitor = Monitor.new
  changed = monitor.new_cond
  turn = 0
  order = []
  threads = 6.times.map do |number|
    Thread.new do
      monitor.synchronize do
        changed.wait_until { turn == number }
        monitor.synchronize { order << number }
        turn += 1
        changed.broadcast
      end
    end
  end
  threads.each(&:join)
  puts "order #{order.inspect}"
end

# Exceptions and ends that come from another thread reach a sleeper and a busy thread alike.
def interruptions
  ensured = Queue.new
  sleeper = Thread.new { begin sleep rescue ensured << "sleeper: #{$!.message}" end }
  busy = Thread.new { begin loop { checksum("busy") } ensure ensured << "busy: ensured" end }
  Thread.pass until sleeper.stop?
  sleeper.raise(Refused, "from outside")
  sleeper.join
  busy.kill.join
  puts "ended #{[ensured.pop, ensured.pop].inspect} #{busy.status.inspect}"
end

def children
  reader, writer = IO.pipe
  pids = 4.times.map { |i| fork { reader.close; writer.puts "child #{i} has #{Thread.list.size} thread"; exit!(i) } }
  writer.close
  statuses = pids.map { |pid| Process.wait2(pid)[1].exitstatus }
  puts reader.read.lines.sort, "statuses #{statuses.inspect}"
end

serve
timers
pipeline
monitors
interruptions
children
puts "threads left #{Thread.list.size}"
