/*  mime_oracle - turns deliveries into messages for mime_oracle.py.
 *
 *  On stdin and stdout, each with its size in front (u32, big-endian): a packed delivery;
 *  then a byte, '+' or '-', and the message or the reason of the refusal.
 */
#include "actors/providers/mime.h"

static bool
s_read(nm_buf_t *in)
{
    uint8_t head[4];
    if (fread(head, 1, sizeof head, stdin) != sizeof head)
        return false;
    size_t size = nm_get_u32(head);
    nm_buf_clear(in);
    in->size = fread(nm_buf_reserve(in, size), 1, size, stdin);
    return in->size == size;
}

static void
s_write(char sign, nm_bytes_t bytes)
{
    uint8_t head[4];
    nm_put_u32(head, (uint32_t) bytes.size + 1);
    fwrite(head, 1, sizeof head, stdout);
    fputc(sign, stdout);
    fwrite(bytes.at, 1, bytes.size, stdout);
}

int
main(void)
{
    nm_buf_t in = { 0 }, out = { 0 };
    while (s_read(&in)) {
        nm_delivery_t delivery;
        nm_error_t error = { "the delivery cannot be decoded" };
        memset(&delivery, 0, sizeof delivery);
        nm_buf_clear(&out);
        nm_rc_t rc = nm_record_decode(&nm_delivery_shape, &delivery, nm_buf_bytes(&in), NULL, "");
        nm_mime_t mime = { &delivery, "noreply@nmesh.test", "mail.nmesh.test", 1795000000123 };
        if (rc == NM_OK)
            rc = nm_mime_build(&mime, &out, &error);
        s_write(rc == NM_OK ? '+' : '-', rc == NM_OK ? nm_buf_bytes(&out) : nm_text(error.text));
    }
    nm_buf_free(&in);
    nm_buf_free(&out);
    return 0;
}
