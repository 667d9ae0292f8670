# SPDX-License-Identifier: MIT
"""http_threads.py - Python's stock HTTP server with a thread per connection, which it keeps alive"""
import http.server

BODY = b"hello, world\n" * 8


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True

    def do_GET(self):   # pylint: disable=invalid-name
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        """Nobody wants to know."""


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


with Server(("127.0.0.1", 0), Hello) as server:
    print("listening on", server.server_address[1], flush=True)
    server.serve_forever()
