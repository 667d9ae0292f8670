// SPDX-License-Identifier: MIT
//! server_rust.rs - Rust's threads echo over its blocking sockets
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut data = [0; 65536];
    loop {
        match stream.read(&mut data)? {
            0 => return Ok(()),
            length => stream.write_all(&data[..length])?,
        }
    }
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || echo(stream));
    }
    Ok(())
}
