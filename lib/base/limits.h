/* Every limit of the program, in one place. Each is checked before memory is taken, and each is tested at limit - 1,
 * limit and limit + 1. Sizes are bytes, times are milliseconds, unless the name says otherwise. */
#ifndef LIB_BASE_LIMITS_H
#define LIB_BASE_LIMITS_H

enum {
    LIMIT_BUFFER = 64 << 20, /* a growing buffer, where its owner names no smaller limit */

    /* Looking at connections (landline/observe) */
    LIMIT_FLOWS = 1024,              /* connections that one trace follows */
    LIMIT_FLOW_STEPS = 4096,         /* packets of one connection that are kept for the diagram */
    LIMIT_TRACE_TEXT = 4096,         /* one sentence or one row of it */
    LIMIT_TRACE_PICTURE = 256 << 20, /* a whole diagram, SVG or JSON */
    LIMIT_TRACE_SEND = 64 << 10,     /* `trace --send` */
    LIMIT_PING_RESOLVE_S = 30,       /* seconds for a name */
    LIMIT_CAPTURE_HEADERS = 512,     /* of one packet, where it is only drawn */
    LIMIT_CAPTURE_PACKET = 262144,   /* one packet, as large as segmentation offload makes them */
    LIMIT_CAPTURE_BUFFER = 8 << 20,  /* what the kernel keeps until it is read */
    LIMIT_ANSWERS = 1024,            /* addresses kept of one name */
    LIMIT_ATTEMPTS = 64,             /* addresses tried for one connection */
    LIMIT_STAGGER_MS = 250,          /* RFC 8305 section 8: between the starts of two attempts */

    /* TLS */
    LIMIT_TLS_HELLO = 4 << 10,        /* a ClientHello; one with a post-quantum key share has about 1,800 bytes */
    LIMIT_TLS_HANDSHAKE = 16 << 10,   /* all that a peer may send before the connection is established */
    LIMIT_TLS_CERTIFICATE = 2 << 10,  /* the peer's Certificate message; ours has about 350 bytes */
    LIMIT_TLS_INPUT = 1 << 20,        /* ciphertext that one engine holds undecrypted */
    LIMIT_TLS_PENDING = 16 << 20,     /* ciphertext that one engine holds unsent */
    LIMIT_TLS_UPDATES = 16,           /* KeyUpdates of the peer in a row … */
    LIMIT_TLS_UPDATE_EVERY = 1 << 20, /* … of which one is forgiven for each so many bytes of data */
    LIMIT_KNOCK_AGE = 26 * 3600,      /* seconds between the two clocks */
    LIMIT_KEY_FILE = 4 << 10,

    /* the client's list of hosts */
    LIMIT_HOSTS = 10000,
    LIMIT_HOSTS_FILE = 16 << 20,
    LIMIT_HOST_NAME = 64,
    LIMIT_HOST_ADDRESSES = 1 << 10,

    /* the broker */
    LIMIT_BROKER_IDLE_MS = 60 * 1000, /* without a stream; then it ends */
    LIMIT_BROKER_GREETING_MS = 1000,  /* for its WELCOME; then the call connects by itself */
    LIMIT_BROKER_CLIENTS = 4096,      /* at once, as far as descriptors go */
    LIMIT_BROKER_BACKLOG = 1024,
    LIMIT_BROKER_AHEAD = 128 << 10, /* bytes ahead of the server's transport; then clients wait */
    LIMIT_BROKER_TURN = 64 << 10,   /* of one client, before others have their turn */

    LIMIT_COLLECTED = 64 << 20, /* each output that ll_client_run() collects */

    LIMIT_SPAWN_FDS = 16, /* descriptors handed to a program */

    /* The protocol (docs/PROTOCOL.md section 9) */
    LIMIT_GREETING_MS = 10 * 1000,
    LIMIT_TEXT_PAYLOAD = 1 << 10,     /* HELLO, WELCOME, ENROL, BUSY, CLOSE, REFUSED, NOTICE */
    LIMIT_OPEN_PAYLOAD = 4 << 20,     /* OPEN */
    LIMIT_SERVICE_PAYLOAD = 64 << 10, /* OPENED, RESULT, CONTROL, optional messages that are not known */
    LIMIT_DATA_FRAME = 16 << 10,      /* DATA with its header */
    LIMIT_STREAMS = 4096,             /* open at once on a connection, where the server names no other number */
    LIMIT_STREAM_NUMBER = 0x7fffffff,
    LIMIT_WINDOW = 16 << 20,          /* of a channel, granted by this side */
    LIMIT_WINDOW_SPLIT = 2 << 20,     /* of each of several streams, and of contents that come to a server */
    LIMIT_WINDOW_BULK = 256 << 10,    /* the first one of a bulk channel */
    LIMIT_WINDOW_INPUT = 64 << 10,    /* of channel 0 before OPENED */
    LIMIT_WINDOW_TERMINAL = 64 << 10, /* a terminal's, at most … */
    LIMIT_WINDOW_TERMINAL_MIN = 4 << 10,
    LIMIT_ACKNOWLEDGE = 256 << 10,    /* consumed bytes that do not wait for their acknowledgement … */
    LIMIT_ACKNOWLEDGE_MS = 200,       /* … and how long fewer do */
    LIMIT_SESSION_OUTPUT = 64 << 20,  /* frames of one session that wait to be sent */
    LIMIT_PING_AFTER_MS = 15 * 1000,  /* silence after which a side asks … */
    LIMIT_CLOCK_AFTER_MS = 60 * 1000, /* a server asks again what the client's clock shows */
    LIMIT_DEAD_AFTER_MS = 45 * 1000,  /* … and after which the connection is dead */
    LIMIT_SILENCE_MS = 300,           /* the least that a client may choose instead */

    /* Requests of the run family (sections 7 and 9) */
    LIMIT_ARGUMENTS = 65536,
    LIMIT_ARGUMENT = 131071,     /* bytes of an argument, as Linux has it */
    LIMIT_RECORD_ARGV = 4 << 10, /* argv in a run record */
    LIMIT_CALL_INPUT = 1 << 20,  /* input of a run that the server has not acknowledged */
    LIMIT_LEDGER_ENTRIES = 200 * 1000,
    LIMIT_LEDGER_HORIZON_MS = 7 * 24 * 3600 * 1000,

    /* The classic protocols */
    LIMIT_CLASSIC_BACKLOG = 4096,
    LIMIT_CLASSIC_UPPER = 16 << 10,                     /* of one receive */
    LIMIT_CLASSIC_COMMAND = 64 << 10,                   /* a command line, which comes in one receive */
    LIMIT_CLASSIC_SCRATCH = LIMIT_CLASSIC_COMMAND + 64, /* holds one byte more than any receive asks for */
    LIMIT_CLASSIC_COMMANDS = 1024,                      /* running at once */
    LIMIT_CLASSIC_OUTPUT = 64 << 20,                    /* of one command; it is sent when it is complete */
    LIMIT_CLASSIC_NAME = 4095,                          /* of a file */
    LIMIT_CLASSIC_LINE = 64 << 10,                      /* what a user types at once */
    LIMIT_CLASSIC_TURN = 512 << 10,                     /* of a file, before another client has its turn */
    LIMIT_CLASSIC_SETTLE_POLL_MS = 2,                   /* between two looks whether the client's system has the size */
    LIMIT_CLASSIC_SETTLE_POLLS = 1000,                  /* looks, before the data follows all the same */
    LIMIT_CLASSIC_SETTLE_MS = 100,                      /* for the client to take the size, before the data follows */
    LIMIT_CLASSIC_SILENCE_MS = 2000,       /* that tells where a size ends which the bytes do not tell … */
    LIMIT_CLASSIC_SILENCE_HINTED_MS = 500, /* … and where the first receive agrees */
    LIMIT_CLASSIC_ANSWER_MS = 60 * 1000,   /* of an exec server, where the user names no other time */
    LIMIT_CLASSIC_QUIET_MS = 300,          /* ends an answer that has no length */
    LIMIT_CLASSIC_DIGITS_MS = 50,          /* for further digits of a length */
    LIMIT_CLASSIC_RETRY_MS = 100,          /* before accepting again when descriptors ran out */
    LIMIT_CLASSIC_GOODBYE_MS = 2000,       /* for killed commands to be collected when the server ends */

    /* Transfers of files */
    LIMIT_TRANSFER_SOURCES = 65536,  /* that one pattern may name */
    LIMIT_TRANSFER_GATHER = 1 << 20, /* records that wait to be written, without file data */
    LIMIT_TRANSFER_GROUPS = 1 << 15, /* files with several names whose names are kept together */
    LIMIT_TRANSFER_BATCH = 1024,     /* names that are published together, after one flush */
    LIMIT_TRANSFER_OLD = 7 * 86400,  /* seconds after which what an attempt left is nobody's any more */
    /* The server's folder */
    LIMIT_STORE_LINE = 1024, /* the value of a line */
    LIMIT_STORE_FILE = 16 << 20,
    LIMIT_USER_NAME = 64,
    LIMIT_GRANTS = 10000,
    LIMIT_GRANT_PATTERNS = 64, /* of argv, in one grant */
    LIMIT_INVITES = 1000,
    LIMIT_INVITE_MEMORY = 7 * 24 * 3600 * 1000, /* ms that an expired invite is remembered, to be told apart */

    /* The server */
    LIMIT_CONNECTIONS = 16384,     /* of clients that are in, where the user names no other number */
    LIMIT_BUSY_MS = 1000,          /* BUSY: the first of those who were turned away comes back after so long … */
    LIMIT_BUSY_MOST_MS = 60000,    /* … the last after so long … */
    LIMIT_BUSY_TURN_MS = 20,       /* … and between two of them lies so much */
    LIMIT_STRANGERS = 1024,        /* connections that have not proved an enrolled key yet … */
    LIMIT_STRANGERS_SOURCE = 128,  /* … and how many of them one address may have */
    LIMIT_LOG_LINES = 20,          /* of a kind that others can cause, in the server's log … */
    LIMIT_LOG_MS = 60 * 1000,      /* … in so long; then one that says how many more there were */
    LIMIT_RUNS = 10000,            /* running at once */
    LIMIT_TRANSFERS = 1024,        /* under way at once: each is a process … */
    LIMIT_TRANSFERS_KEY = 256,     /* … and how many of them are one key's */
    LIMIT_GROUPS_FREE = 64,        /* empty control groups that wait for the next runs */
    LIMIT_VARIABLE_NAME = 255,     /* of an environment variable */
    LIMIT_RUN_WATCHERS = 1024,     /* of one run: what each says is compared with all the others */
    LIMIT_RUN_HEAP = 64 << 10,     /* bytes of one output that stay in memory; then a ring file takes over */
    LIMIT_RUN_RING = 64 << 20,     /* bytes of one output that are kept … */
    LIMIT_RUN_SHORT = 8 << 20,     /* … and of one that is longer, while those who watch keep up with it */
    LIMIT_RUN_TERMINAL = 4 << 10,  /* bytes a watched terminal may be ahead of its watcher */
    LIMIT_RUN_INPUT = 256 << 10,   /* bytes of standard input that wait for the program */
    LIMIT_RESULTS_AGE = 24 * 3600, /* s that a finished run is kept … */
    LIMIT_RESULTS_SIZE = 1 << 30,  /* … within so many bytes of output */
    LIMIT_RESULT_SEGMENTS = 64,
    LIMIT_IPC_FRAME = (4 << 20) + 1024, /* between gate and keeper: an OPEN and its frame */
    LIMIT_IPC_OUTPUT = 256 << 20,       /* that wait for the other side … */
    LIMIT_IPC_AHEAD = 16 << 20,         /* … so many of them, and outputs wait where they are kept */
    LIMIT_LISTENERS = 12,               /* with three others, what spawn hands over */
    LIMIT_GATE_WINDOW = 1 << 20,        /* of input, that one stream may have under way */
    LIMIT_RUN_WAITING = LIMIT_GATE_WINDOW + LIMIT_RUN_INPUT, /* … and that can wait for the program therefore */
    LIMIT_LINKS = LIMIT_CONNECTIONS + LIMIT_STRANGERS,       /* connections that a gate can speak of */
    LIMIT_ERRANDS = 1 << 17,                                 /* requests of all clients that are open at once */
};

#endif
