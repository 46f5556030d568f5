#!/usr/bin/python3
"""The tutorial's upper-case pair, as it is on the wire. `serve-once` is its first form: one client, one message."""

import sys

import seed_common


def answer(connection):
    for data in seed_common.messages(connection):
        connection.send(data.upper())


def answer_once(connection):
    connection.send(connection.recv(seed_common.PIECE).upper())
    sys.exit(0)


def ask(connection):
    for line in seed_common.typed():
        text = line.strip()
        if not text:
            continue
        connection.send(text.encode())
        print("received:", connection.recv(seed_common.PIECE), flush=True)


if __name__ == "__main__":
    once = sys.argv[1] == "serve-once"
    sys.argv[1] = sys.argv[1].removesuffix("-once")
    seed_common.main(answer_once if once else answer, ask)
