#!/usr/bin/python3
"""piecewise.py HOST PORT PATH: gets a file and takes all that is there with each receive.

Prints how many receives the data took, how many of them ended within a piece of 1024 bytes, and the digest.
"""

import hashlib
import os
import socket
import sys

PIECE = 1024


def main():
    host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    connection = socket.create_connection((host, port))
    connection.sendall(path.encode())
    size = int(connection.recv(PIECE))
    assert size == os.path.getsize(path)
    digest, received, receives, torn = hashlib.sha256(), 0, 0, 0
    while received < size:
        data = connection.recv(1 << 20)
        assert data, "closed after %d bytes" % received
        digest.update(data)
        received += len(data)
        receives += 1
        torn += received % PIECE != 0 and received != size
    print(receives, torn, digest.hexdigest())


main()
