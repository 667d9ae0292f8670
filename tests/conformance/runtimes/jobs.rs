// SPDX-License-Identifier: MIT
// jobs.rs - a job server as one writes it in Rust: threads, locks, timers, sockets, subprocesses and panics
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::{Duration, Instant};

fn checksum(text: &str) -> u64 {
    let mut value = 7u64;
    for _ in 0..20000 {
        for byte in text.bytes() {
            value = (value * 31 + u64::from(byte)) % 1_000_003;
        }
    }
    value
}

fn by_command(text: &str) -> Result<String, String> {
    let mut child = Command::new("sort")
        .arg("-r")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let lines = text.replace(',', "\n") + "\n";
    child.stdin.take().unwrap().write_all(lines.as_bytes()).map_err(|error| error.to_string())?;
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let sorted = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    Ok(sorted.lines().collect::<Vec<_>>().join(","))
}

fn job(kind: &str, text: &str) -> Result<String, String> {
    match kind {
        "sum" => Ok(checksum(text).to_string()),
        "sort" => by_command(text),
        "fail" => {
            let status = Command::new("sh").args(["-c", "exit 5"]).status().map_err(|error| error.to_string())?;
            Err(format!("status {}", status.code().unwrap()))
        }
        "panic" => panic!("{} is too much", text),
        _ => Err(format!("no such job: {}", kind)),
    }
}

fn answer(line: &str) -> String {
    let (kind, text) = line.split_once(' ').unwrap_or((line, ""));
    match panic::catch_unwind(|| job(kind, text)) {
        Ok(Ok(result)) => format!("ok {}", result),
        Ok(Err(why)) => format!("refused {}", why),
        Err(payload) => format!("panicked: {}", payload.downcast_ref::<String>().unwrap()),
    }
}

fn handle(stream: TcpStream) {
    let mut writer = stream.try_clone().unwrap();
    for line in BufReader::new(stream).lines() {
        writeln!(writer, "{}", answer(&line.unwrap())).unwrap();
    }
}

fn client(number: usize, port: u16, answers: mpsc::Sender<String>) {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines();
    for job in [
        format!("sum client{}", number),
        format!("sort c{},a,b", number),
        "nonsense x".to_string(),
        "fail".to_string(),
        "panic this".to_string(),
        format!("sum again{}", number),
    ] {
        writeln!(writer, "{}", job).unwrap();
        answers.send(format!("{:02} {}: {}", number, job, lines.next().unwrap().unwrap())).unwrap();
    }
}

fn serve(clients: usize) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..clients {
            let answers = sender.clone();
            scope.spawn(move || client(number, port, answers));
        }
        for stream in listener.incoming().take(clients) {
            scope.spawn(move || handle(stream.unwrap()));
        }
        drop(sender);
    });
    let mut answers: Vec<_> = receiver.iter().collect();
    answers.sort();
    println!("{}", answers.join("\n"));
}

fn timers() {
    let fired = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    for (name, delay) in [("third", 500), ("first", 100), ("second", 300)] {
        let fired = Arc::clone(&fired);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(delay));
            fired.0.lock().unwrap().push(name);
            fired.1.notify_one();
        });
    }
    let (list, result) = fired.1.wait_timeout_while(fired.0.lock().unwrap(), Duration::from_secs(30), |list| list.len() < 3).unwrap();
    println!("fired {:?}, timed out {}", *list, result.timed_out());
    drop(list);
    let start = Instant::now();
    let (_sender, receiver) = mpsc::channel::<()>();
    let outcome = receiver.recv_timeout(Duration::from_millis(30));
    thread::park_timeout(Duration::from_millis(30));
    println!("{:?} after {}", outcome, if start.elapsed() >= Duration::from_millis(59) { "the time" } else { "less" });
}

fn pipeline() {
    let (sender, receiver) = mpsc::sync_channel::<u64>(4);
    let receiver = Arc::new(Mutex::new(receiver));
    let totals = Arc::new(RwLock::new(BTreeMap::new()));
    let consumers: Vec<_> = (0..3)
        .map(|_| {
            let (receiver, totals) = (Arc::clone(&receiver), Arc::clone(&totals));
            thread::spawn(move || loop {
                let received = receiver.lock().unwrap().recv();
                match received {
                    Ok(value) => *totals.write().unwrap().entry(value / 1000).or_insert(0) += value,
                    Err(_) => panic!("nothing is left"),
                }
            })
        })
        .collect();
    let producers: Vec<_> = [0, 1000, 2000]
        .into_iter()
        .map(|base| {
            let sender = sender.clone();
            thread::spawn(move || (base..base + 50).for_each(|value| sender.send(value).unwrap()))
        })
        .collect();
    drop(sender);
    for producer in producers {
        producer.join().unwrap();
    }
    for consumer in consumers {
        println!("consumer: {}", consumer.join().unwrap_err().downcast_ref::<&str>().unwrap());
    }
    println!("totals {:?}", totals.read().unwrap());
}

thread_local! {
    static OWN: Cell<usize> = Cell::new(0);
    static LAST: Farewell = Farewell;
}
static FAREWELLS: AtomicUsize = AtomicUsize::new(0);
static BEGUN: Once = Once::new();

struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        FAREWELLS.fetch_add(1, Ordering::SeqCst);
    }
}

fn locals() {
    let (barrier, begun) = (Arc::new(Barrier::new(8)), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (1..=8)
        .map(|number| {
            let (barrier, begun) = (Arc::clone(&barrier), Arc::clone(&begun));
            thread::Builder::new()
                .name(format!("local-{}", number))
                .stack_size(64 * 1024)
                .spawn(move || {
                    OWN.with(|own| own.set(number));
                    LAST.with(|_| ());
                    BEGUN.call_once(|| {
                        thread::sleep(Duration::from_millis(5));
                        begun.fetch_add(1, Ordering::SeqCst);
                    });
                    barrier.wait();
                    (thread::current().name().unwrap().to_string(), OWN.with(Cell::get))
                })
                .unwrap()
        })
        .collect();
    let found: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    println!("{:?}, begun {}, farewells {}", found, begun.load(Ordering::SeqCst), FAREWELLS.load(Ordering::SeqCst));
}

fn poison() {
    let mutex = Arc::new(Mutex::new(1));
    let other = Arc::clone(&mutex);
    let result = thread::spawn(move || {
        let _guard = other.lock().unwrap();
        panic!("while it holds the lock");
    })
    .join();
    println!("poisoned: {} {}", result.is_err(), mutex.is_poisoned());
}

fn pipes() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let writer = thread::spawn(move || {
        for number in 0..20000 {
            writeln!(stdin, "line {}", number).unwrap();
        }
    });
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    writer.join().unwrap();
    println!("{} lines of {} bytes, {}", text.lines().count(), text.len(), child.wait().unwrap());
}

fn main() {
    panic::set_hook(Box::new(|_| ()));
    serve(10);
    timers();
    pipeline();
    locals();
    poison();
    pipes();
}
