/*  gossip_private - what is known of each name, shared by gossip.c, which takes it in, and gossip_exchange.c, which
 *  tells it to others.
 */
#ifndef NM_GOSSIP_PRIVATE_H
#define NM_GOSSIP_PRIVATE_H

#include "broker/gossip.h"

enum { NM_GOSSIP_SENSE_SIZE = 16, NM_GOSSIP_SIGNATURE_SIZE = 64 };

//  One name. The member itself stays packed: a thousand of them are to be small.
typedef struct {
    uint8_t hash[NM_DIGEST_HASH_SIZE];
    uint8_t sense[NM_GOSSIP_SENSE_SIZE];  //  Hash of all that it says but the times
    char name[NM_NAME_MAX + 1];
    int64_t stamp_ms;
    int64_t hold_ms;   //  For how long it holds
    int64_t heard_ms;  //  When its stamp last grew (monotonic)
    nm_life_t life;
    bool untold;  //  News that nobody was told yet
    bool given;   //  Handed over to be saved, and not known to be on disk
    bool unsaved;
    bool own;
    size_t body_size;
    uint8_t raw[];  //  Signature, then body
} nm_gossip_entry_t;

struct nm_gossip {
    uint8_t authority[NM_SIGN_PUBLIC_SIZE];
    size_t member_max;
    nm_checks_t checks;
    nm_statements_t *statements;
    nm_gossip_entry_t **entries;  //  By rising hash
    size_t count;
    size_t size;
    size_t untold;
    size_t unsaved;
    size_t next;  //  Where the next answer begins
    char own[NM_NAME_MAX + 1];
    int64_t own_ms;    //  Stamp of our last word
    int64_t floor_ms;  //  A word of ours that others hold
};

//  The first place whose hash is not below; and what stands at that place, if it is of that hash, else NULL.
size_t nm_gossip_place(const nm_gossip_t *self, const uint8_t hash[NM_DIGEST_HASH_SIZE]);
nm_gossip_entry_t *nm_gossip_entry_at(const nm_gossip_t *self, size_t at, const uint8_t hash[NM_DIGEST_HASH_SIZE]);

nm_gossip_entry_t *nm_gossip_entry(const nm_gossip_t *self, const char *name);  //  NULL: nothing is known of it

//  The member as it came; a view.
nm_signed_t nm_gossip_signed(const nm_gossip_entry_t *entry);

#endif
