//  users - the accounts of people: made and changed by their service, and within bounds by themselves.

#include "actors/user/ops.h"
#include "actors/user/state.h"
#include "wire/address.h"
#include "wire/asks.h"
#include "wire/id.h"
#include "wire/writer.h"

//  -- As they are shown

static void
s_write_text(nm_buf_t *out, const char *key, bool has, nm_bytes_t text)
{
    nm_writer_text(out, key);
    if (has)
        nm_writer_str(out, text);
    else
        nm_writer_nil(out);
}

static void
s_write_roles(nm_buf_t *out, uint64_t roles)
{
    size_t count = 0, mark;
    nm_writer_text(out, "roles");
    mark = nm_writer_list_open(out);
    for (unsigned role = 0; role < NM_PERSON_ROLE_COUNT; role++)
        if (roles >> role & 1) {
            nm_writer_text(out, nm_words_text(&nm_person_role_words, role));
            count++;
        }
    nm_writer_list_close(out, mark, count);
}

static void
s_write_person(nm_buf_t *out, const nm_person_t *person)
{
    nm_writer_map(out, 12);
    nm_writer_pair_id(out, "id", &person->id);
    nm_writer_pair_id(out, "service_id", &person->service);
    s_write_text(out, "external_id", NM_HAS(person, person, external_id), person->external_id);
    s_write_text(out, "name", NM_HAS(person, person, name), person->name);
    s_write_text(out, "email", NM_HAS(person, person, email), person->email);
    s_write_text(out, "phone", NM_HAS(person, person, phone), person->phone);
    s_write_text(out, "language", NM_HAS(person, person, language), person->language);
    s_write_text(out, "timezone", NM_HAS(person, person, timezone), person->timezone);
    s_write_roles(out, person->roles);
    nm_writer_pair_bool(out, "has_password", NM_HAS(person, person, password_hash));
    nm_writer_pair_time(out, "created_at", person->created_at);
    nm_writer_pair_time(out, "updated_at", person->updated_at);
}

static nm_rc_t
s_show(nm_act_t *it, unsigned status, const nm_person_t *person)
{
    nm_buf_clear(it->body);
    s_write_person(it->body, person);
    return nm_act_done(it, status);
}

//  -- What is asked for

//  Letters, digits and dashes, in parts of at most eight; a tag that nobody knows does no harm.
static bool
s_is_language(nm_bytes_t text)
{
    size_t part = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (c == '-' && part > 0)
            part = 0;
        else if (letter || (i > 1 && c >= '0' && c <= '9'))
            part++;
        else
            return false;
        if (part > 8)
            return false;
    }
    return part > 0 && text.size >= 2;
}

//  Area/Location, as the names of the time zone database are formed.
static bool
s_is_timezone(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool inner = (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-' || c == '/';
        if (!letter && !(inner && i > 0))
            return false;
    }
    return text.size > 0 && text.at[text.size - 1] != '/';
}

static void
s_check(nm_act_t *it, const nm_user_ask_t *ask)
{
    nm_faults_t *faults = it->faults;
    if (NM_HAS(ask, user_ask, email) && !nm_address_is_email(ask->email))
        nm_faults_add(faults, "", "email", "is not an e-mail address");
    if (NM_HAS(ask, user_ask, phone) && !nm_address_is_phone(ask->phone))
        nm_faults_add(faults, "", "phone", "is not a telephone number: + and 7 to 15 digits");
    if (NM_HAS(ask, user_ask, language) && !s_is_language(ask->language))
        nm_faults_add(faults, "", "language", "is not a language tag");
    if (NM_HAS(ask, user_ask, timezone) && !s_is_timezone(ask->timezone))
        nm_faults_add(faults, "", "timezone", "is not the name of a time zone");
    if (NM_HAS(ask, user_ask, password) && ask->password.size < NM_PASSWORD_MIN)
        nm_faults_add(faults, "", "password", "must be 8 to 1,024 bytes");
}

//  Passes what was given on to the account.
static void
s_apply(const nm_user_ask_t *ask, nm_person_t *person)
{
#define S_PASS(name)                                 \
    do {                                             \
        if (NM_HAS(ask, user_ask, name))             \
            NM_PUT(person, person, name, ask->name); \
    } while (0)
    S_PASS(external_id);
    S_PASS(name);
    S_PASS(email);
    S_PASS(phone);
    S_PASS(language);
    S_PASS(timezone);
#undef S_PASS
}

//  Of a service, user only; of the service admin, both.
static void
s_apply_roles(nm_act_t *it, const nm_user_ask_t *ask, nm_person_t *person)
{
    if (!NM_HAS(ask, user_ask, roles))
        return;
    size_t before = it->faults->count;
    uint64_t roles = nm_act_words(ask->roles, &nm_person_role_words, "/roles", it->faults);
    if (!roles && it->faults->count == before)
        nm_faults_add(it->faults, "", "roles", "must name at least one role");
    if (roles >> NM_PERSON_ADMIN & 1 && !nm_id_equal(&person->service, &it->auth->admin))
        nm_faults_add(it->faults, "", "roles", "a service may give its users the role user only");
    NM_PUT(person, person, roles, roles);
}

//  -- Whose

//  The service that is asked about: the asker's, unless an admin names another one. NM_ERR_REFUSED: answered.
static nm_rc_t
s_find_service(nm_act_t *it, bool has, nm_bytes_t text, nm_id_t *service)
{
    *service = it->who->service;
    if (!has)
        return NM_OK;
    bool known = nm_id_from_text(text, service) == NM_OK;
    const nm_tenant_t *tenant = known ? nm_services_find(it->services, service) : NULL;
    bool there = known && (nm_id_equal(service, &it->auth->admin) || (tenant && !tenant->deleted));
    if (there && (it->who->admin || nm_id_equal(service, &it->who->service)))
        return NM_OK;
    nm_act_unknown(it, "service");
    return NM_ERR_REFUSED;
}

//  The account that is asked about, for one who may see it. NM_ERR_REFUSED: answered.
static nm_rc_t
s_find(nm_act_t *it, nm_bytes_t text, nm_person_t *person)
{
    nm_id_t id;
    const nm_who_t *who = it->who;
    nm_rc_t rc = nm_id_from_text(text, &id) == NM_OK ? nm_people_get(it->txn, &id, person) : NM_ERR_MISSING;
    bool own = rc == NM_OK && nm_id_equal(&person->service, &who->service) &&
               (!who->person || nm_id_equal(&id, &who->claims.user));
    if (rc == NM_OK && !own && !who->admin)
        rc = NM_ERR_MISSING;
    if (rc != NM_ERR_MISSING)
        return rc;
    nm_act_unknown(it, "user");
    return NM_ERR_REFUSED;
}

//  Is the e-mail another account's of the service?
static nm_rc_t
s_is_taken(nm_act_t *it, const nm_person_t *person, bool *taken)
{
    nm_id_t id;
    *taken = false;
    if (!NM_HAS(person, person, email))
        return NM_OK;
    nm_rc_t rc = nm_people_find(&nm_deed(it)->user->people, it->txn, &person->service, person->email, &id);
    *taken = rc == NM_OK && !nm_id_equal(&id, &person->id);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- Changes

//  Puts in the hash of the password, or wants it made. NM_ERR_BUSY: it is not there yet; NM_ERR_REFUSED: answered.
static nm_rc_t
s_set_password(nm_act_t *it, const nm_user_ask_t *ask, nm_person_t *person)
{
    nm_deed_t *deed = nm_deed(it);
    if (!NM_HAS(ask, user_ask, password))
        return NM_OK;
    if (!deed->hashed) {
        nm_hashing_make(&deed->wanted, ask->password);
        return NM_ERR_BUSY;
    }
    if (!deed->hashed->hash[0]) {
        nm_act_problem(it, 503, "There is not enough memory to hash a password now; try again.");
        return NM_ERR_REFUSED;
    }
    NM_PUT(person, person, password_hash, nm_text(deed->hashed->hash));
    return NM_OK;
}

//  Voids the tokens of a user that could sign in, before anything else is changed. NM_ERR_REFUSED: answered.
static nm_rc_t
s_sign_out(nm_act_t *it, const nm_id_t *service, const nm_id_t *id)
{
    nm_rc_t rc = nm_sessions_void_user(&nm_deed(it)->user->sessions, it->turn, service, id);
    if (rc == NM_ERR_BUSY)
        nm_act_problem(it, 503, "This account was changed too often within seconds; try again in a moment.");
    else if (rc == NM_ERR_FULL)
        nm_act_problem(it, 503, "The service has changed or deleted its share of accounts today; try again later.");
    else
        return rc;
    return NM_ERR_REFUSED;
}

//  Answers what is wrong with it, or saves it and shows it.
static nm_rc_t
s_save(nm_act_t *it, unsigned status, const nm_user_ask_t *ask, nm_person_t *person, bool signs_out)
{
    bool taken;
    if (it->faults->count)
        return nm_act_faulty(it, "The user has faults");
    nm_rc_t rc = s_is_taken(it, person, &taken);
    if (rc != NM_OK)
        return rc;
    if (taken)
        return nm_act_problem(it, 409, "Another user of the service has this e-mail address.");
    if (nm_turn_tight(it->turn))
        return nm_act_full(it);
    rc = s_set_password(it, ask, person);
    if (rc == NM_OK && signs_out)
        rc = s_sign_out(it, &person->service, &person->id);
    if (rc != NM_OK)
        return rc == NM_ERR_BUSY || rc == NM_ERR_REFUSED ? NM_OK : rc;
    NM_PUT(person, person, updated_at, it->now_ms);
    s_show(it, status, person);  //  Before the views of the old entry are written over
    return nm_people_put(it->turn, person);
}

nm_rc_t
nm_act_users_create(nm_act_t *it)
{
    nm_user_ask_t ask;
    nm_person_t person = { .has = 0 };
    nm_id_t service, id;
    if (nm_act_decode(it, &nm_user_new_shape, &ask, false) != NM_OK ||
        s_find_service(it, NM_HAS(&ask, user_ask, service_id), ask.service_id, &service) != NM_OK)
        return NM_OK;
    if (!nm_people_may(&nm_deed(it)->user->people, &service))
        return nm_act_problem(it, 507, "The service has its share of the %u accounts that can be kept.",
                              (unsigned) NM_PEOPLE_MAX);
    nm_turn_new_id(it->turn, &id);
    NM_PUT(&person, person, id, id);
    NM_PUT(&person, person, service, service);
    NM_PUT(&person, person, created_at, it->now_ms);
    NM_PUT(&person, person, roles, UINT64_C(1) << NM_PERSON_USER);
    s_check(it, &ask);
    s_apply(&ask, &person);
    s_apply_roles(it, &ask, &person);
    if (NM_HAS(&ask, user_ask, password) && !NM_HAS(&ask, user_ask, email))
        nm_faults_add(it->faults, "", "email", "is missing: it is what one signs in with");
    return s_save(it, 201, &ask, &person, false);
}

nm_rc_t
nm_act_users_get(nm_act_t *it)
{
    nm_by_id_t ask;
    nm_person_t person;
    if (nm_act_decode(it, &nm_by_id_shape, &ask, true) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, ask.id, &person);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    return s_show(it, 200, &person);
}

static nm_rc_t
s_list_one(const nm_act_t *it, const void *arg, nm_bytes_t value, nm_buf_t *out, bool *shown)
{
    nm_person_t person;
    (void) it, (void) arg;
    if (nm_record_decode(&nm_person_shape, &person, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    s_write_person(out, &person);
    *shown = true;
    return NM_OK;
}

nm_rc_t
nm_act_users_list(nm_act_t *it)
{
    nm_page_ask_t ask;
    nm_id_t service;
    char prefix[NM_PEOPLE_ENTRY_SIZE];
    nm_act_page_t page = { .book = NM_PEOPLE_BOOK, .write = s_list_one };
    if (nm_act_decode(it, &nm_users_page_shape, &ask, true) != NM_OK ||
        s_find_service(it, NM_HAS(&ask, page_ask, service_id), ask.service_id, &service) != NM_OK ||
        nm_act_open_page(it, &page, NM_HAS(&ask, page_ask, limit), ask.limit, NM_HAS(&ask, page_ask, cursor),
                         ask.cursor) != NM_OK)
        return NM_OK;
    page.prefix = nm_people_of(&service, prefix);
    return nm_act_answer_page(it, &page);
}

//  What a person may not change of itself.
static void
s_refuse_for_person(nm_act_t *it, const nm_user_ask_t *ask)
{
    if (!it->who->person)
        return;
    if (NM_HAS(ask, user_ask, external_id) || nm_act_is_null(it, "external_id"))
        nm_faults_add(it->faults, "", "external_id", "is for the service to change");
    if (NM_HAS(ask, user_ask, roles))
        nm_faults_add(it->faults, "", "roles", "is for the service to change");
}

nm_rc_t
nm_act_users_patch(nm_act_t *it)
{
    static const nm_act_field_t FIELDS[] = {
        { "external_id", NM_AT_person_external_id, true },
        { "name", NM_AT_person_name, true },
        { "email", NM_AT_person_email, true },
        { "phone", NM_AT_person_phone, true },
        { "language", NM_AT_person_language, true },
        { "timezone", NM_AT_person_timezone, true },
        { "password", NM_AT_person_password_hash, true },
        { "roles", NM_AT_person_roles, false },
    };
    nm_user_ask_t ask;
    nm_person_t person;
    if (nm_act_decode(it, &nm_user_change_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, ask.id, &person);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    uint64_t roles = person.roles;
    bool signs_in = NM_HAS(&person, person, password_hash);  //  Who never could has no tokens
    s_check(it, &ask);
    s_refuse_for_person(it, &ask);
    s_apply(&ask, &person);
    s_apply_roles(it, &ask, &person);
    nm_act_clear(it, FIELDS, NM_COUNT(FIELDS), &person.has);
    if (NM_HAS(&person, person, password_hash) && !NM_HAS(&person, person, email))
        nm_faults_add(it->faults, "", "email", "is what one signs in with: clear the password too");
    bool changed = NM_HAS(&ask, user_ask, password) || nm_act_is_null(it, "password") || roles != person.roles;
    return s_save(it, 200, &ask, &person, signs_in && changed);
}

nm_rc_t
nm_act_users_delete(nm_act_t *it)
{
    nm_by_id_t ask;
    nm_person_t person;
    if (nm_act_decode(it, &nm_by_id_shape, &ask, true) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, ask.id, &person);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (NM_HAS(&person, person, password_hash))
        rc = s_sign_out(it, &person.service, &person.id);
    if (rc == NM_OK)
        rc = nm_people_delete(it->turn, &person);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    return nm_act_nothing(it);
}
