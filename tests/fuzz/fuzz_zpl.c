//  The mesh file and certificates: any text is read or refused with its line, and what
//  was read is within the bounds that zpl.h promises.
#include "fuzz.h"
#include "broker/zpl.h"

static size_t
s_walk(const nm_zpl_t *node, size_t level)
{
    size_t count = 0;
    PROMISE(level <= 16);
    for (const nm_zpl_t *child = node->child; child; child = child->next) {
        PROMISE(child->name[0] && child->line > 0 && nm_zpl_find(node, child->name) == child);
        count += 1 + s_walk(child, level + 1);
    }
    return count;
}

static void
s_read_values(const nm_zpl_t *node)
{
    uint64_t number;
    int64_t ms;
    bool yes;
    nm_error_t error;
    for (const nm_zpl_t *child = node->child; child; child = child->next) {
        if (nm_zpl_number(node, child->name, 3, 99, 7, &number, &error) == NM_OK)
            PROMISE(number >= 3 && number <= 99);
        if (nm_zpl_size(node, child->name, 1 << 20, 7, &number, &error) == NM_OK)
            PROMISE(number <= 1 << 20);
        if (nm_zpl_duration(node, child->name, 86400000, 7, &ms, &error) == NM_OK)
            PROMISE(ms >= 0 && ms <= 86400000);
        nm_zpl_bool(node, child->name, true, &yes, &error);
        s_read_values(child);
    }
    static const char *const NAMES[] = { "mesh", "name" };
    nm_zpl_only(node, NAMES, NM_COUNT(NAMES), &error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    nm_error_t error = { "" };
    nm_zpl_t *root = nm_zpl_parse("t", nm_bytes(at, size), &error);
    PROMISE(root || strncmp(error.text, "t line ", 7) == 0);
    if (!root)
        return 0;
    PROMISE(s_walk(root, 0) <= 10000);
    s_read_values(root);
    nm_zpl_destroy(&root);
    return 0;
}
