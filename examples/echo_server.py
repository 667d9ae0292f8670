#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# echo_server.py - Python's stock threading server, which sends every byte back
import socketserver, sys

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)

class Server(socketserver.ThreadingTCPServer):
    request_queue_size, daemon_threads, allow_reuse_address = 1024, True, True

with Server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Echo) as server:
    print("listening on", server.server_address[1], flush=True)
    server.serve_forever()
