/*  screen - which characters of what others wrote may reach a terminal as they are.
 *
 *  Control characters are commands to it: those below the space, and U+007F to U+009F, of which one begins commands as
 *  ESC [ does. Those that change the direction of writing are none, and yet show a line in another order than it has:
 *  a recipient can look like somebody else's.
 */
#ifndef NM_SCREEN_H
#define NM_SCREEN_H

#include "nm.h"

bool nm_screen_may_show(uint32_t rune);

//  The text with a question mark for each character that may not be shown, and for each byte that is no UTF-8. The
//  caller frees it.
char *nm_screen_text(const char *text, size_t size);

#endif
