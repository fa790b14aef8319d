#include "actors/owner/doubt.h"

enum { ORDER_DOUBT = 1 << 16 };

bool
nm_doubt_pack(nm_bytes_t packed, nm_buf_t *doubted)
{
    nm_delivery_t delivery;
    memset(&delivery, 0, sizeof delivery);
    if (nm_record_decode(&nm_delivery_shape, &delivery, packed, NULL, "") != NM_OK)
        return false;
    NM_PUT(&delivery, delivery, doubtful, true);
    NM_PUT(&delivery, delivery, order, delivery.order + ORDER_DOUBT);
    nm_record_encode(&nm_delivery_shape, &delivery, NM_BY_TAG, doubted);
    return true;
}
