/*  members - the tables of what actors tell each other about who is on the mesh.
 *
 *  A member is what an actor says of itself. It travels signed: the packed member as opaque
 *  bytes and the Ed25519 signature over them, so whoever passes it on neither changes it nor
 *  packs it again. A statement is the word of the mesh's authority about an actor, in the same
 *  manner.
 */
#ifndef NM_MEMBERS_H
#define NM_MEMBERS_H

#include "wire/record.h"

enum {
    NM_MEMBER_MAX = 2048,  //  Bytes of a packed member
    NM_MEMBER_COUNT = 1024,
    NM_STATEMENT_MAX = 256,  //  Bytes of the text of a statement
    NM_STATEMENT_COUNT = 10000,
    NM_NEWS_COUNT = 128,        //  Members, and statements, in one frame
    NM_DIGEST_HASH_SIZE = 6,    //  First bytes of BLAKE2b of a member's name
    NM_DIGEST_ENTRY_SIZE = 12,  //  ... and its stamp in 6 bytes
    NM_BUCKET_COUNT = 64,       //  Statements are compared in so many heaps
    NM_BUCKET_SIZE = 8,
    NM_LOBBY_FRAME_MAX = 4096,
};

#define NM_CERTIFICATE_FIELDS(F, R)                                                 \
    F(R, 1, name, LINE, NM_NAME_MAX, MUST, NULL, "Of the actor")                    \
    F(R, 2, role, LINE, 16, MUST, NULL, "Its role")                                 \
    F(R, 3, serial, LINE, 32, MUST, NULL, "Hex")                                    \
    F(R, 4, not_before, TIME, 0, MUST, NULL, "Valid from")                          \
    F(R, 5, not_after, TIME, 0, MUST, NULL, "Valid until before")                   \
    F(R, 6, public_key, BIN, 32, MUST, NULL, "CURVE key of all its sockets")        \
    F(R, 7, sign_key, BIN, 32, MUST, NULL, "Ed25519 key under which it signs this") \
    F(R, 8, signature, BIN, 64, MUST, NULL, "Of the authority, over the text of §4")
NM_RECORD_DECLARE(certificate, NM_CERTIFICATE_FIELDS);

#define NM_MEMBER_FIELDS(F, R)                                                                  \
    F(R, 1, certificate, RECORD, 512, MUST, &nm_certificate_shape, "Who it is")                 \
    F(R, 2, stamp, TIME, 0, MUST, NULL, "When it said this: of two, the greater holds")         \
    F(R, 3, expires_at, TIME, 0, MUST, NULL, "Says no more by then: it is gone")                \
    F(R, 4, host, LINE, 64, MUST, NULL, "Machine that it runs on, a label")                     \
    F(R, 5, number, UINT, 65535, MAY, NULL, "Of a gateway: ids carry it")                       \
    F(R, 6, mailbox, LINE, 119, MUST, NULL, "End point")                                        \
    F(R, 7, desk, LINE, 119, MUST, NULL, "End point")                                           \
    F(R, 8, door, LINE, 119, MAY, NULL, "End point of a gateway")                               \
    F(R, 9, lobby, LINE, 119, MAY, NULL, "End point of a seed")                                 \
    F(R, 10, store, ID, 0, MUST, NULL, "Store id")                                              \
    F(R, 11, epoch, UINT, UINT32_MAX, MUST, NULL, "Epoch of the store")                         \
    F(R, 12, version, LINE, 32, MUST, NULL, "Of the software, for people")                      \
    F(R, 13, draining, BOOL, 0, MAY, NULL, "It takes no more work and leaves when it has none") \
    F(R, 14, leaving, BOOL, 0, MAY, NULL, "It was told to stop: its last word")
NM_RECORD_DECLARE(member, NM_MEMBER_FIELDS);

#define NM_SIGNED_FIELDS(F, R)                                         \
    F(R, 1, body, BIN, NM_MEMBER_MAX, MUST, NULL, "A packed `member`") \
    F(R, 2, signature, BIN, 64, MUST, NULL, "Over `nmesh-record-1`, a line break and the body")
NM_RECORD_DECLARE(signed, NM_SIGNED_FIELDS);

#define NM_STATEMENT_FIELDS(F, R)                                                \
    F(R, 1, text, STR, NM_STATEMENT_MAX, MUST, NULL, "What is stated, in lines") \
    F(R, 2, signature, BIN, 64, MUST, NULL, "Of the authority, over the text")
NM_RECORD_DECLARE(statement, NM_STATEMENT_FIELDS);

//  The body of the ask directory.sync: what the asker knows, in short.
#define NM_SYNC_FIELDS(F, R)                                                 \
    F(R, 1, digest, BIN, NM_MEMBER_COUNT *NM_DIGEST_ENTRY_SIZE, MUST, NULL,  \
      "Of each member, by rising hash: 6 bytes of hash of name, 6 of stamp") \
    F(R, 2, buckets, BIN, NM_BUCKET_COUNT *NM_BUCKET_SIZE, MUST, NULL, "Of each heap of statements: its hashes, xored")
NM_RECORD_DECLARE(sync, NM_SYNC_FIELDS);

//  The answer to it, and the body of directory.push and directory.publish.
#define NM_UPDATES_FIELDS(F, R)                                                                                    \
    F(R, 1, members, RECORDS, NM_NEWS_COUNT, MAY, &nm_signed_shape, "Members that the other does not have so new") \
    F(R, 2, statements, RECORDS, NM_NEWS_COUNT, MAY, &nm_statement_shape, "Statements")                            \
    F(R, 3, wanted, BIN, NM_MEMBER_COUNT *NM_DIGEST_HASH_SIZE, MAY, NULL, "Hashes of names of members to send")    \
    F(R, 4, buckets, BIN, NM_BUCKET_COUNT, MAY, NULL, "Numbers of the heaps of statements to send")                \
    F(R, 5, more, BOOL, 0, MAY, NULL, "There was more than fits: sync again")
NM_RECORD_DECLARE(updates, NM_UPDATES_FIELDS);

//  What a newcomer says at a lobby, and what it hears.
#define NM_KNOCK_FIELDS(F, R) F(R, 1, member, RECORD, NM_LOBBY_FRAME_MAX, MUST, &nm_signed_shape, "The newcomer's own")
NM_RECORD_DECLARE(knock, NM_KNOCK_FIELDS);

#define NM_WELCOME_FIELDS(F, R)                                                          \
    F(R, 1, status, UINT, 599, MUST, NULL, "200: it is in; 403: it is not")              \
    F(R, 2, detail, LINE, 300, MAY, NULL, "Why not")                                     \
    F(R, 3, member, RECORD, NM_LOBBY_FRAME_MAX, MAY, &nm_signed_shape, "The seed's own") \
    F(R, 4, statements, RECORDS, NM_NEWS_COUNT, MAY, &nm_statement_shape, "Statements")
NM_RECORD_DECLARE(welcome, NM_WELCOME_FIELDS);

#endif
