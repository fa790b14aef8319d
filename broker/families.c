#include "broker/families.h"

#define S_COUNTER(id, name, first, second, help) \
    [NM_FAMILY_##id] = { name, NM_METRIC_COUNTER, 0, 0, 0, { first, second }, help },
#define S_GAUGE(id, name, decimals, first, second, help) \
    [NM_FAMILY_##id] = { name, NM_METRIC_GAUGE, decimals, 0, 0, { first, second }, help },
#define S_HISTOGRAM(id, name, decimals, least, most, first, second, help) \
    [NM_FAMILY_##id] = { name, NM_METRIC_HISTOGRAM, decimals, least, most, { first, second }, help },

const nm_family_t nm_families[NM_FAMILY_COUNT] = { NM_FAMILIES(S_COUNTER, S_GAUGE, S_HISTOGRAM) };

const char *const nm_metric_kind_texts[] = { "counter", "gauge", "histogram" };

nm_family_id_t
nm_families_find(nm_bytes_t name)
{
    size_t low = 0, high = NM_FAMILY_COUNT;
    while (low < high) {
        size_t middle = (low + high) / 2, size = strlen(nm_families[middle].name);
        int order = memcmp(name.at, nm_families[middle].name, name.size < size ? name.size : size);
        if (!order && name.size == size)
            return (nm_family_id_t) middle;
        if (order < 0 || (!order && name.size < size))
            high = middle;
        else
            low = middle + 1;
    }
    return NM_FAMILY_COUNT;
}
