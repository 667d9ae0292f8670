#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""grpc_crew.py - a gRPC server and threads that call it, with deadlines, on gRPC's own event loop and threads"""

import concurrent.futures
import os
import threading

os.environ["no_proxy"] = "127.0.0.1"

import grpc  # pylint: disable=wrong-import-position,import-error

CALLERS, TURNS = 20, 25
released = threading.Event()


def echo(request, _context):
    return request[::-1]


def stuck(request, _context):
    released.wait(60)
    return request


def count(request, _context):
    for number in range(int(request)):
        yield b"%d" % number


HANDLERS = grpc.method_handlers_generic_handler("crew", {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Stuck": grpc.unary_unary_rpc_method_handler(stuck),
    "Count": grpc.unary_stream_rpc_method_handler(count),
})


def call_often(channel, number):
    method = channel.unary_unary("/crew/Echo")
    texts = [b"%d of %d" % (turn, number) for turn in range(TURNS)]
    return sum(method(text, timeout=30) == text[::-1] for text in texts)


def give_up(channel):
    try:
        channel.unary_unary("/crew/Stuck")(b"x", timeout=0.2)
    except grpc.RpcError as error:
        return error.code().name
    return "answered"


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(CALLERS + 2), handlers=(HANDLERS,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, concurrent.futures.ThreadPoolExecutor(CALLERS) as callers:
        answers = [callers.submit(call_often, channel, number) for number in range(CALLERS)]
        print("deadline:", give_up(channel))
        print("right:", sum(answer.result() for answer in answers))
        print("stream:", b" ".join(channel.unary_stream("/crew/Count")(b"50", timeout=30)).decode())
    released.set()
    server.stop(None).wait()


if __name__ == "__main__":
    main()
