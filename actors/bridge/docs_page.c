#include "actors/bridge/documents.h"

//  The page as it is served, put into the program as it is: NM_DOCS_PAGE is its file, which the build has made.
__asm__(".pushsection .rodata\n"
        ".hidden nm_docs_page_begin\n"
        ".global nm_docs_page_begin\n"
        "nm_docs_page_begin:\n"
        ".incbin \"" NM_DOCS_PAGE "\"\n"
        ".hidden nm_docs_page_end\n"
        ".global nm_docs_page_end\n"
        "nm_docs_page_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const uint8_t nm_docs_page_begin[], nm_docs_page_end[];

nm_bytes_t
nm_docs_page(void)
{
    return nm_bytes(nm_docs_page_begin, (size_t) (nm_docs_page_end - nm_docs_page_begin));
}
