/*  smtp_reply - what an SMTP reply means for the delivery and for the provider.
 *
 *  Pure. The call does not tell at which command the reply came, so the code has to, and
 *  where there is one the enhanced code (RFC 3463), which is the more exact of the two.
 *
 *  | reply | outcome | the provider's fault | why |
 *  |---|---|---|---|
 *  | 2yz | sent | - | RFC 5321 section 4.2.1 |
 *  | 421 | later | yes | "closing transmission channel": the service, not the mail (RFC 5321 4.2.3) |
 *  | 432, 454 | later | yes | TLS or AUTH not now (RFC 3207, RFC 4954 section 6) |
 *  | 450 | later | no | mailbox busy; what greylisting answers (RFC 6647) |
 *  | 451, 452, other 4yz | later | only with 4.3.x or 4.4.x | without those it may be about this mail alone: see below |
 *  | 530, 534, 535, 538 | later | yes | we are not let in (RFC 4954 section 6) |
 *  | 500, 502, 503, 504, 521 | later | yes | the server does not speak with us (RFC 5321, RFC 7504) |
 *  | 501, 550, 551, 552, 553, 554, 555, 556, other 5yz | refused | no | this recipient or this message |
 *
 *  Enhanced codes that turn a 5yz into the provider's fault: 5.1.7 and 5.1.8 (our sender
 *  address), 5.3.x but 5.3.4 (its system; 5.3.4 is a message too big), 5.5.x but 5.5.3
 *  (we speak wrongly), and of 5.7.x those about us rather than about the message: 5.7.3,
 *  5.7.8 to 5.7.14 (authentication, encryption, account; RFC 4954, 5248). 5.7.0 and
 *  5.7.1, "refused by policy", stay refusals: else the spam of one tenant would open the
 *  breaker for all. And 5.1.x but those, 5.2.x and 5.4.x are the recipient's, whatever the code.
 *
 *  A bare 451 or 452 is what servers say of one mailbox, one domain or one greylisted
 *  sender as often as of themselves. Five such recipients must not stop the mail of all, so
 *  it takes 4.3.x (mail system) or 4.4.x (network) to make it the provider's fault.
 */
#ifndef NM_SMTP_REPLY_H
#define NM_SMTP_REPLY_H

#include "actors/providers/provider.h"

//  Sets outcome and counts. text is the reply's line, with or without its code.
void nm_smtp_reply_classify(unsigned code, nm_bytes_t text, nm_verdict_t *verdict);

#endif
