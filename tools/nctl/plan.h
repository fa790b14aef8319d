/*  plan - what a new mesh is to look like, and its mesh file.
 *
 *  Pure but for one question to the system: which ports are free.
 */
#ifndef NM_PLAN_H
#define NM_PLAN_H

#include "nm.h"
#include "broker/roles.h"

enum { NM_PLAN_PROVIDER_MAX = 16 };

typedef struct {
    char host[128];
    unsigned port;
    char tls[16];    //  none, starttls, tls
    char user[128];  //  Empty: no authentication
    char password_file[512];
    char from[256];        //  Empty: nmesh@ the mesh's domain
    unsigned connections;  //  0: the driver's default
} nm_plan_smtp_t;

typedef struct {
    const char *name;
    const char *host;  //  Address of the end points
    const char *domain;
    unsigned base_port;  //  End points take ports from here on, one after the other
    unsigned gateway_count;
    unsigned router_count;
    unsigned email_count;
    const char *http_host;                       //  Where a bridge listens for HTTP; NULL: no bridge
    unsigned http_port;                          //  0: the port after those of the end points
    char authority[65];                          //  Hex
    char admin_key_hash[65];                     //  Hex
    nm_plan_smtp_t smtps[NM_PLAN_PROVIDER_MAX];  //  None: a maildir
    size_t smtp_count;
} nm_plan_t;

//  "HOST:PORT[,tls=none|starttls|tls][,user=U][,password-file=F][,from=A][,connections=N]"
nm_rc_t nm_plan_smtp(const char *text, nm_plan_smtp_t *smtp, nm_error_t *error);

//  "ADDRESS:PORT", or "none"; an IPv6 address in brackets. room: where the address is kept.
nm_rc_t nm_plan_http(const char *text, nm_plan_t *self, char room[128], nm_error_t *error);

unsigned nm_plan_port_count(const nm_plan_t *self);

//  The first of a run of free ports, below those that the system gives to connections.
nm_rc_t nm_plan_free_ports(const char *host, unsigned count, unsigned *base, nm_error_t *error);

//  Finds a run of free ports below those that the system gives to connections.
nm_rc_t nm_plan_find_ports(nm_plan_t *self, nm_error_t *error);

//  The mesh file.
void nm_plan_write(const nm_plan_t *self, nm_buf_t *out);

//  Calls fn for each actor in the order of the mesh file.
typedef nm_rc_t(nm_plan_fn)(void *arg, const char *name, nm_role_id_t role, unsigned number);
nm_rc_t nm_plan_each(const nm_plan_t *self, nm_plan_fn *fn, void *arg);

#endif
