//  Requests as a gateway takes them: decoded with all faults, then checked. What passes
//  holds nothing that could start a new header or SMTP command.
#include "fuzz.h"
#include "wire/base64.h"
#include "wire/utf8.h"

static const int64_t NOW_MS = 1795233591123;

static void
s_check_lines(const nm_request_t *request)
{
    if (NM_HAS(request, request, recipient))
        PROMISE(nm_utf8_is_valid(request->recipient) && nm_utf8_is_line(request->recipient));
    if (NM_HAS(request, request, subject))
        PROMISE(nm_utf8_is_valid(request->subject) && nm_utf8_is_line(request->subject));
}

static void
s_check_attachments(const nm_request_t *request)
{
    nm_email_t email;
    nm_list_t list;
    nm_bytes_t item;
    if (!NM_HAS(request, request, email))
        return;
    PROMISE(nm_record_decode(&nm_email_shape, &email, request->email, NULL, "") == NM_OK);
    if (!NM_HAS(&email, email, attachments))
        return;
    PROMISE(nm_list_open(&list, email.attachments) == NM_OK);
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_attachment_t file;
        nm_buf_t content = { 0 };
        PROMISE(nm_record_decode(&nm_attachment_shape, &file, item, NULL, "") == NM_OK);
        PROMISE(nm_base64_decode(file.content_base64, &content) == NM_OK);
        nm_buf_free(&content);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    nm_request_t request;
    nm_faults_t faults = { 0 };
    nm_rc_t decoded = nm_record_decode(&nm_request_shape, &request, nm_bytes(at, size), &faults, "");
    size_t count = faults.count + faults.missed;
    nm_rc_t checked = nm_request_check(&request, NOW_MS, &faults, "");
    PROMISE((decoded == NM_OK) == (count == 0));
    PROMISE((checked == NM_OK) == (faults.count + faults.missed == count));
    if (decoded == NM_OK && checked == NM_OK) {
        s_check_lines(&request);
        s_check_attachments(&request);
    }
    s_try_shape(&nm_request_shape, nm_bytes(at, size));
    return 0;
}
