/* Inside a client: its connection, and the jobs that want to use it. */
#ifndef LANDLINE_CLIENT_CLIENT_STATE_H
#define LANDLINE_CLIENT_CLIENT_STATE_H

#include "landline/client.h"
#include "landline/client/dial.h"
#include "landline/client/link.h"
#include "landline/client/pause.h"

/* Something that needs a stream: a run, a transfer, a question. It waits in the client's list until there is a link, and
 * lives through as many links as it wants. */
struct client_job {
    struct link_user user; /* first */
    struct client_job *previous, *next;
    ll_client *client; /* NULL while in no list */
    /* A link is there: send OPEN (the first, or one that resumes). Negative: the job cannot go on; failed() follows. */
    int (*open)(struct client_job *job, struct session *session);
    /* The link is gone. */
    void (*cut)(struct client_job *job);
    /* Whether it goes on over another link; asked after cut(). */
    bool (*survives)(const struct client_job *job);
    /* There will be no link: the job is out of the list, and may be freed in here. */
    void (*failed)(struct client_job *job, const struct ll_failure *failure);
    ll_timer *again; /* until client_reopen_later() is due */
    bool late;       /* it came when the link had ended, which nobody had been told yet: it is for the next */
    unsigned tries;  /* those of its streams that came to nothing, in a row: whoever gets one says 0 */
};

enum client_state {
    CLIENT_IDLE,     /* no link and no need of one */
    CLIENT_DIALLING, /* looking for a socket */
    CLIENT_LINKED,   /* there is a link; link_is_open: it carries requests; is_in: WELCOME has come */
    CLIENT_WAITING,  /* until the next attempt */
};

struct ll_client {
    ll_loop *loop;
    bool own_loop;
    char *host, *addresses;
    struct tls_pin pin;
    char *key_path;
    struct tls_identity *identity; /* opened when first needed, and so is the policy */
    struct tls_policy *policy;
    int64_t connect_timeout, patience; /* ns; patience < 0: for ever */
    uint32_t silence_ms;               /* after which a link is dead; 0: the protocol's */
    uint32_t window_max;               /* bytes that a channel may have under way to us; 0: the protocol's */
    bool no_broker;
    void (*event)(void *arg, enum ll_client_event event, const struct ll_failure *failure);
    void *arg;

    enum client_state state;
    bool link_is_open, is_in, was_in;
    bool over_broker;   /* the present or last link */
    bool broken_broker; /* it failed: go straight to the host next time */
    struct dial *dial;
    struct link *link;
    char *dialled; /* HOST:PORT of the link */
    struct pause *pause;
    int64_t give_up_at; /* once a link was lost */
    struct client_job *jobs;
    struct client_job *walk;   /* the next one of a walk over the list; moves on when that one is removed */
    struct ll_failure failure; /* of the last attempt */

    struct message_welcome welcome; /* the last one; its texts are in welcome_texts */
    uint8_t welcome_texts[2 * 255];
    uint64_t welcomed_at_ms; /* our time of day then */
    uint32_t verbs;
    char server_name[64], server_agent[64];
};

/* Puts a job into the list; opens it at once if there is a link, connects if there is none. The failure of a connection is
 * told later, from the loop. */
void client_add(ll_client *client, struct client_job *job);
/* Takes it out; nothing is said to it any more. */
void client_remove(struct client_job *job);
/* A job of the list wants a (new) stream on the present link, if there is one. */
void client_reopen(struct client_job *job);
/* The same after a pause, which is a little longer each time: 0, -ENOMEM. */
int client_reopen_later(struct client_job *job);

/* Milliseconds since 1970. */
uint64_t client_unix_ms(void);
/* The link that carries requests now, or NULL. */
struct link *client_link(const ll_client *client);

/* Serves the client until *done, or until `deadline`: 0, LL_ETIMEOUT, or what ll_loop_step() gives. */
int client_serve(ll_client *client, const bool *done, int64_t deadline);

#endif
