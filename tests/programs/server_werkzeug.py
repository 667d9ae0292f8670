# SPDX-License-Identifier: MIT
"""server_werkzeug.py - answers each request with its own path, by Werkzeug with a thread per connection"""

import sys

from werkzeug.serving import WSGIRequestHandler, run_simple
from werkzeug.wrappers import Request, Response


class Handler(WSGIRequestHandler):
    """Keeps connections, which Werkzeug would close after each answer, and does not tell of each request."""

    protocol_version = "HTTP/1.1"

    def send_header(self, keyword, value):
        if (keyword, value) != ("Connection", "close"):
            super().send_header(keyword, value)

    def log_request(self, *_):
        pass


@Request.application
def answer(request):
    return Response(request.path, mimetype="text/plain")


run_simple("127.0.0.1", int(sys.argv[1]), answer, threaded=True, request_handler=Handler)
