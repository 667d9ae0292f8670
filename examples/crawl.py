#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""crawl.py CLAIM PROGRAM - sites for crawler, in which links are broken on purpose, for test_examples.sh"""
import collections
import http.server
import random
import re
import signal
import subprocess
import sys
import threading
import time

PATIENCE = 60    # seconds that anything may take at most


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def do_GET(self):
        site = self.server
        with site.lock:
            site.asked.append((self.path, time.monotonic()))
            site.now += 1
            site.most = max(site.most, site.now)
        page = site.pages.get(self.path, 404)
        if callable(page):
            page = page()
        with site.lock:
            site.now -= 1   # the crawler may ask for the next one as soon as the answer goes out
        if page is None:
            self.close_connection = True
        else:
            self.answer(*(page if isinstance(page, tuple) else (page, "text/html", "") if isinstance(page, int) else (200, "text/html", page)))

    def answer(self, status, kind, body):
        self.send_response(status)
        if status == 302:
            self.send_header("Location", body)
            body = ""
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", len(body.encode()))
        self.end_headers()
        self.wfile.write(body.encode())


class Site(http.server.ThreadingHTTPServer):
    """PAGES: path -> HTML, a status, (status, type, body), None to hang up, or a function that returns one of these."""
    daemon_threads = True
    request_queue_size = 100

    def __init__(self, pages):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages = pages
        self.asked = []
        self.now, self.most = 0, 0      # how many are being asked for, and were at most
        self.lock = threading.Lock()
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def paths(self):
        return [path for path, _ in self.asked]


def parse(output, origin):
    """What the crawler tells: path -> (why, the paths of who links to it), and the last line."""
    *lines, last = output.splitlines()
    broken, referrers = {}, None
    for line in lines:
        path, _, why = line.replace(origin, "").partition(": ")
        if line.startswith("    linked from "):
            referrers.append(path.removeprefix("    linked from "))
        else:
            assert path not in broken, output
            referrers = []
            broken[path] = (why, referrers)
    return {path: (why, sorted(referrers)) for path, (why, referrers) in broken.items()}, last


def crawl(program, site, *options, status, start="/"):
    done = subprocess.run([program, *options, site.origin + start], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == status and not done.stderr, (done.returncode, done.stdout, done.stderr)
    return parse(done.stdout, site.origin)


def planted(program):
    """Each kind of broken link is found, and nothing else is taken for one."""
    other = Site({})
    site = Site({
        "/": """<!DOCTYPE html><HTML><head><base target=_top><link rel=stylesheet href='/style.css'></head>
            <a href="/folder/page.html">a page</a> <A HREF = /upper>unquoted</A> <a class="x" href='single'>one</a>
            <a href="/q?a=1&amp;b=2#here">entities</a> <a href="#top">this page</a> <a href="">this page</a>
            <a href="mailto:anna@example.org">m</a> <a href="javascript:void(0)">j</a> <a href="tel:123">t</a> <a name=href>
            <!-- <a href="/in-a-comment"> --> <script>document.write('<a href="/in-a-script">');</script>
            <style>@import "<a href='/in-a-style'>";</style> <a href="OTHER/elsewhere">other port</a>
            <a href="/redirect">to a good page</a> <a href="/away">to another host</a> <a href="/text">text</a>
            <a href="/%C3%A4 b">encoded</a> <img src="/picture.png" alt="a > b"><br/> 1 < 2 <a href="/based/">base</a>
            <a href="/missing-1">planted</a><script src="/missing.js"></script><img alt='"' src=/missing.png>""".replace("OTHER", other.origin),
        "/style.css": (200, "text/css", "<a href=/in-css>"),
        "/folder/page.html": "<a href='../up'>up</a> <a href=./same>same</a> <a href='?query'>q</a> <a href='../../../up'>up</a>"
                             "<a href='../missing-1'>planted</a> <a href='deeper/../missing-2'>planted</a>",
        "/up": "<a href=/>", "/folder/same": "", "/folder/page.html?query": "", "/upper": "", "/single": "", "/q?a=1&b=2": "",
        "/redirect": (302, "text/html", "/target?1"), "/target?1": "<a href=/missing-3>planted</a>",
        "/away": (302, "text/html", other.origin + "/there"), "/text": (200, "text/plain", "<a href=/in-text>"),
        "/%C3%A4%20b": "<a href=/gone>1</a><a href=/hangs-up>2</a><a href=/loop>3</a><a href=/to-nowhere>4</a><a href=/error>5</a>",
        "/picture.png": (200, "image/png", ""), "/based/": "<base href='/new/place/'><a href=there>t</a><a href='nowhere'>planted</a>",
        "/new/place/there": "", "/gone": 410, "/hangs-up": None, "/error": 500, "/loop": (302, "text/html", "/loop"),
        "/to-nowhere": (302, "text/html", "/nowhere"),
    })
    other.pages["/there"] = "<a href=/not-ours>"
    encoded = ["/%C3%A4%20b"]
    expected = {
        "/missing-1": ("404", ["/", "/folder/page.html"]), "/missing.js": ("404", ["/"]), "/missing.png": ("404", ["/"]),
        "/folder/missing-2": ("404", ["/folder/page.html"]), "/missing-3": ("404", ["/target?1"]),
        "/new/place/nowhere": ("404", ["/based/"]), "/gone": ("410", encoded), "/error": ("500", encoded),
        "/hangs-up": ("the answer is cut short", encoded), "/loop": ("too many redirects", encoded), "/to-nowhere": ("404", encoded),
    }
    broken, last = crawl(program, site, status=1)
    assert broken == expected, {path: (broken.get(path), expected.get(path)) for path in {*broken, *expected}
                                if broken.get(path) != expected.get(path)}
    assert other.paths() == ["/there"], other.paths()
    good = [path for path, page in site.pages.items() if path not in expected]
    assert not set(good) - set(site.paths()), set(good) - set(site.paths())
    assert last == f"{len(good) + len(expected)} pages visited, {len(expected)} broken", last


def distances(links, start):
    """How many links each page is away from START."""
    away, waiting = {start: 0}, collections.deque([start])
    while waiting:
        page = waiting.popleft()
        for link in links.get(page, ()):
            if link not in away:
                away[link] = away[page] + 1
                waiting.append(link)
    return away


def large(program):
    """A site of 400 pages with links everywhere: what is found to a depth is what a walk over the plan of the site finds."""
    dice = random.Random(5)
    links = {f"/{i}": [f"/{dice.randrange(i // 3, min(i * 2 + 10, 400))}" if dice.random() < 0.9 else f"/missing-{dice.randrange(100)}"
                       for _ in range(5)] for i in range(400)}
    planted_to = {0: 0, 4: 5, 1000: 60}
    for depth in planted_to:
        site = Site({path: "".join(f"<a href='{link}'>" for link in targets) for path, targets in links.items()})
        away = {page: distance for page, distance in distances(links, "/0").items() if distance <= depth}
        expected = {page: ("404", sorted(path for path in away if away[path] < depth and page in links.get(path, ())))
                    for page in away if page not in links}
        assert len(expected) >= planted_to[depth], (depth, len(expected))
        broken, last = crawl(program, site, f"--depth={depth}", "--at-once=20", start="/0", status=1 if expected else 0)
        assert broken == expected, (depth, broken, expected)
        assert sorted(site.paths()) == sorted(away), "not each page once"
        assert last.startswith(f"{len(away)} pages visited, {len(expected)} broken"), last


def limits(program):
    """So many at once, so many pages, and so much time between two."""
    meeting = threading.Barrier(6)
    pages = {"/": "".join(f"<a href=/{i}>" for i in range(36))}
    site = Site({**pages, **{f"/{i}": lambda: meeting.wait(PATIENCE) and "" or "" for i in range(36)}})
    assert crawl(program, site, "--at-once=6", status=0) == ({}, "37 pages visited, 0 broken")
    assert site.most == 6, site.most
    site = Site({**pages, **{f"/{i}": "" for i in range(36)}})
    _, last = crawl(program, site, "--pages=10", status=0)
    assert last == "10 pages visited, 0 broken; there may be more behind the limits" and len(site.asked) == 10, last
    site.asked.clear()
    begun = time.monotonic()
    crawl(program, site, "--pages=10", "--delay=0.1", status=0)
    times = sorted(asked - begun for _, asked in site.asked)
    for number, asked in enumerate(times):
        assert asked >= number * 0.1, times


def trees(program):
    """All pages, each below the one through which it was found."""
    site = Site({"/": "<a href=/a><a href=/b>", "/a": "<a href=/c><a href=/>", "/b": "<a href=/c><a href=/d>", "/c": "", "/d": 404})
    done = subprocess.run([program, "--tree", "--at-once=1", site.origin], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.replace(site.origin, "").splitlines() == [
        "/: 200", "  /a: 200", "    /c: 200", "  /b: 200", "    /d: 404", "/d: 404", "    linked from /b",
        "5 pages visited, 1 broken"], done.stdout


def trouble(program):
    """A page that never comes is given up in time; Ctrl-C ends the walk, and what was found is told."""
    never = threading.Event()
    site = Site({"/": "<a href=/never><a href=/missing>", "/never": lambda: never.wait(PATIENCE) or ""})
    broken, _ = crawl(program, site, "--timeout=2", status=1)
    assert broken == {"/never": ("timed out", ["/"]), "/missing": ("404", ["/"])}, broken
    site.asked.clear()
    process = subprocess.Popen([program, site.origin], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(site.asked) < 3:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE)
    assert errors == "crawler: interrupted\n", errors
    assert "/never:" not in output and re.search(r"\d pages visited, \d broken; there may be more", output), output


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
