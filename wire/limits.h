/*  limits - how big anything from outside may be, and why.
 *
 *  Every length that arrives is compared with one of these before it is believed.
 *  Sizes are bytes unless the name says otherwise. The public ones are promised in
 *  the API documentation; the inner ones follow from them.
 */
#ifndef NM_LIMITS_H
#define NM_LIMITS_H

enum {
    //  Frames. A frame is read only up to NM_FRAME_MAX, which holds one batch of
    //  1,000 small asks or one notification with attachments.
    NM_FRAME_MAX = 12 * 1024 * 1024,
    NM_DOOR_FRAME_MAX = 12 * 1024 * 1024,
    NM_MAIL_BATCH_SIZE = 256 * 1024,  //  Mail is packed into frames of about this size
    NM_MAIL_BATCH_COUNT = 512,        //  ... and at most so many items
    NM_ASK_BATCH_COUNT = 1000,        //  Asks in one frame
    NM_DEPTH_MAX = 16,                //  Nesting of arrays and maps
    NM_MAP_DEPTH_MAX = 8,             //  ... in a client's own object: it is given back inside lists inside frames
    NM_NODE_MAX = 200000,             //  Values in one frame, all levels together
    NM_PAGE_NODE_MAX = 150000,        //  ... in a page of a list, which ends with the item that comes to so many
    NM_BATCH_FAULT_COUNT = 10000,     //  Faults named in the answer to one batch

    //  Custody. What one sender may have on the way to one receiver.
    NM_CREDIT_COUNT = 1024,
    NM_CREDIT_SIZE = 4 * 1024 * 1024,
    NM_SPAN_MAX = 64,  //  Ranges above a watermark

    //  A notification, as API.md promises.
    NM_BODY_MAX = 1024 * 1024,
    NM_BODY_BATCH_MAX = 10 * 1024 * 1024,
    NM_SUBJECT_MAX = 998,
    NM_CONTENT_MAX = 256 * 1024,
    NM_HTML_MAX = 512 * 1024,
    NM_SMS_MAX = 1600,  //  Characters
    NM_VARIABLES_MAX = 64 * 1024,
    NM_METADATA_MAX = 4 * 1024,
    NM_ATTACHMENTS_MAX = 7 * 1024 * 1024,  //  Before base64; with it, the 10 MiB of a body
    NM_ATTACHMENT_COUNT = 20,
    NM_SPREAD_MAX = 64 * 1024 * 1024,  //  Size times recipients: what one notification may become
    NM_REACH_MAX = 200,                //  Users in one question about where they are reached
    NM_COPIES_MAX = 50,                //  cc and bcc together
    NM_HEADER_COUNT = 20,              //  Own headers
    NM_HEADER_VALUE_MAX = 998,         //  RFC 5322 section 2.1.1
    NM_ADDRESS_MAX = 320,              //  64 of a local part, @, 255 of a domain
    NM_TOKEN_MAX = 4096,               //  Device tokens, Web Push end points
    NM_URL_MAX = 2048,
    NM_LINE_MAX = 998,     //  One item of a list of lines
    NM_CODE_MAX = 128,     //  Template codes, tags, reasons
    NM_DETAIL_MAX = 1024,  //  A provider's own words, cut to this
    NM_CORRELATION_MAX = 128,
    NM_IDEMPOTENCY_MAX = 255,
    NM_BATCH_COUNT = 1000,       //  Notifications in one batch
    NM_BROADCAST_COUNT = 10000,  //  Users in one broadcast
    NM_LIST_MAX = 200,           //  Items in one page
    NM_LIST_USUAL = 50,          //  ... if the asker names no limit
    NM_CURSOR_MAX = 128,
    NM_STREAM_CURSOR_MAX = 4096,  //  Of events of all gateways
    NM_REF_MAX = 64,              //  What should be an id
    NM_REPLAY_RATE_MAX = 1000,    //  Dead letters sent again in a second
    NM_DEDUPE_MAX = 86400,        //  dedupe_seconds
    NM_ATTEMPT_COUNT = 64,        //  Attempts kept of one delivery
    NM_TIMELINE_COUNT = 200,      //  Timeline entries kept of one notification
    NM_FAULT_COUNT = 64,          //  Faults named in one answer

    //  A provider.
    NM_PROVIDER_PRIORITY_MAX = 1000000,
    NM_PROVIDER_CONFIG_MAX = 32768,
    NM_PROVIDER_SERVICE_MAX = 100,

    //  Books, as copies of them are asked for. Between actors only.
    NM_BOOK_WORD_MAX = 31,        //  Name of a book
    NM_BOOK_ENTRY_KEY_MAX = 128,  //  Key of an entry
    NM_BOOK_ENTRY_SIZE = 65536,   //  Value of an entry
    NM_BOOK_TERM_COUNT = 64,
    NM_BOOK_ITEM_COUNT = 500,        //  Items in a page
    NM_BOOK_PAGE_SIZE = 256 * 1024,  //  ... which ends when it is about so large
};

#endif
