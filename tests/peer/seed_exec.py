#!/usr/bin/python3
"""The tutorial's remote commands, as they are on the wire: no length, an empty output is not answered at all."""

import os

import seed_common


def answer(connection):
    for command in seed_common.messages(connection):
        with os.popen(command.decode()) as pipe:
            connection.send(pipe.read().encode())


def ask(connection):
    for line in seed_common.typed():
        connection.send(line.strip().encode())
        print("result:", connection.recv(seed_common.PIECE).decode(), flush=True)


if __name__ == "__main__":
    seed_common.main(answer, ask)
