/*  act - one ask about services, keys, providers or people, and what came of it.
 *
 *  The user actor makes the changes; a gateway answers what only reads, from its own copies of the books. Both fill in
 *  the first half of an act and send on what an operation left in the second: an operation neither knows who
 *  waits for the answer nor how it gets there.
 *
 *  An operation ends with one of the functions below, all of which return NM_OK, or with a result that undoes the turn.
 */
#ifndef NM_ACT_H
#define NM_ACT_H

#include "actors/accounts/auth.h"

typedef struct nm_act {
    nm_turn_t *turn;
    nm_txn_t *txn;
    int64_t now_ms;
    const nm_mesh_t *mesh;
    const nm_auth_t *auth;
    const nm_services_t *services;
    const nm_who_t *who;
    nm_bytes_t asked;     //  The body of the ask
    nm_faults_t *faults;  //  Scratch of whoever runs it
    nm_buf_t *body;       //  ... and where the answer is packed

    unsigned status;   //  0: it is answered later
    bool faulty;       //  faults belong to the answer
    char detail[256];  //  Of a problem; empty: body is the answer
} nm_act_t;

typedef nm_rc_t(nm_act_fn)(nm_act_t *it);

//  What is in body is the answer; after nm_act_nothing there is none.
nm_rc_t nm_act_done(nm_act_t *it, unsigned status);
nm_rc_t nm_act_nothing(nm_act_t *it);  //  204

__attribute__((format(printf, 3, 4))) nm_rc_t nm_act_problem(nm_act_t *it, unsigned status, const char *format, ...);

//  422 with all that was added to faults; what: "The service has faults".
nm_rc_t nm_act_faulty(nm_act_t *it, const char *what);

//  422 for one fault.
nm_rc_t nm_act_refuse(nm_act_t *it, const char *pointer, const char *detail);

//  404 in the same words, whether it is not there or somebody else's.
nm_rc_t nm_act_unknown(nm_act_t *it, const char *what);

//  507 where there is no room for what is new.
nm_rc_t nm_act_full(nm_act_t *it);

//  Decodes the body by name, an absent one as an empty map. NM_ERR_REFUSED: answered, with 400 or every fault.
//  query: faults point at "?name" rather than at "/name".
nm_rc_t nm_act_decode(nm_act_t *it, const nm_shape_t *shape, void *record, bool query);

//  The same, but faults are left for the operation, which has further ones to tell: only a 400 is answered.
nm_rc_t nm_act_read(nm_act_t *it, const nm_shape_t *shape, void *record);

//  RFC 7396: was this null in the patch?
bool nm_act_is_null(const nm_act_t *it, const char *name);

//  A field of a record that a patch may name.
typedef struct {
    const char *name;
    unsigned number;
    bool may;  //  It can be cleared
} nm_act_field_t;

//  Clears the bits of those that are null in the patch; a fault where that may not be.
void nm_act_clear(nm_act_t *it, const nm_act_field_t *fields, size_t count, uint64_t *has);

//  A list of words as a set, a bit for each of `words` that it has. One that is none of them is a fault at parent/index.
uint64_t nm_act_words(nm_bytes_t list, const nm_words_t *words, const char *parent, nm_faults_t *faults);

//  -- Pages of a book, newest first

typedef struct {
    const char *book;
    nm_bytes_t prefix;  //  Of the entries, whose keys go on with an id
    nm_id_t before;     //  The page is of ids below this one
    uint64_t limit;
    const void *arg;
    //  Packs one value if it is to be shown, and tells whether it did.
    nm_rc_t (*write)(const nm_act_t *it, const void *arg, nm_bytes_t value, nm_buf_t *out, bool *shown);
} nm_act_page_t;

//  Reads the limit (1 to 200, 50 if absent) and the cursor. NM_ERR_REFUSED: answered.
nm_rc_t nm_act_open_page(nm_act_t *it, nm_act_page_t *page, bool has_limit, uint64_t limit, bool has_cursor,
                         nm_bytes_t cursor);
nm_rc_t nm_act_answer_page(nm_act_t *it, const nm_act_page_t *page);

#endif
