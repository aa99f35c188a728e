/*
 * system - what scripts need of the operating system; see system.h
 */
#include <unistd.h>

#include "system.h"

long system_pid(void)
{
    return (long)getpid();
}
