#!/usr/bin/python3
"""The tutorial's download, as it is on the wire: the size in decimal digits, the bytes right behind it.

Its client takes the first receive for the size, whatever it holds, and counts 1024 for every later receive, however
short: it is right only where the size comes alone and every piece but the last is full.
"""

import os

import seed_common


def answer(connection):
    for name in seed_common.messages(connection):
        size = os.stat(name.decode()).st_size
        connection.send(str(size).encode())
        with open(name, "rb") as file:
            for line in file:
                connection.send(line)


def ask(connection):
    for name in seed_common.typed():
        connection.send(name.encode())
        size = int(connection.recv(seed_common.PIECE).decode())
        counted = 0
        with open(os.path.basename(name) + ".new", "wb") as file:
            while counted < size:
                file.write(connection.recv(seed_common.PIECE))
                counted += seed_common.PIECE
        print("size:", size, flush=True)


if __name__ == "__main__":
    seed_common.main(answer, ask)
