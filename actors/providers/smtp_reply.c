#include "actors/providers/smtp_reply.h"

//  CLASS.SUBJECT.DETAIL; class 0 if there is none.
typedef struct {
    unsigned class;
    unsigned subject;
    unsigned detail;
} s_enhanced_t;

//  Takes 1 to 3 digits off the front.
static bool
s_take_number(nm_bytes_t *rest, unsigned *number)
{
    size_t size = 0;
    *number = 0;
    while (size < rest->size && size < 3 && rest->at[size] >= '0' && rest->at[size] <= '9')
        *number = *number * 10 + (rest->at[size++] - '0');
    *rest = nm_bytes(rest->at + size, rest->size - size);
    return size > 0;
}

static bool
s_take_byte(nm_bytes_t *rest, char byte)
{
    if (!rest->size || rest->at[0] != (uint8_t) byte)
        return false;
    *rest = nm_bytes(rest->at + 1, rest->size - 1);
    return true;
}

//  Reads it where RFC 2034 puts it: first in the text of the reply, of the reply's own class.
static s_enhanced_t
s_enhanced(unsigned code, nm_bytes_t text)
{
    s_enhanced_t found = { 0 };
    unsigned number;
    nm_bytes_t rest = text;
    if (s_take_number(&rest, &number) && number == code && (s_take_byte(&rest, ' ') || s_take_byte(&rest, '-')))
        text = rest;
    if (s_take_number(&text, &found.class) && s_take_byte(&text, '.') && s_take_number(&text, &found.subject) &&
        s_take_byte(&text, '.') && s_take_number(&text, &found.detail) && found.class == code / 100)
        return found;
    return (s_enhanced_t){ 0 };
}

static bool
s_is_transient_fault(unsigned code, s_enhanced_t enhanced)
{
    if (code == 421 || code == 432 || code == 454)
        return true;
    return code != 450 && (enhanced.subject == 3 || enhanced.subject == 4);
}

static bool
s_is_permanent_fault(unsigned code, s_enhanced_t enhanced)
{
    static const unsigned CODES[] = { 500, 502, 503, 504, 521, 530, 534, 535, 538 };
    static const unsigned OURS[] = { 530, 534, 535, 538 };

    for (size_t i = 0; i < NM_COUNT(OURS); i++)
        if (code == OURS[i])
            return true;
    switch (enhanced.class ? enhanced.subject : 0) {
    case 1: return enhanced.detail == 7 || enhanced.detail == 8;
    case 2: return false;
    case 3: return enhanced.detail != 4;
    case 4: return false;
    case 5: return enhanced.detail != 3;
    case 7: return enhanced.detail == 3 || (enhanced.detail >= 8 && enhanced.detail <= 14);
    }
    for (size_t i = 0; i < NM_COUNT(CODES); i++)
        if (code == CODES[i])
            return true;
    return false;
}

void
nm_smtp_reply_classify(unsigned code, nm_bytes_t text, nm_verdict_t *verdict)
{
    s_enhanced_t enhanced = s_enhanced(code, text);
    verdict->counts = false;
    if (code >= 200 && code < 300) {
        verdict->outcome = NM_OUTCOME_SENT;
    } else if (code >= 500 && code < 600) {
        verdict->counts = s_is_permanent_fault(code, enhanced);
        verdict->outcome = verdict->counts ? NM_OUTCOME_LATER : NM_OUTCOME_REFUSED;
    } else {
        verdict->outcome = NM_OUTCOME_LATER;
        verdict->counts = code < 400 || code >= 500 || s_is_transient_fault(code, enhanced);
    }
}
