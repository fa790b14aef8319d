/*  check - what every test here includes, in the order that cmocka wants.
 */
#ifndef NM_TEST_BROKER_CHECK_H
#define NM_TEST_BROKER_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define assert_contains(text, part)                                 \
    do {                                                            \
        if (!strstr((text), (part)))                                \
            fail_msg("\"%s\" does not say \"%s\"", (text), (part)); \
    } while (0)

#endif
