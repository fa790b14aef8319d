#include "actors/providers/encode.h"
#include "wire/utf8.h"

static const char HEX[] = "0123456789ABCDEF";
static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
nm_encode_lines(nm_bytes_t text, nm_buf_t *out)
{
    size_t start = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] != '\r' && text.at[i] != '\n')
            continue;
        nm_buf_add(out, text.at + start, i - start);
        nm_buf_add(out, "\r\n", 2);
        if (text.at[i] == '\r' && i + 1 < text.size && text.at[i + 1] == '\n')
            i++;
        start = i + 1;
    }
    nm_buf_add(out, text.at + start, text.size - start);
}

static bool
s_at_line_end(nm_bytes_t text, size_t i)
{
    return i == text.size || (text.at[i] == '\r' && i + 1 < text.size && text.at[i + 1] == '\n');
}

//  Must the byte at i be written as =XX? line_start: it is the first of its line.
static bool
s_is_quoted(nm_bytes_t text, size_t i, bool line_start)
{
    uint8_t byte = text.at[i];
    if (byte == ' ' || byte == '\t')
        return s_at_line_end(text, i + 1);
    if (byte < 0x21 || byte > 0x7e || byte == '=')
        return true;
    if (!line_start)
        return false;
    return byte == '.' || (byte == 'F' && text.size - i >= 5 && memcmp(text.at + i, "From ", 5) == 0);
}

//  How many bytes from i on, at most max, stand for themselves wherever in a line but at its start. A space does so
//  before another of them.
static size_t
s_plain_size(nm_bytes_t text, size_t i, size_t max)
{
    size_t end = max < text.size - i ? i + max : text.size, plain = i;
    for (size_t at = i; at < end; at++) {
        uint8_t byte = text.at[at];
        if (byte < 0x20 || byte > 0x7e || byte == '=')
            break;
        if (byte != ' ')
            plain = at + 1;
    }
    return plain - i;
}

//  Writes the byte at i, which ends no line. column: where on the line; returns where the next one goes.
static size_t
s_quote_byte(nm_bytes_t text, size_t i, size_t column, nm_buf_t *out)
{
    bool quoted = s_is_quoted(text, i, column == 0);
    //  A soft break takes one column itself, which the last item of a line needs not leave free.
    size_t most = s_at_line_end(text, i + 1) ? NM_MAIL_LINE_MAX : NM_MAIL_LINE_MAX - 1;
    if (column + (quoted ? 3 : 1) > most) {
        nm_buf_add(out, "=\r\n", 3);
        column = 0;
        quoted = s_is_quoted(text, i, true);
    }
    if (quoted)
        nm_buf_add(out, (char[]){ '=', HEX[text.at[i] >> 4], HEX[text.at[i] & 15] }, 3);
    else
        nm_buf_add(out, text.at + i, 1);
    return column + (quoted ? 3 : 1);
}

void
nm_encode_quoted(nm_bytes_t text, nm_buf_t *out)
{
    size_t column = 0, i = 0;
    while (i < text.size) {
        //  Nearly all text is plain, and is copied as far as the line has room for it and a soft break.
        bool inside = column && column < NM_MAIL_LINE_MAX - 1;
        size_t plain = inside ? s_plain_size(text, i, NM_MAIL_LINE_MAX - 1 - column) : 0;
        if (plain) {
            nm_buf_add(out, text.at + i, plain);
            column += plain;
            i += plain;
        } else if (s_at_line_end(text, i)) {
            nm_buf_add(out, "\r\n", 2);
            column = 0;
            i += 2;
        } else {
            column = s_quote_byte(text, i++, column, out);
        }
    }
}

size_t
nm_encode_quoted_size(nm_bytes_t text)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++)
        size += (text.at[i] < 0x20 && text.at[i] != '\r' && text.at[i] != '\n' && text.at[i] != '\t') ||
                        text.at[i] > 0x7e || text.at[i] == '='
                    ? 3
                    : 1;
    return size;
}

//  The base64 of 1 to 3 bytes.
static void
s_group(const uint8_t *at, size_t size, char out[4])
{
    uint32_t bits = (uint32_t) at[0] << 16 | (size > 1 ? (uint32_t) at[1] << 8 : 0) | (size > 2 ? at[2] : 0);
    for (int i = 0; i < 4; i++)
        out[i] = BASE64[bits >> (18 - 6 * i) & 63];
    for (size_t i = size + 1; i < 4; i++)
        out[i] = '=';
}

static void
s_base64(nm_bytes_t bytes, nm_buf_t *out)
{
    char *at = (char *) nm_buf_reserve(out, (bytes.size + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.size; i += 3, at += 4)
        s_group(bytes.at + i, bytes.size - i < 3 ? bytes.size - i : 3, at);
    out->size += (bytes.size + 2) / 3 * 4;
}

void
nm_encode_base64(nm_bytes_t bytes, nm_buf_t *out)
{
    enum { LINE_BYTES = NM_MAIL_LINE_MAX / 4 * 3 };
    for (size_t i = 0; i < bytes.size; i += LINE_BYTES) {
        size_t size = bytes.size - i < LINE_BYTES ? bytes.size - i : LINE_BYTES;
        if (i)
            nm_buf_add(out, "\r\n", 2);
        s_base64(nm_bytes(bytes.at + i, size), out);
    }
}

void
nm_encode_base64_lines(nm_bytes_t text, nm_buf_t *out)
{
    for (size_t i = 0; i < text.size; i += NM_MAIL_LINE_MAX) {
        size_t size = text.size - i < NM_MAIL_LINE_MAX ? text.size - i : NM_MAIL_LINE_MAX;
        if (i)
            nm_buf_add(out, "\r\n", 2);
        nm_buf_add(out, text.at + i, size);
    }
}

size_t
nm_encode_words(nm_bytes_t text, size_t column, nm_buf_t *out)
{
    static const char OPEN[] = "=?UTF-8?B?", CLOSE[] = "?=";
    enum { FRAME = sizeof OPEN - 1 + sizeof CLOSE - 1, WORD_MAX = 75, LEAST_BYTES = 6 };

    bool first = true;
    while (text.size) {
        size_t room = column + FRAME < NM_MAIL_LINE_MAX ? NM_MAIL_LINE_MAX - column - FRAME : 0;
        size_t bytes = room / 4 * 3;
        if (bytes > (WORD_MAX - FRAME) / 4 * 3)
            bytes = (WORD_MAX - FRAME) / 4 * 3;
        if (!first || bytes < LEAST_BYTES) {
            nm_buf_add(out, "\r\n ", 3);
            column = 1;
            bytes = (WORD_MAX - FRAME) / 4 * 3;
        }
        size_t size = nm_utf8_cut(text, bytes);
        nm_buf_add(out, OPEN, sizeof OPEN - 1);
        size_t before = out->size;
        s_base64(nm_bytes(text.at, size), out);
        column += FRAME + out->size - before;
        nm_buf_add(out, CLOSE, sizeof CLOSE - 1);
        text = nm_bytes(text.at + size, text.size - size);
        first = false;
    }
    return column;
}
