"""What the seed-like peers share: one server loop that takes clients strictly one after another, one command line.

These programs behave on the wire as the little Python programs of the socket tutorial do that landline comes from, with
their faults: one receive is one message, of at most 1024 bytes; a second client waits until the first has gone; an
error ends the server. They are the test's picture of a peer that cannot be changed.
"""

import socket
import sys

PIECE = 1024


def serve(port, handle, host="127.0.0.1"):
    """Accepts one client at a time, for ever; handle(connection) answers all of its messages."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(5)
    print("listening", listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        handle(connection)
        connection.close()


def messages(connection):
    """One receive, one message, until the client has gone."""
    while True:
        data = connection.recv(PIECE)
        if not data:
            return
        yield data


def typed():
    """The lines a user types, as input() gives them, until the end of standard input."""
    while True:
        try:
            yield input()
        except EOFError:
            return


def main(serve_one, ask):
    """seed_X.py serve PORT | seed_X.py ask HOST PORT, with standard input as the keyboard."""
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), serve_one)
    connection = socket.create_connection((sys.argv[2], int(sys.argv[3])))
    ask(connection)
    connection.close()
