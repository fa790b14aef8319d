/*  directory_private - the directory's insides, shared by directory.c, directory_files.c, directory_words.c and
 *  directory_own.c.
 */
#ifndef NM_DIRECTORY_PRIVATE_H
#define NM_DIRECTORY_PRIVATE_H

#include "broker/directory.h"
#include "broker/names.h"

#include <sys/types.h>
#include <time.h>

//  A peer, and the certificates that its own words brought. It begins with what others see.
typedef struct {
    nm_peer_t peer;
    nm_cert_t said;    //  Of what it said last; without name if it said nothing, or that is dead
    nm_cert_t before;  //  The one before, while links still go by it
    int64_t since_ms;  //  When the latest of its certificates begins, also of those that have ended
} nm_directory_member_t;

//  One file of certs/ as it was read. A file that did not change is not read or verified again.
typedef struct {
    char file[256];
    struct timespec changed_at;
    ino_t inode;
    off_t size;
    bool good;  //  Read, and signed by the authority
    nm_cert_t cert;
    bool missing;                   //  Good, but nobody of that name is known: looked at again when one comes
    nm_directory_member_t *member;  //  Whose it is; NULL if not good
} nm_directory_file_t;

//  A key that is let in, and whose it is.
typedef struct {
    const nm_cert_t *cert;
    nm_directory_member_t *member;
} nm_directory_key_t;

//  What this actor says of itself.
typedef struct {
    nm_directory_own_t as;
    nm_cert_t cert;  //  With secret
    uint8_t secret[NM_SIGN_SECRET_SIZE];
    bool speaks;
    bool draining;
    bool leaving;
    int64_t beat_at_ms;  //  Monotonic
} nm_directory_speaker_t;

struct nm_directory {
    const nm_mesh_t *mesh;
    char folder[NM_MESH_PATH_MAX + 16];  //  certs/
    struct timespec folder_changed_at;
    int64_t looked_ms;                //  When the folder was looked at last; 0 is never
    nm_directory_member_t **members;  //  The roster in its order, then others as they come
    size_t member_count;
    nm_names_t names;  //  Of members, by their places
    size_t operator_count;
    nm_directory_file_t *files;
    size_t file_count;
    nm_directory_key_t *keys;  //  By rising key
    size_t key_count;
    int64_t until_ms;  //  When the first of the certificates that are in use ends (wall clock)
    uint64_t version;
    nm_gossip_t *gossip;
    int64_t beat_ms;
    int64_t expiry_ms;
    nm_directory_speaker_t own;
};

//  directory.c: peers and keys
nm_directory_member_t *nm_directory_find_member(const nm_directory_t *self, const char *name);
nm_directory_member_t *nm_directory_add_member(nm_directory_t *self, const char *name, nm_role_id_t role);

//  Whose certificate is it? NULL and a sentence if nobody's who may be here.
nm_directory_member_t *nm_directory_member_of(nm_directory_t *self, const nm_cert_t *cert, nm_error_t *error);

//  Remembers since when there is a certificate like this one of the member; without name it is none.
void nm_directory_note(nm_directory_member_t *member, const nm_cert_t *cert);

//  Is it gone for good, and nobody came after it? stated: what was said of its name last, unchanged if nothing was.
bool nm_directory_is_lost(const nm_directory_t *self, const nm_directory_member_t *member, nm_stated_t *stated);

//  Takes all certificates together: who is let in, and by which a peer goes. A new version.
void nm_directory_index(nm_directory_t *self, int64_t now_ms);

//  directory_files.c: certs/
enum { NM_DIRECTORY_READ_PAUSE_MS = 1000 };  //  Least time between two looks at the folder
nm_rc_t nm_directory_read(nm_directory_t *self, int64_t now_ms, nm_error_t *error);
void nm_directory_look(nm_directory_t *self, int64_t now_ms);                        //  Reads if the folder has changed
void nm_directory_match_files(nm_directory_t *self, nm_directory_member_t *member);  //  One that has just come

//  directory_words.c: what was said. The peer follows it; NULL if it may not be, and the log says why.
nm_directory_member_t *nm_directory_follow(nm_directory_t *self, const char *name);

#endif
