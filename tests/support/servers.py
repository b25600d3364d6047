"""Servers on this machine, for tests of what is fetched."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Answers on a free port as its handler does, from when it is made until it is closed."""

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that hung up; said aloud, it would stand in another test's output

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Prints nothing."""

    def log_message(self, *args):
        pass

    def reply(self, status, data, headers=None, length=None):
        """Send data; length: what is said of it, where that is another number than its own."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":  # a body there would stand before the next answer of the connection
            self.wfile.write(data)
