#include "actors/providers/mime.h"

#include <strings.h>
#include <time.h>

#include "actors/providers/encode.h"
#include "wire/address.h"
#include "wire/base64.h"
#include "wire/id.h"
#include "wire/own_header.h"
#include "wire/reader.h"
#include "wire/utf8.h"

enum {
    WORD_MAX = NM_MAIL_LINE_MAX - 2,  //  Longest word of a text that is written as it is
    QUOTED_MAX = 50,                  //  Longest name in quotes; beyond it is encoded and folded
};

//  A header line in the making: column is where its last line stands.
typedef struct {
    nm_buf_t *out;
    size_t column;
} s_header_t;

static s_header_t
s_header_open(nm_buf_t *out, nm_bytes_t name)
{
    nm_buf_add_bytes(out, name);
    nm_buf_add(out, ":", 1);
    return (s_header_t){ out, name.size + 1 };
}

//  Adds a space and a word, on a new line if it would not fit.
static void
s_header_word(s_header_t *self, nm_bytes_t word)
{
    if (self->column + 1 + word.size > NM_MAIL_LINE_MAX && self->column > 1) {
        nm_buf_add(self->out, "\r\n", 2);
        self->column = 0;
    }
    nm_buf_add(self->out, " ", 1);
    nm_buf_add_bytes(self->out, word);
    self->column += 1 + word.size;
}

static void
s_header_encoded(s_header_t *self, nm_bytes_t text)
{
    nm_buf_add(self->out, " ", 1);
    self->column = nm_encode_words(text, self->column + 1, self->out);
}

static void
s_header_close(s_header_t *self)
{
    nm_buf_add(self->out, "\r\n", 2);
}

static bool
s_is_line(nm_bytes_t text)
{
    return nm_utf8_is_valid(text) && nm_utf8_is_line(text);
}

static bool
s_is_ascii(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < 0x20 || text.at[i] > 0x7e)
            return false;
    return true;
}

static bool
s_has_encoded_word(nm_bytes_t text)
{
    return text.size && memmem(text.at, text.size, "=?", 2) != NULL;
}

//  The word before the next space; takes it and the space off rest.
static nm_bytes_t
s_take_word(nm_bytes_t *rest)
{
    const uint8_t *space = rest->size ? memchr(rest->at, ' ', rest->size) : NULL;
    size_t size = space ? (size_t) (space - rest->at) : rest->size;
    nm_bytes_t word = nm_bytes(rest->at, size);
    size_t taken = space ? size + 1 : size;
    *rest = nm_bytes(rest->at + taken, rest->size - taken);
    return word;
}

//  Does text come back as it is when it is folded at its spaces?
static bool
s_is_plain(nm_bytes_t text)
{
    if (!s_is_ascii(text) || s_has_encoded_word(text))
        return false;
    if (text.size && text.at[text.size - 1] == ' ')
        return false;
    while (text.size) {
        nm_bytes_t word = s_take_word(&text);
        if (word.size == 0 || word.size > WORD_MAX)
            return false;
    }
    return true;
}

static void
s_text_header(nm_buf_t *out, nm_bytes_t name, nm_bytes_t text)
{
    s_header_t header = s_header_open(out, name);
    if (s_is_plain(text))
        while (text.size)
            s_header_word(&header, s_take_word(&text));
    else
        s_header_encoded(&header, text);
    s_header_close(&header);
}

//  -- Addresses

static void
s_address_word(s_header_t *header, nm_bytes_t address, const char *before, const char *after)
{
    char word[NM_ADDRESS_MAX + 8];
    int size = snprintf(word, sizeof word, "%s%.*s%s", before, NM_PRINT(address), after);
    s_header_word(header, nm_bytes(word, (size_t) size));
}

//  A display name: in quotes, or as encoded words.
static void
s_display_name(s_header_t *header, nm_bytes_t name)
{
    bool edged = name.at[0] == ' ' || name.at[name.size - 1] == ' ';
    if (edged || !s_is_ascii(name) || name.size > QUOTED_MAX || s_has_encoded_word(name)) {
        s_header_encoded(header, name);
        return;
    }
    char word[2 * QUOTED_MAX + 2];
    size_t size = 0;
    word[size++] = '"';
    for (size_t i = 0; i < name.size; i++) {
        if (name.at[i] == '"' || name.at[i] == '\\')
            word[size++] = '\\';
        word[size++] = (char) name.at[i];
    }
    word[size++] = '"';
    s_header_word(header, nm_bytes(word, size));
}

static nm_rc_t
s_add_from(const nm_mime_t *self, const nm_email_t *email, nm_buf_t *out, nm_error_t *error)
{
    nm_bytes_t from = nm_text(self->from);
    if (!nm_address_is_email(from))
        return nm_fail(error, NM_ERR_REFUSED, "the sender's address is not an e-mail address");
    s_header_t header = s_header_open(out, nm_text("From"));
    if (email->from_name.size) {
        if (!s_is_line(email->from_name))
            return nm_fail(error, NM_ERR_REFUSED, "from_name holds control characters");
        s_display_name(&header, email->from_name);
        s_address_word(&header, from, "<", ">");
    } else {
        s_header_word(&header, from);
    }
    s_header_close(&header);
    return NM_OK;
}

static nm_rc_t
s_add_address(nm_buf_t *out, const char *name, nm_bytes_t address, nm_error_t *error)
{
    if (!nm_address_is_email(address))
        return nm_fail(error, NM_ERR_REFUSED, "%s is not an e-mail address", name);
    s_header_t header = s_header_open(out, nm_text(name));
    s_header_word(&header, address);
    s_header_close(&header);
    return NM_OK;
}

static nm_rc_t
s_add_cc(nm_bytes_t raw, nm_buf_t *out, nm_error_t *error)
{
    nm_list_t list;
    if (nm_list_open(&list, raw) != NM_OK)
        return nm_fail(error, NM_ERR_REFUSED, "cc is not a list");
    if (!list.count)
        return NM_OK;
    s_header_t header = s_header_open(out, nm_text("Cc"));
    nm_bytes_t item;
    for (uint32_t left = list.count; nm_list_next(&list, &item) == NM_OK; left--) {
        nm_reader_t reader;
        nm_bytes_t address;
        nm_reader_open(&reader, item);
        if (nm_reader_str(&reader, &address) != NM_OK || !nm_address_is_email(address))
            return nm_fail(error, NM_ERR_REFUSED, "cc holds something that is not an e-mail address");
        s_address_word(&header, address, "", left > 1 ? "," : "");
    }
    s_header_close(&header);
    return NM_OK;
}

//  -- Own headers

//  Takes no encoded words, and what stands between its spaces is not folded.
static void
s_structured_header(nm_buf_t *out, nm_bytes_t name, nm_bytes_t text)
{
    s_header_t header = s_header_open(out, name);
    while (text.size) {
        nm_bytes_t word = s_take_word(&text);
        if (word.size)
            s_header_word(&header, word);
    }
    s_header_close(&header);
}

static nm_rc_t
s_add_own_headers(nm_bytes_t raw, nm_buf_t *out, nm_error_t *error)
{
    nm_reader_t reader;
    uint32_t count;
    nm_reader_open(&reader, raw);
    if (nm_reader_map(&reader, &count) != NM_OK || count > NM_HEADER_COUNT)
        return nm_fail(error, NM_ERR_REFUSED, "headers are not a map of at most %d texts", NM_HEADER_COUNT);
    for (uint32_t i = 0; i < count; i++) {
        nm_bytes_t name, text;
        if (nm_reader_str(&reader, &name) != NM_OK || nm_reader_str(&reader, &text) != NM_OK)
            return nm_fail(error, NM_ERR_REFUSED, "headers are not a map of texts");
        const char *fault = nm_own_header_name_fault(name);
        if (fault)
            return nm_fail(error, NM_ERR_REFUSED, "headers hold a name that %s", fault);
        fault = nm_own_header_value_fault(name, text);
        if (fault)
            return nm_fail(error, NM_ERR_REFUSED, "header %.*s %s", NM_PRINT(name), fault);
        if (nm_own_header_is_structured(name))
            s_structured_header(out, name, text);
        else
            s_text_header(out, name, text);
    }
    return NM_OK;
}

//  -- Top headers

static void
s_add_date(int64_t date_ms, nm_buf_t *out)
{
    static const char *const DAYS[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const MONTHS[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = (time_t) (date_ms / 1000);
    struct tm at;
    gmtime_r(&seconds, &at);
    nm_buf_format(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", DAYS[at.tm_wday], at.tm_mday,
                  MONTHS[at.tm_mon], at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
}

static void
s_add_ids(const nm_mime_t *self, nm_buf_t *out)
{
    char id[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(&self->delivery->notification, id);
    char message_id[NM_ID_TEXT_SIZE + 300];
    snprintf(message_id, sizeof message_id, "<%s.%llu@%.255s>", id, (unsigned long long) self->delivery->generation,
             self->domain);
    s_header_t header = s_header_open(out, nm_text("Message-ID"));
    s_header_word(&header, nm_text(message_id));
    s_header_close(&header);
    nm_buf_format(out, "X-Nmesh-Id: %s\r\n", id);
}

static nm_rc_t
s_add_headers(const nm_mime_t *self, const nm_email_t *email, nm_buf_t *out, nm_error_t *error)
{
    const nm_delivery_t *delivery = self->delivery;
    s_add_date(self->date_ms, out);
    nm_rc_t rc = s_add_from(self, email, out, error);
    if (rc == NM_OK)
        rc = s_add_address(out, "To", delivery->to.size ? delivery->to : delivery->recipient, error);
    if (rc == NM_OK && NM_HAS(email, email, cc))
        rc = s_add_cc(email->cc, out, error);
    if (rc == NM_OK && email->reply_to.size)
        rc = s_add_address(out, "Reply-To", email->reply_to, error);
    if (rc == NM_OK && !s_is_line(delivery->subject))
        rc = nm_fail(error, NM_ERR_REFUSED, "the subject holds control characters");
    if (rc != NM_OK)
        return rc;
    if (delivery->subject.size)
        s_text_header(out, nm_text("Subject"), delivery->subject);
    s_add_ids(self, out);
    if (NM_HAS(email, email, headers))
        rc = s_add_own_headers(email->headers, out, error);
    nm_buf_add_text(out, "MIME-Version: 1.0\r\n");
    return rc;
}

//  -- Parts

//  "=_" cannot occur in quoted-printable nor in base64, so no text can hold a boundary.
static void
s_boundary(const nm_mime_t *self, char level, char out[48])
{
    static const char HEX[] = "0123456789abcdef";
    char id[2 * NM_ID_SIZE + 1];
    for (size_t i = 0; i < NM_ID_SIZE; i++) {
        id[2 * i] = HEX[self->delivery->notification.at[i] >> 4];
        id[2 * i + 1] = HEX[self->delivery->notification.at[i] & 15];
    }
    id[2 * NM_ID_SIZE] = 0;
    snprintf(out, 48, "=_nm_%s_%c", id, level);
}

static void
s_open_multipart(const char *subtype, const char *boundary, nm_buf_t *out)
{
    nm_buf_format(out, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n", subtype, boundary);
}

static void
s_delimiter(const char *boundary, const char *after, nm_buf_t *out)
{
    nm_buf_format(out, "\r\n--%s%s\r\n", boundary, after);
}

static void
s_add_text(const char *subtype, nm_bytes_t text, nm_buf_t *out)
{
    nm_buf_t lines = { 0 };
    nm_encode_lines(text, &lines);
    bool quoted = nm_encode_quoted_size(nm_buf_bytes(&lines)) <= lines.size / 3 * 4 + 4;
    nm_buf_format(out,
                  "Content-Type: text/%s; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: %s\r\n\r\n",
                  subtype, quoted ? "quoted-printable" : "base64");
    if (quoted)
        nm_encode_quoted(nm_buf_bytes(&lines), out);
    else
        nm_encode_base64(nm_buf_bytes(&lines), out);
    nm_buf_free(&lines);
}

static void
s_add_content(const nm_mime_t *self, nm_buf_t *out)
{
    const nm_delivery_t *delivery = self->delivery;
    if (!delivery->html.size || !delivery->content.size) {
        bool html = delivery->html.size > 0;
        s_add_text(html ? "html" : "plain", html ? delivery->html : delivery->content, out);
        return;
    }
    char boundary[48];
    s_boundary(self, 'b', boundary);
    s_open_multipart("alternative", boundary, out);
    s_delimiter(boundary, "", out);
    s_add_text("plain", delivery->content, out);
    s_delimiter(boundary, "", out);
    s_add_text("html", delivery->html, out);
    s_delimiter(boundary, "--", out);
}

//  -- Attachments

static size_t
s_token_size(nm_bytes_t text)
{
    size_t size = 0;
    while (size < text.size && text.at[size] > 0x20 && text.at[size] < 0x7f &&
           !strchr("()<>@,;:\\\"/[]?=", text.at[size]))
        size++;
    return size;
}

//  How much of text is type "/" subtype; 0 if it does not start so, or with a composite
//  type, which may not be base64 (RFC 2045 section 6.4).
static size_t
s_media_type_size(nm_bytes_t text)
{
    size_t size = s_token_size(text);
    if (!size || size == text.size || text.at[size] != '/')
        return 0;
    size_t sub = s_token_size(nm_bytes(text.at + size + 1, text.size - size - 1));
    size += 1 + sub;
    if (!sub || size > QUOTED_MAX || strncasecmp((const char *) text.at, "multipart/", 10) == 0 ||
        strncasecmp((const char *) text.at, "message/", 8) == 0)
        return 0;
    return size;
}

//  How much of text is name=token, a parameter.
static size_t
s_parameter_size(nm_bytes_t text)
{
    size_t name = s_token_size(text);
    if (!name || name == text.size || text.at[name] != '=')
        return 0;
    size_t value = s_token_size(nm_bytes(text.at + name + 1, text.size - name - 1));
    return value && name + 1 + value < WORD_MAX ? name + 1 + value : 0;
}

//  The type with its parameters (charset, method), as far as they are well-formed.
static void
s_add_content_type(nm_bytes_t text, nm_buf_t *out)
{
    size_t size = s_media_type_size(text);
    nm_bytes_t type = size ? nm_bytes(text.at, size) : nm_text("application/octet-stream");
    nm_buf_format(out, "Content-Type: %.*s", NM_PRINT(type));
    while (size && size < text.size && text.at[size] == ';') {
        size++;
        while (size < text.size && text.at[size] == ' ')
            size++;
        nm_bytes_t rest = nm_bytes(text.at + size, text.size - size);
        size_t taken = s_parameter_size(rest);
        if (!taken)
            break;
        nm_buf_format(out, ";\r\n %.*s", (int) taken, (const char *) rest.at);
        size += taken;
    }
    nm_buf_add_text(out, "\r\n");
}

//  A path is no name: a reader that believes it would write elsewhere.
static void
s_safe_filename(nm_bytes_t name, char out[256])
{
    nm_bytes_to_text(name, out, 256);
    for (char *at = out; *at; at++)
        if (*at == '/' || *at == '\\')
            *at = '_';
}

static size_t
s_percent(nm_bytes_t text, char *out)
{
    static const char HEX[] = "0123456789ABCDEF";
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i];
        bool safe = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                    byte == '.' || byte == '-' || byte == '_';
        if (safe) {
            out[size++] = (char) byte;
        } else {
            out[size++] = '%';
            out[size++] = HEX[byte >> 4];
            out[size++] = HEX[byte & 15];
        }
    }
    return size;
}

//  RFC 2231: filename*0*=UTF-8''..., in pieces of whole characters, each on a line.
static void
s_add_filename_pieces(nm_bytes_t name, nm_buf_t *out)
{
    enum { PIECE_BYTES = 15 };
    char piece[3 * PIECE_BYTES];
    bool single = name.size <= PIECE_BYTES;
    for (unsigned number = 0; name.size; number++) {
        size_t size = nm_utf8_cut(name, PIECE_BYTES);
        size_t length = s_percent(nm_bytes(name.at, size), piece);
        name = nm_bytes(name.at + size, name.size - size);
        if (single)
            nm_buf_format(out, ";\r\n filename*=UTF-8''%.*s", (int) length, piece);
        else
            nm_buf_format(out, ";\r\n filename*%u*=%s%.*s", number, number ? "" : "UTF-8''", (int) length, piece);
    }
}

static void
s_add_filename(nm_bytes_t raw, nm_buf_t *out)
{
    char safe[256];
    s_safe_filename(raw, safe);
    nm_bytes_t name = nm_text(safe);
    bool quotable = name.size <= QUOTED_MAX && s_is_ascii(name) && !memchr(name.at, '"', name.size) &&
                    !s_has_encoded_word(name) && !memchr(name.at, '%', name.size);
    if (quotable)
        nm_buf_format(out, ";\r\n filename=\"%s\"", safe);
    else
        s_add_filename_pieces(name, out);
}

static nm_rc_t
s_add_attachment(nm_bytes_t raw, nm_buf_t *out, nm_error_t *error)
{
    nm_attachment_t file;
    size_t size;
    memset(&file, 0, sizeof file);
    if (nm_record_decode(&nm_attachment_shape, &file, raw, NULL, "") != NM_OK || !s_is_line(file.filename) ||
        nm_base64_size(file.content_base64, &size) != NM_OK)
        return nm_fail(error, NM_ERR_REFUSED, "an attachment cannot be read");
    s_add_content_type(file.content_type, out);
    nm_buf_add_text(out, "Content-Transfer-Encoding: base64\r\n"
                         "Content-Disposition: attachment");
    if (file.filename.size)
        s_add_filename(file.filename, out);
    nm_buf_add_text(out, "\r\n\r\n");
    nm_encode_base64_lines(file.content_base64, out);
    return NM_OK;
}

static nm_rc_t
s_add_mixed(const nm_mime_t *self, nm_list_t *files, nm_buf_t *out, nm_error_t *error)
{
    char boundary[48];
    s_boundary(self, 'a', boundary);
    s_open_multipart("mixed", boundary, out);
    s_delimiter(boundary, "", out);
    s_add_content(self, out);
    nm_bytes_t raw;
    while (nm_list_next(files, &raw) == NM_OK) {
        s_delimiter(boundary, "", out);
        if (s_add_attachment(raw, out, error) != NM_OK)
            return NM_ERR_REFUSED;
    }
    s_delimiter(boundary, "--", out);
    return NM_OK;
}

nm_rc_t
nm_mime_build(const nm_mime_t *self, nm_buf_t *out, nm_error_t *error)
{
    nm_email_t email;
    memset(&email, 0, sizeof email);
    if (NM_HAS(self->delivery, delivery, email) &&
        nm_record_decode(&nm_email_shape, &email, self->delivery->email, NULL, "") != NM_OK)
        return nm_fail(error, NM_ERR_REFUSED, "the e-mail parts cannot be read");

    nm_rc_t rc = s_add_headers(self, &email, out, error);
    if (rc != NM_OK)
        return rc;
    nm_list_t files = { 0 };
    if (NM_HAS(&email, email, attachments) && nm_list_open(&files, email.attachments) != NM_OK)
        return nm_fail(error, NM_ERR_REFUSED, "the attachments are not a list");
    if (files.count)
        rc = s_add_mixed(self, &files, out, error);
    else
        s_add_content(self, out);
    if (out->size < 2 || memcmp(out->at + out->size - 2, "\r\n", 2) != 0)
        nm_buf_add(out, "\r\n", 2);
    return rc;
}
