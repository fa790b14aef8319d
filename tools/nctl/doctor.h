/*  doctor - what can be wrong with a mesh: one row of a table for each, over a picture.
 *
 *  Pure: a picture (picture.h) and the time in, findings out. A check says what is wrong in words
 *  for people, and what to do about it. To add one: a function, its row in doctor.c, a test.
 */
#ifndef NM_DOCTOR_H
#define NM_DOCTOR_H

#include <jansson.h>
#include "nm.h"

typedef enum {
    NM_SEVERITY_ERROR,    //  Wants a person now
    NM_SEVERITY_WARNING,  //  Wants one soon
    NM_SEVERITY_NOTE,     //  Good to know
} nm_severity_t;

typedef struct {
    nm_severity_t severity;
    const char *check;            //  Its name in the table
    char actor[NM_NAME_MAX + 1];  //  Empty: the mesh as a whole
    char host[NM_NAME_MAX + 1];   //  Of the actor
    int64_t since_ms;             //  Wall clock; 0: not known
    char text[320];
    char advice[320];
} nm_finding_t;

typedef struct {
    nm_finding_t *at;  //  Errors first, then by actor
    size_t count;
    size_t room;
} nm_findings_t;

typedef struct {
    const json_t *actors;
    const json_t *before;  //  A picture from a moment before: what did not move between the two; NULL: there is none
    int64_t now_ms;        //  Wall clock
    int64_t old_ms;        //  Work that is older is too old
    size_t seed_count;     //  Actors with a lobby, of the mesh file; SIZE_MAX: not known
} nm_checkup_t;

void nm_doctor_examine(const nm_checkup_t *checkup, nm_findings_t *findings);
void nm_findings_free(nm_findings_t *self);

const char *nm_severity_text(nm_severity_t severity);

#endif
