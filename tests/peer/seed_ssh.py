#!/usr/bin/python3
"""The tutorial's "simple ssh", as it is on the wire: length, 'ok', output."""

import os

import seed_common


def answer(connection):
    for command in seed_common.messages(connection):
        with os.popen(command.decode()) as pipe:
            output = pipe.read()
        if len(output) == 0:
            output = "The command is wrong!!"
        connection.send(str(len(output.encode())).encode())
        connection.recv(seed_common.PIECE)
        connection.send(output.encode())


def ask(connection):
    for command in seed_common.typed():
        if len(command) == 0:
            continue
        connection.send(command.encode())
        size = connection.recv(seed_common.PIECE).decode()
        print("length:", size)
        connection.send(b"ok")
        received = bytearray()
        while len(received) < int(size):
            received += connection.recv(seed_common.PIECE)
        print("received:", len(received))
        print(received.decode(), flush=True)


if __name__ == "__main__":
    seed_common.main(answer, ask)
