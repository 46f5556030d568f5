#!/bin/sh
# Files over a long line that loses packets: streams.sh LANDLINE TC BYTES, in the virtual machine, whose kernel has netem. Says
# how many connections each transfer has used.
set -eu
landline=$1 tc=$2 bytes=$3
mkdir -p /etc /root
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >/etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >/etc/group
export HOME=/root XDG_RUNTIME_DIR=/run

# Connections that a listener has had.
accepted() {
    awk '$1 == "Tcp:" && $7 ~ /[0-9]/ { print $7 }' /proc/net/snmp
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

# Packets of a size that networks have, so that the loss of one is what it is there.
ip link set lo mtu 1500
"$tc" qdisc add dev lo root netem delay 20ms loss 1%
for streams in 1 auto 4; do
    for verb in get put; do
        before=$(accepted)
        if [ $verb = get ]; then set -- box:/tmp/file /tmp/got; else set -- /tmp/file box:/tmp/got; fi
        timeout 200 "$landline" $verb --streams $streams "$@" || { cat /tmp/serve.log; exit 1; }
        cmp /tmp/file /tmp/got
        rm /tmp/got
        echo "$verb with $streams: $(($(accepted) - before)) connections"
    done
done
"$tc" -s qdisc show dev lo | grep -q 'dropped [1-9]' || { echo "nothing was lost: the test has shown nothing"; exit 1; }
