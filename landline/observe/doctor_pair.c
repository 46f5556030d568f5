/* doctor.h: what a paired host says through landline: TLS, identity, grants, spawn, and its own state. */
#include "landline/observe/doctor.h"

#include <errno.h>
#include <string.h>

#include "landline/observe/pair.h"

static const char group[] = "landline", remote[] = "server";

enum { CLOCK_APART_MS = 5000 };

/* What to do about a connection that did not come about; the failure's own sentence where it says it best. */
static void advise_connect(struct finding *f, int code, const char *host, const struct ll_failure *failure) {
    switch (code) {
    case LL_EPIN:
        doctor_advise(f,
                      "the server of %s has another key than the pinned one: if it was set up anew, run landline "
                      "hosts remove %s, and add it with a new invite; if not, somebody is in between",
                      host, host);
        return;
    case LL_ENOTENROLLED:
    case LL_EREVOKED:
        doctor_advise(f, "have the server let you in again: landline invite there, landline add here");
        return;
    case LL_ESILENT:
        doctor_advise(f,
                      "%s hangs up without a word: its key may be another than the pinned one, the clocks of both "
                      "machines may be a day apart, or it is no landline server",
                      host);
        return;
    default:
        doctor_advise(f, "%s", failure->sentence);
    }
}

static void add_step(struct doctor *d, const char *name, int code, int64_t took_ns, const char *good,
                     const struct ll_failure *failure) {
    struct finding *f =
        doctor_add(d, group, name, code == 0 ? DOCTOR_GOOD : DOCTOR_WRONG, "%s", code == 0 ? good : ll_strerror(code));
    if (f != NULL)
        f->took_ns = took_ns;
    if (code != 0)
        doctor_advise(f, "%s", failure->sentence);
}

/* Grants that do not let us start a command are no fault: they are told. */
static void add_spawn(struct doctor *d, const struct pair *p) {
    if (p->true_code == LL_ENOGRANT)
        doctor_add(d, group, "spawn", DOCTOR_FACT, "this key's grant does not let it run `true`");
    else
        add_step(d, "spawn", p->true_code, p->true_ns, "`true` ran and its status came back", &p->failure);
}

static void add_clock(struct doctor *d, const struct pair *p) {
    if (p->clock_ns == INT64_MIN)
        return;
    long long apart_ms = p->clock_ns / 1000000;
    bool far = apart_ms > CLOCK_APART_MS || apart_ms < -CLOCK_APART_MS;
    struct finding *f = doctor_add(d, remote, "clock", far ? DOCTOR_WORSE : DOCTOR_GOOD, "%+.3f s against ours",
                                   (double)p->clock_ns / 1e9);
    if (far)
        doctor_advise(f, "set the clock of one of the two machines right (timedatectl set-ntp true)");
}

/* One line "name<TAB>value" of the answer becomes a fact. */
static void add_line(struct doctor *d, char *line) {
    char *value = strchr(line, '\t');
    if (value == NULL)
        return;
    *value++ = '\0';
    if (strcmp(line, "gate sandbox") != 0) {
        doctor_add(d, remote, line, DOCTOR_FACT, "%s", value);
        return;
    }
    bool shut = strstr(value, "Seccomp:2") != NULL && strstr(value, "NoNewPrivs:1") != NULL;
    struct finding *f = doctor_add(d, remote, line, shut ? DOCTOR_GOOD : DOCTOR_WORSE, "%s",
                                   shut ? "seccomp filter, no new privileges" : value);
    if (!shut)
        doctor_advise(f, "run the server on a kernel with seccomp filters: its gate is not shut in");
}

/* What the server's machine says of itself, as far as the grant lets us ask. */
static void ask_machine(struct doctor *d, struct pair *p) {
    static const char questions[] =
        "t=$(printf '\\t'); say() { [ -z \"$2\" ] || echo \"$1$t$2\"; }\n"
        "say kernel \"$(uname -sr)\"\n"
        "say 'open files' \"$(ulimit -Sn), at most $(ulimit -Hn)\"\n"
        "say processes \"at most $(sed -n 's/^Max processes *\\([^ ]*\\).*/\\1/p' /proc/self/limits 2>/dev/null)\"\n"
        "say 'control groups' \"$(grep -Eqs '^0::.*/landline-[0-9a-f]+/[0-9]+' /proc/self/cgroup &&\n"
        "  echo 'one for each run, ended as a whole' || echo 'none: runs are ended by session, descent and "
        "environment')\"\n"
        "say 'congestion control' \"$(cat /proc/sys/net/ipv4/tcp_congestion_control 2>/dev/null)\"\n"
        "say 'kernel TLS' \"$(grep -qsw tls /proc/sys/net/ipv4/tcp_available_ulp && echo available || echo 'not "
        "loaded')\"\n"
        "say load \"$(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null)\"\n"
        "for p in /proc/[0-9]*; do read -r c < $p/comm || continue; case \"$c\" in 'landline: gate')\n"
        "  say 'gate sandbox' \"$(grep -E '^(Seccomp|NoNewPrivs):' $p/status | tr -d '\\t' | tr '\\n' ' ')\"; break;;\n"
        "esac; done 2>/dev/null; true\n";
    char answer[PAIR_ANSWER], *rest = NULL;
    int code = pair_ask_shell(p, questions, answer);
    if (code != 0) {
        doctor_add(d, remote, "its own state", DOCTOR_FACT, "cannot be asked: %s", ll_strerror(code));
        return;
    }
    for (char *line = strtok_r(answer, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        add_line(d, line);
}

/* The steps to a connection, as far as they came: the first that did not succeed is the one that failed. */
static void add_connect(struct doctor *d, const struct pair *p, const char *host) {
    const struct {
        const char *name, *good;
        int64_t took_ns;
    } steps[] = {{"TLS", "TLS 1.3, landline/1: the server's half of the handshake", p->tls_ns},
                 {"identity", "the pinned key, proved", p->identity_ns},
                 {"grant", "the server lets this key in", p->grant_ns}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].took_ns < 0) {
            struct finding *f = doctor_add(d, group, steps[i].name, DOCTOR_WRONG, "%s", ll_strerror(p->connect_code));
            advise_connect(f, p->connect_code, host, &p->failure);
            return;
        }
        struct finding *f = doctor_add(d, group, steps[i].name, DOCTOR_GOOD, "%s", steps[i].good);
        if (f != NULL)
            f->took_ns = steps[i].took_ns;
    }
}

bool doctor_pair(struct doctor *d, const char *host, int64_t timeout_ns) {
    struct pair p;
    int code = pair_measure(&p, host, (double)timeout_ns / 1e9);
    if (p.open_code != 0) {
        add_step(d, "host and key", p.open_code, -1, "", &p.failure);
    } else {
        add_connect(d, &p, host);
    }
    if (p.ask_ns >= 0 || p.ask_code != 0)
        add_step(d, "round trip", p.ask_code, p.ask_ns, "a question and its answer", &p.failure);
    if (p.true_ns >= 0 || p.true_code != 0)
        add_spawn(d, &p);
    add_clock(d, &p);
    if (code == 0)
        ask_machine(d, &p);
    pair_close(&p);
    return code == 0 || code == LL_ENOGRANT;
}
