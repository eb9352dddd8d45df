/* notify: tells the service manager how the router is doing: sd_notify(3) without its library.
 *
 * A datagram to the socket that NOTIFY_SOCKET names (a path, or an abstract name that begins with '@'); without it, nothing. From any thread.
 */
#pragma once

void notify_ready(void);                /* READY=1 with MAINPID: started, or taken over */
void notify_reloading(void);            /* RELOADING=1, with MONOTONIC_USEC as Type=notify-reload wants */
void notify_reloaded(void);             /* READY=1: done with that. Perhaps not the main process: one that was taken over reads it, too */
void notify_stopping(void);             /* STOPPING=1 */
