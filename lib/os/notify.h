/* Telling a service manager how it stands (sd_notify(3)), without its library. */
#ifndef LIB_OS_NOTIFY_H
#define LIB_OS_NOTIFY_H

/* Sends "READY=1", "STOPPING=1", … to the socket that NOTIFY_SOCKET names. 0, also where there is none; -errno. */
int notify_send(const char *state);

#endif
