#include "landline/observe/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct sentence {
    const char *brief, *full;
};

/* {a} the sender, {b} the receiver, {A} and {B} the same at the start of a sentence, {seq} {end} {ack} {len} {win}
 * numbers of the segment, {wait} how long it waited, {icmp} who complained and why. One row an event, in the order of
 * FLOW_EVENTS. */
static const struct sentence steps[EVENT_COUNT][WORDS_LANGUAGES] = {
    [EVENT_SYN] =
        {{"{A} asks for a connection",
          "{A} asks for a connection: SYN, with its initial sequence number x (here {abs}). It is now in SYN_SENT and "
          "waits."},
         {"{a}请求建立连接",
          "第一次握手：{a}发送 SYN，带上自己的初始序号 x（这里是 {abs}），进入 SYN_SENT 状态等待。"}},
    [EVENT_SYN_AGAIN] =
        {{"SYN again: no answer for {wait}",
          "No answer came for {wait}, so {a} sends the same SYN again; each further wait is about twice as long."},
         {"重发 SYN：{wait} 内没有回应", "等了 {wait} 没有回应，{a}重发同一个 SYN；以后每次等待的时间大约加倍。"}},
    [EVENT_SYN_CROSSED] =
        {{"{A} asks too: simultaneous open",
          "{A} asks for the same connection before it has seen the other SYN: a simultaneous open. Both ends are "
          "clients here."},
         {"{a}也在请求：同时打开", "{a}在看到对方的 SYN 之前也发出了 SYN：同时打开，两端都是主动方。"}},
    [EVENT_SYN_ACK] =
        {{"{A} agrees and asks back",
          "{A} agrees: ACK of x+1 says that the SYN arrived, and its own SYN brings its initial sequence number y "
          "(here {abs}). It is in SYN_RECV until that is acknowledged."},
         {"{a}同意，并给出自己的序号",
          "第二次握手：{a}用 ack=x+1 确认收到，同时发出自己的 SYN，初始序号 y（这里是 {abs}），进入 SYN_RECV 状态。"}},
    [EVENT_SYN_ACK_AGAIN] = {{"SYN+ACK again: not confirmed for {wait}",
                              "{A} heard no confirmation for {wait} and sends its SYN+ACK again."},
                             {"重发 SYN+ACK：{wait} 内没有确认", "{a}等了 {wait} 没有得到确认，重发 SYN+ACK。"}},
    [EVENT_HANDSHAKE] =
        {{"handshake done",
          "{A} acknowledges y+1 and is ESTABLISHED; when this arrives, {b} is too. Both ends now know both numbers: "
          "the handshake is done."},
         {"握手完成",
          "第三次握手：{a}发送 ack=y+1，自己进入 ESTABLISHED；对方收到后也进入 ESTABLISHED，三次握手完成。"}},
    [EVENT_DATA] =
        {{"{len} bytes",
          "{A} sends {len} bytes, numbered {seq} to {last}. They stay in its send buffer until they are acknowledged."},
         {"{len} 字节数据",
          "{a}发送 {len} 字节，序号 {seq} 到 {last}；在得到确认之前，这些数据一直留在它的发送缓冲区里。"}},
    [EVENT_DATA_AGAIN] =
        {{"retransmission: no ACK for {wait}",
          "Retransmission: nobody acknowledged byte {seq} for {wait}, so {a} sends {len} bytes from there again."},
         {"重传：{wait} 内没有确认", "重传：{wait} 内没有人确认字节 {seq}，{a}从那里重新发送 {len} 字节。"}},
    [EVENT_DATA_NEEDLESS] =
        {{"needless retransmission",
          "{A} sends {len} bytes again that had been acknowledged already: the acknowledgement was late or lost."},
         {"多余的重传", "{a}重发了 {len} 字节已被确认过的数据：确认来晚了，或者丢了。"}},
    [EVENT_GAP] =
        {{"{len} bytes, some before it missing",
          "{len} bytes that do not follow what was seen before: a segment in front of them was lost, comes later, or "
          "was not captured."},
         {"{len} 字节，前面有缺口", "{len} 字节，与之前看到的不相接：前面的报文丢了、迟到了，或者没有被捕获。"}},
    [EVENT_LATE] =
        {{"{len} bytes that were missing",
          "{len} bytes that belong before others that were already seen: out of order on the way, or sent again."},
         {"补上缺失的 {len} 字节", "{len} 字节，属于已经看到的数据之前：在路上乱序了，或者是重发的。"}},
    [EVENT_ACK] = {{"received up to {ack}", "{A} says: everything before byte {ack} is here, go on from there."},
                   {"已收到 {ack} 之前的数据", "{a}确认：字节 {ack} 之前的数据都已收到，请从那里继续。"}},
    [EVENT_ACK_AGAIN] = {{"still waiting for {ack}",
                          "{A} says again that it waits for byte {ack}: something came that did not follow on it."},
                         {"仍在等 {ack}", "{a}再次说明它在等字节 {ack}：到达的数据与它不相接。"}},
    [EVENT_WINDOW_UPDATE] = {{"window is now {win}",
                              "{A} changes its receive window: {b} may send {win} bytes beyond byte {ack}."},
                             {"窗口变为 {win}", "{a}更新接收窗口：从字节 {ack} 起，{b}还可以发送 {win} 字节。"}},
    [EVENT_WINDOW_ZERO] =
        {{"window closed: stop sending",
          "{A} has no room left in its receive buffer: its program does not read. {B} must stop sending."},
         {"窗口为 0：停止发送", "{a}的接收缓冲区已满（程序没有读取），{b}必须停止发送。"}},
    [EVENT_WINDOW_PROBE] =
        {{"asks whether the window is open, after {wait}",
          "{A} may not send, so after {wait} it asks with a window probe whether there is room again."},
         {"{wait} 后探测窗口", "{a}不能发送，{wait} 后用窗口探测询问对方是否有了空间。"}},
    [EVENT_KEEPALIVE] =
        {{"keepalive: are you there?",
          "Keepalive: nothing was said for {wait}, so {a} sends an empty segment one byte back, which has to be "
          "answered."},
         {"保活探测：还在吗？",
          "保活探测：{wait} 内没有任何数据，{a}发送一个序号退后一个字节的空报文，对方必须回应。"}},
    [EVENT_KEEPALIVE_ACK] = {{"keepalive answered",
                              "{A} answers the keepalive: it is still there and knows the connection."},
                             {"回应保活探测", "{a}回应了保活探测：它还在，也还认得这个连接。"}},
    [EVENT_FIN_ACTIVE] =
        {{"{A} closes first (active)",
          "{A} closes: FIN, with seq u={seq}, says that no more bytes follow. It is the active closer, now in "
          "FIN_WAIT_1, and can still receive."},
         {"{a}先关闭（主动关闭）",
          "第一次挥手：{a}发送 FIN（seq u={seq}），表示不再发送数据。它是主动关闭方，进入 FIN_WAIT_1，但仍可接收。"}},
    [EVENT_FIN_PASSIVE] =
        {{"{A} closes as well (passive)",
          "{A} closes its direction too: FIN. It is the passive closer, in LAST_ACK until this is acknowledged."},
         {"{a}也关闭（被动关闭）",
          "第三次挥手：{a}也发送 FIN，关闭自己这个方向。它是被动关闭方，进入 LAST_ACK，等待最后的确认。"}},
    [EVENT_FIN_CROSSED] =
        {{"{A} closes too, unasked: simultaneous close", "{A} sends its FIN before it has the other's: the two crossed "
                                                         "on the way. Both ends are active closers and go "
                                                         "through CLOSING."},
         {"{a}同时也关闭：同时关闭",
          "{a}在收到对方的 FIN 之前就发出了自己的 FIN：两个 FIN 在路上交错。两端都是主动关闭方，都经过 CLOSING。"}},
    [EVENT_FIN_AGAIN] = {{"FIN again: no ACK for {wait}",
                          "Nobody acknowledged the FIN for {wait}, so {a} sends it again."},
                         {"重发 FIN：{wait} 内没有确认", "{wait} 内没有人确认 FIN，{a}重发一次。"}},
    [EVENT_FIN_ACKED] =
        {{"FIN received: half closed",
          "{A} acknowledges the FIN (u+1) and is in CLOSE_WAIT: it has read the end, but may go on sending. {B} is in "
          "FIN_WAIT_2."},
         {"确认 FIN：半关闭", "第二次挥手：{a}确认 FIN（ack=u+1），进入 "
                              "CLOSE_WAIT：它知道对方不再发送，但自己还可以继续发送。{b}进入 FIN_WAIT_2。"}},
    [EVENT_LAST_ACKED] = {{"{A} acknowledges the FIN",
                           "{A} acknowledges the FIN that crossed its own. {B}, once it has this, waits in TIME_WAIT."},
                          {"{a}确认 FIN", "{a}确认了与自己的 FIN 交错的那个 FIN；{b}收到后进入 TIME_WAIT。"}},
    [EVENT_TIME_WAITED] =
        {{"last ACK; {a} waits in TIME_WAIT",
          "{A} acknowledges the last FIN: {b} is done. {A}, the active closer, stays in TIME_WAIT (60 s on Linux), in "
          "case this ACK is lost, and so that no late segment meets a new connection on the same ports."},
         {"最后的确认；{a}进入 TIME_WAIT",
          "第四次挥手：{a}确认对方的 FIN，{b}就此结束。主动关闭方{a}停留在 TIME_WAIT（Linux 上 60 秒）："
          "以防这个 ACK 丢失，也防止迟到的报文混入使用相同端口的新连接。"}},
    [EVENT_REFUSED] =
        {{"refused: nobody listens there",
          "{A} refuses: no program listens on this port, so its kernel answers the SYN with RST. connect() fails at "
          "once with ECONNREFUSED."},
         {"被拒绝：没有程序在监听",
          "{a}拒绝连接：这个端口上没有程序监听，内核用 RST 回答 SYN。connect() 立即以 ECONNREFUSED 失败。"}},
    [EVENT_RESET] =
        {{"{A} aborts: reset", "{A} gives the connection up: RST. What had not been delivered is lost, and {b} gets "
                               "ECONNRESET instead of an "
                               "end of file. No TIME_WAIT follows."},
         {"{a}中止连接：复位",
          "{a}用 RST 中止连接：没有送达的数据丢失，{b}得到的是 ECONNRESET 而不是文件结束，也没有 TIME_WAIT。"}},
    [EVENT_RESET_UNKNOWN] =
        {{"reset: {a} knows no such connection",
          "{A} does not know this connection (it restarted, or its socket is gone) and says so with a bare RST: the "
          "connection was half-open, and only {b} believed in it."},
         {"复位：{a}不认识这个连接", "{a}不认识这个连接（它重启过，或者套接字已经不在了），用单独的 RST "
                                     "回答：这是一个半开连接，只有{b}还以为它存在。"}},
    [EVENT_RESET_LATE] =
        {{"reset: {a} had closed already",
          "{A} had closed already, so there is nobody to take what {b} sent: RST. {B} gets EPIPE or ECONNRESET."},
         {"复位：{a}早已关闭", "{a}早已关闭，没有人接收{b}发来的数据，于是回答 RST；{b}得到 EPIPE 或 ECONNRESET。"}},
    [EVENT_UNREACHABLE] = {{"{icmp}", "A machine on the way reports that {b} cannot be reached: {icmp}."},
                           {"{icmp}", "途中的机器报告无法到达{b}：{icmp}。"}},
    [EVENT_EXPIRED] = {{"{icmp}",
                        "The packet met its limit of hops before it reached {b}: {icmp}. There may be a routing loop."},
                       {"{icmp}", "报文在到达{b}之前用完了跳数：{icmp}。可能有路由环路。"}},
    [EVENT_AFTERWARDS] = {{"after the end", "A segment after the reset: it was on the way already, and is ignored."},
                          {"结束之后", "复位之后的报文：它早已在路上，会被忽略。"}},
};

static const char *const verdicts[VERDICT_COUNT][WORDS_LANGUAGES] = {
    [VERDICT_OPEN] = {"The connection was still open when the trace ended.", "跟踪结束时，连接仍然是打开的。"},
    [VERDICT_CLOSED] = {"Closed in order: {a} closed first (active) and keeps the port in TIME_WAIT, {b} followed "
                        "(passive).",
                        "正常关闭：{a}先关闭（主动方），并在 TIME_WAIT 中保留端口；{b}随后关闭（被动方）。"},
    [VERDICT_CROSSED] = {"Simultaneous close: both FINs crossed on the way, and both ends wait in TIME_WAIT.",
                         "同时关闭：两个 FIN 在路上交错，两端都停留在 TIME_WAIT。"},
    [VERDICT_HALF_CLOSED] = {"Half closed: {a} sent FIN, {b} did not finish its side while the trace ran.",
                             "半关闭：{a}已发送 FIN，跟踪期间{b}没有结束自己的方向。"},
    [VERDICT_REFUSED] = {"Refused: the machine is there, but nothing listens on this port.",
                         "被拒绝：机器在，但这个端口上没有程序监听。"},
    [VERDICT_RESET] = {"Reset: {a} aborted the connection.", "复位：{a}中止了连接。"},
    [VERDICT_HALF_OPEN] = {"Half-open: {b} still held the connection, {a} no longer knew it.",
                           "半开连接：{b}还保持着连接，{a}已经不认识它了。"},
    [VERDICT_NO_ANSWER] = {"No answer: a black hole. A firewall drops the SYN, or no machine has this address.",
                           "没有回应：黑洞。防火墙丢弃了 SYN，或者这个地址上没有机器。"},
    [VERDICT_SILENT] = {"Gone silent: what was sent last was repeated and never answered. The other end or the path is "
                        "gone; the connection is half-open.",
                        "失去联系：最后发送的内容重复了多次，始终没有回应。对方或者路径已经不在，连接处于半开状态。"},
    [VERDICT_UNREACHABLE] = {"Unreachable: a machine on the way said that there is no path.",
                             "不可达：途中的机器报告没有通路。"},
};

static const char *const labels[WORDS_LABELS][WORDS_LANGUAGES] = {
    [WORDS_CLIENT] = {"client", "客户端"},
    [WORDS_SERVER] = {"server", "服务器"},
    [WORDS_CUT] = {"(more packets followed; the picture ends here)", "（后面还有更多报文，图到此为止）"},
    [WORDS_KERNEL] = {"The kernel says:", "内核的说法："},
    [WORDS_LATE_START] = {"(the beginning of this connection was not captured)", "（没有捕获到这个连接的开头）"},
};

int words_language(const char *name) {
    static const char *const names[WORDS_LANGUAGES] = {"en", "zh"};
    for (int i = 0; i < WORDS_LANGUAGES; i++) {
        if (strncmp(name, names[i], 2) == 0 && (name[2] == '\0' || name[2] == '_' || name[2] == '-' || name[2] == '.'))
            return i;
    }
    return -1;
}

const char *words_label(enum words_label label, enum words_language language) {
    return labels[label][language];
}

void words_format(struct buf *out, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0)
        buf_add(out, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

void words_span(struct buf *out, int64_t ns) {
    double value = (double)ns;
    if (ns < 1000000)
        words_format(out, "%.1f us", value / 1e3);
    else if (ns < 1000000000)
        words_format(out, "%.2f ms", value / 1e6);
    else
        words_format(out, "%.2f s", value / 1e9);
}

static void put(struct buf *out, const char *text) {
    buf_add(out, text, strlen(text));
}

/* "the client" inside, "The client" at the start of a sentence; Chinese has neither article nor capitals. */
static void put_side(struct buf *out, int side, enum words_language language, bool capital) {
    static const char *const english[2][2] = {{"the client", "the server"}, {"The client", "The server"}};
    if (language == WORDS_EN)
        put(out, english[capital][side]);
    else
        put(out, words_label(side == FLOW_CLIENT ? WORDS_CLIENT : WORDS_SERVER, language));
}

static void put_icmp(struct buf *out, const struct step *s, enum words_language language) {
    static const struct {
        uint8_t family, type, code;
        const char *text[WORDS_LANGUAGES];
    } known[] = {
        {4, 3, 0, {"network unreachable", "网络不可达"}},
        {4, 3, 1, {"host unreachable", "主机不可达"}},
        {4, 3, 3, {"port unreachable", "端口不可达"}},
        {4, 3, 4, {"packet too large for the path", "报文超过路径 MTU"}},
        {4, 3, 9, {"network prohibited by its administrator", "网络被管理员禁止"}},
        {4, 3, 10, {"host prohibited by its administrator", "主机被管理员禁止"}},
        {4, 3, 13, {"prohibited by a filter", "被过滤器禁止"}},
        {4, 11, 0, {"hop limit reached", "跳数用尽"}},
        {6, 1, 0, {"no route", "没有路由"}},
        {6, 1, 1, {"prohibited by a filter", "被过滤器禁止"}},
        {6, 1, 3, {"address unreachable", "地址不可达"}},
        {6, 1, 4, {"port unreachable", "端口不可达"}},
        {6, 2, 0, {"packet too large for the path", "报文超过路径 MTU"}},
        {6, 3, 0, {"hop limit reached", "跳数用尽"}},
    };
    char who[PACKET_END_TEXT];
    packet_end_text(&s->complainer, who);
    *strrchr(who, ':') = '\0';
    words_format(out, "ICMP %s %s: ", language == WORDS_EN ? "from" : "来自", who);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].family == s->complainer.family && known[i].type == s->icmp_type && known[i].code == s->icmp_code) {
            put(out, known[i].text[language]);
            return;
        }
    }
    words_format(out, "type %u code %u", s->icmp_type, s->icmp_code);
}

/* The receive window in bytes: the field of a SYN is never scaled (RFC 7323, 2.2), and both ends must have offered it. */
uint32_t words_window(const struct flow *f, const struct step *s) {
    const struct flow_side *me = &f->side[s->from], *other = &f->side[1 - s->from];
    bool scaled = me->scale > 0 && other->scale >= 0 && (s->flags & TCP_SYN) == 0;
    return (uint32_t)s->window << (scaled ? me->scale : 0);
}

struct subject {
    const struct flow *flow;
    const struct step *step; /* NULL in a verdict */
    int from;
    enum words_language language;
};

struct number {
    const char *name;
    uint64_t value;
};

static void put_if_named(struct buf *out, const struct number *list, size_t count, const char *name, size_t n) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(list[i].name) == n && memcmp(list[i].name, name, n) == 0)
            words_format(out, "%llu", (unsigned long long)list[i].value);
    }
}

static void put_number(struct buf *out, const struct flow *f, const struct step *s, const char *name, size_t n) {
    uint32_t seq = flow_relative(f, s->from, s->seq);
    const struct number numbers[] = {
        {"seq", seq},
        {"abs", s->seq},
        {"last", (uint32_t)(seq + s->length - 1)},
        {"ack", flow_relative(f, 1 - s->from, s->ack)},
        {"len", s->length},
        {"win", words_window(f, s)},
    };
    put_if_named(out, numbers, sizeof numbers / sizeof *numbers, name, n);
}

static void put_total(struct buf *out, const struct flow *f, const char *name, size_t n) {
    const struct flow_side *client = &f->side[FLOW_CLIENT], *server = &f->side[FLOW_SERVER];
    const struct number numbers[] = {
        {"up", client->bytes},   {"up_packets", client->packets},   {"up_again", client->again},
        {"down", server->bytes}, {"down_packets", server->packets}, {"down_again", server->again},
    };
    put_if_named(out, numbers, sizeof numbers / sizeof *numbers, name, n);
}

static void put_name(struct buf *out, const struct subject *of, const char *name, size_t n) {
    if (n == 1 && (*name == 'a' || *name == 'A'))
        put_side(out, of->from, of->language, *name == 'A');
    else if (n == 1)
        put_side(out, 1 - of->from, of->language, *name == 'B');
    else if (n == 9 && memcmp(name, "handshake", n) == 0)
        words_span(out, of->flow->handshake_ns);
    else if (of->step == NULL)
        put_total(out, of->flow, name, n);
    else if (n == 4 && memcmp(name, "wait", n) == 0)
        words_span(out, of->step->waited_ns);
    else if (n == 4 && memcmp(name, "icmp", n) == 0)
        put_icmp(out, of->step, of->language);
    else
        put_number(out, of->flow, of->step, name, n);
}

static void expand(struct buf *out, const struct subject *of, const char *template) {
    for (const char *at = template; *at != '\0';) {
        const char *open = strchr(at, '{'), *close = open != NULL ? strchr(open, '}') : NULL;
        if (close == NULL) {
            put(out, at);
            return;
        }
        buf_add(out, at, (size_t)(open - at));
        put_name(out, of, open + 1, (size_t)(close - open - 1));
        at = close + 1;
    }
}

void words_step(struct buf *out, const struct flow *f, size_t i, enum words_language language, bool full) {
    const struct step *s = &f->steps[i];
    const struct sentence *sentence = &steps[s->event][language];
    struct subject of = {.flow = f, .step = s, .from = s->from, .language = language};
    expand(out, &of, full ? sentence->full : sentence->brief);
}

void words_verdict(struct buf *out, const struct flow *f, enum words_language language) {
    static const char *const handshake[] = {" Handshake {handshake}.", "握手用时 {handshake}。"};
    static const char *const totals[] = {
        " {up} bytes up in {up_packets} packets, {down} down in {down_packets}.",
        "上行 {up} 字节（{up_packets} 个报文），下行 {down} 字节（{down_packets} 个报文）。"};
    static const char *const again[] = {" Sent again: {up_again} by the client, {down_again} by the server.",
                                        "重传：客户端 {up_again} 次，服务器 {down_again} 次。"};
    struct subject of = {.flow = f, .from = f->closer == FLOW_SERVER ? FLOW_SERVER : FLOW_CLIENT, .language = language};
    expand(out, &of, verdicts[f->verdict][language]);
    if (f->handshake_ns >= 0)
        expand(out, &of, handshake[language]);
    expand(out, &of, totals[language]);
    if (f->side[FLOW_CLIENT].again + f->side[FLOW_SERVER].again > 0)
        expand(out, &of, again[language]);
}
