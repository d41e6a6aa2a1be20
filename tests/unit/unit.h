/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmocka, with the headers it wants before it, and the two lines every test program needs.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A test is `TEST(its_behaviour_as_a_sentence) { … }` and stands in main() as CASE(…). */
#define TEST(name) static void name(void **state __attribute__((unused)))
#define CASE(name) cmocka_unit_test(name)

#endif
