/*
 * esmtp - values of the parameters of MAIL and RCPT
 *
 * One table knows the grammar of each parameter that a standard extension
 * opens; what is in no table is the script's, and any value will do.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_ESMTP_H
#define CORE_ESMTP_H

#include "span.h"

/* True when the value fits its keyword: RFC 3461 (RET, ENVID, NOTIFY,
   ORCPT), RFC 6152 and 3030 (BODY), 6531 (SMTPUTF8), 4954 (AUTH), 2852 (BY),
   4865 (HOLDFOR, HOLDUNTIL), 6710 (MT-PRIORITY), 7293 (RRVS), 8689
   (REQUIRETLS). A date is one of the calendar (RFC 3339). Without "=value"
   the value is empty. */
INTERNAL bool esmtp_value(struct span keyword, struct span value);

/* RFC 3461 4: visible ASCII but "+" and "=", or "+" and two hexadecimal
   digits in upper case. */
INTERNAL bool esmtp_xtext(struct span s);

#endif
