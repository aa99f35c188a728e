/*
 * system - what scripts need of the operating system beside sockets
 *
 * Owns: nothing. Fails with: ERR_SYSTEM with words in `text`. I/O: the calls
 * named.
 */
#ifndef NET_SYSTEM_H
#define NET_SYSTEM_H

#include "sock.h"

INTERNAL long system_pid(void);

#endif
