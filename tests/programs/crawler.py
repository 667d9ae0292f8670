#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""crawler.py - CPython threads that follow the links of a site: http.client, html.parser and a queue

Arguments: threads, port.  Prints a line for each page: its path, its title, how many links it has, and its size.
"""

import html.parser
import http.client
import queue
import sys
import threading


class Page(html.parser.HTMLParser):
    """The title and the links of a page."""

    def __init__(self, text):
        super().__init__()
        self.title, self.links, self.inside = "", [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "title"
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.title += data


class Crawler:
    """What the threads share."""

    def __init__(self, port):
        self.port, self.todo, self.lock = port, queue.Queue(), threading.Lock()
        self.seen, self.lines = set(), []

    def add(self, paths):
        with self.lock:
            new = [path for path in paths if path not in self.seen]
            self.seen.update(new)
        for path in new:
            self.todo.put(path)

    def work(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while (path := self.todo.get()) is not None:
            connection.request("GET", path)
            text = connection.getresponse().read().decode()
            page = Page(text)
            self.add(page.links)
            with self.lock:
                self.lines.append(f"{path} {page.title!r} {len(page.links)} {len(text)}")
            self.todo.task_done()
        connection.close()


def main():
    count, port = int(sys.argv[1]), int(sys.argv[2])
    crawler = Crawler(port)
    crawler.add(["/0/site/1"])
    threads = [threading.Thread(target=crawler.work) for _ in range(count)]
    for thread in threads:
        thread.start()
    crawler.todo.join()
    for _ in threads:
        crawler.todo.put(None)
    for thread in threads:
        thread.join()
    print("\n".join(sorted(crawler.lines)))


if __name__ == "__main__":
    main()
