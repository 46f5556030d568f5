#!/bin/sh
# A file there and back inside the virtual machine: files.sh LANDLINE BYTES. Says how many connections of it the kernel
# sealed; where the kernel has no TLS, "none".
set -eu
landline=$1 bytes=$2
mkdir -p /etc /root
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >/etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >/etc/group
export HOME=/root XDG_RUNTIME_DIR=/run

# Connections whose sending side the kernel has had.
sealed() {
    if [ -e /proc/net/tls_stat ]; then awk '$1 == "TlsTxSw" { print $2 }' /proc/net/tls_stat; else echo none; fi
}

"$landline" serve --listen 127.0.0.1:0 2>/tmp/serve.log &
server=$!
until grep -s -q 'listening on' /tmp/serve.log; do
    kill -0 $server || { cat /tmp/serve.log; exit 1; }
    usleep 10000
done
"$landline" invite --as root >/tmp/invite
"$landline" add box </tmp/invite

head -c "$bytes" /dev/urandom >/tmp/file
"$landline" get -q box:/tmp/file /tmp/got
cmp /tmp/file /tmp/got
echo "after get: $(sealed)"
"$landline" put -q /tmp/file box:/tmp/put
cmp /tmp/file /tmp/put
echo "after put: $(sealed)"

# The connection is cut where the kernel seals: the transfer goes on over another.
before=$(sealed)
"$landline" get -q --limit 4M box:/tmp/file /tmp/again &
transfer=$!
until [ "$before" = none ] || [ "$(sealed)" != "$before" ]; do
    kill -0 $transfer || { echo "it ended before the kernel sealed"; exit 1; }
    usleep 10000
done
kill -HUP $server
wait $transfer
cmp /tmp/file /tmp/again
echo "after cut: $(sealed)"

# Many messages after the bulk on one connection, and an exit code at the end of it.
"$landline" run --no-broker box -- sh -c 'cat; exit 7' </tmp/file >/tmp/echoed || [ $? = 7 ]
cmp /tmp/file /tmp/echoed
echo "after run: $(sealed)"
! grep -q killed /tmp/serve.log
