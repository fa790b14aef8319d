#include "actors/providers/sender.h"
#include "wire/address.h"

nm_rc_t
nm_sender_open(const nm_zpl_t *node, const nm_mesh_t *mesh, char *from, size_t size, nm_error_t *error)
{
    char otherwise[sizeof mesh->public_domain + 8];
    snprintf(otherwise, sizeof otherwise, "nmesh@%s", mesh->public_domain);
    const char *text = NULL;
    nm_rc_t rc = nm_zpl_text(node, "from", otherwise, &text, error);
    if (rc != NM_OK)
        return rc;
    if (!nm_address_is_email(nm_text(text)) || strlen(text) >= size) {
        const nm_zpl_t *given = nm_zpl_find(node, "from");
        return nm_zpl_fail(given ? given : node, error, "from is not an e-mail address: \"%.80s\"", text);
    }
    snprintf(from, size, "%s", text);
    return NM_OK;
}
