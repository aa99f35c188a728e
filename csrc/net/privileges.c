/*
 * privileges - who this process is, and becoming somebody lesser for good;
 * see privileges.h
 */
#ifdef __APPLE__
#define _DARWIN_C_SOURCE
#else
#define _GNU_SOURCE /* setgroups, initgroups, getgrouplist */
#endif
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "privileges.h"

#ifdef __APPLE__
typedef int listed; /* what getgrouplist lists */
#else
typedef gid_t listed;
#endif

enum { GROUPS_MOST = 1024 };

struct identity {
    const char *name; /* for initgroups; NULL: a number that has no name */
    uid_t user;
    gid_t group;
};

static int privileges_fail(const char *what, char *text)
{
    (void)snprintf(text, SOCK_TEXT, "%s: %s", what, strerror(errno));
    return ERR_SYSTEM;
}

static int privileges_unknown(const char *what, const char *name, char *text)
{
    (void)snprintf(text, SOCK_TEXT, "there is no %s '%.100s'", what, name);
    return ERR_SYSTEM;
}

static bool number_of(const char *word, long *number)
{
    char *end;
    errno = 0;
    *number = strtol(word, &end, 10);
    return *word >= '0' && *word <= '9' && *end == '\0' && errno == 0 &&
           *number < 0x7fffffff;
}

static int find_user(struct identity *who, const char *user, char *text)
{
    long number;
    const struct passwd *entry = getpwnam(user);
    if (!entry && number_of(user, &number)) {
        entry = getpwuid((uid_t)number);
        who->user = (uid_t)number;
        who->group = (gid_t)number;
    } else if (!entry) {
        return privileges_unknown("user", user, text);
    }
    if (entry) {
        who->name = entry->pw_name;
        who->user = entry->pw_uid;
        who->group = entry->pw_gid;
    }
    return 0;
}

static int find_group(struct identity *who, const char *group, char *text)
{
    long number;
    const struct group *entry = getgrnam(group);
    if (entry)
        who->group = entry->gr_gid;
    else if (number_of(group, &number))
        who->group = (gid_t)number;
    else
        return privileges_unknown("group", group, text);
    return 0;
}

/* Groups first: who is no longer root cannot change them. */
static int take_on(const struct identity *who, char *text)
{
    int r = who->name ? initgroups(who->name, who->group)
                      : setgroups(1, &who->group);
    if (r != 0)
        return privileges_fail("cannot take the user's groups", text);
    if (setgid(who->group) != 0)
        return privileges_fail("cannot take the group", text);
    if (setuid(who->user) != 0)
        return privileges_fail("cannot become the user", text);
    return 0;
}

/* True when nothing of root is left: not now, and not for the asking. */
static bool is_lesser(const struct identity *who)
{
    if (getuid() != who->user || geteuid() != who->user ||
        getgid() != who->group || getegid() != who->group)
        return false;
    return who->user == 0 || (setuid(0) != 0 && seteuid(0) != 0);
}

/* The user's own groups, as initgroups would set them; less than 0: they are
   too many. */
static int own_groups(const struct identity *who, listed own[GROUPS_MOST])
{
    int n = GROUPS_MOST;
    own[0] = (listed)who->group;
    if (!who->name)
        return 1;
    return getgrouplist(who->name, (listed)who->group, own, &n) < 0 ? -1 : n;
}

static bool among(gid_t group, const listed *own, int n)
{
    for (int i = 0; i < n; i++)
        if ((gid_t)own[i] == group)
            return true;
    return false;
}

/* Adds " 4" for each group that is left, as far as there is room. */
static void add_group(char list[SOCK_TEXT / 2], gid_t group)
{
    size_t n = strlen(list);
    (void)snprintf(list + n, SOCK_TEXT / 2 - n, " %lu", (unsigned long)group);
}

/* Who is no longer root cannot drop groups: those of somebody else that are
   left are an error. */
static int keeps_own(const struct identity *who, const char *user, char *text)
{
    gid_t groups[GROUPS_MOST];
    listed own[GROUPS_MOST];
    char left[SOCK_TEXT / 2] = "";
    int n = getgroups(GROUPS_MOST, groups), most = own_groups(who, own);
    if (n < 0)
        return privileges_fail("groups", text);
    for (int i = 0; i < n; i++)
        if (!among(groups[i], own, most))
            add_group(left, groups[i]);
    if (!*left)
        return 0;
    (void)snprintf(text, SOCK_TEXT,
                   "groups that are not those of '%.40s' are left:%s; start "
                   "as root, or drop them before",
                   user, left);
    return ERR_SYSTEM;
}

/* Already that user, with nothing else at hand: what is_lesser tries gives
   root back to whom it was left, who then drops it as root does. */
static bool is_already(const struct identity *who)
{
    return geteuid() != 0 && is_lesser(who);
}

int privileges_become(const char *user, const char *group, char text[SOCK_TEXT])
{
    struct identity who = {0};
    int err = find_user(&who, user, text);
    if (err == 0 && group)
        err = find_group(&who, group, text);
    if (err < 0)
        return err;
    if (is_already(&who))
        return keeps_own(&who, user, text);
    if (geteuid() != 0) {
        (void)snprintf(text, SOCK_TEXT, "only root can become '%.100s'", user);
        return ERR_SYSTEM;
    }
    err = take_on(&who, text);
    if (err == 0 && !is_lesser(&who)) {
        (void)snprintf(text, SOCK_TEXT, "root's privileges cannot be given up");
        err = ERR_SYSTEM;
    }
    return err;
}

int privileges_now(struct privileges *p, char text[SOCK_TEXT])
{
    gid_t groups[PRIVILEGES_GROUPS];
    int n = getgroups(PRIVILEGES_GROUPS, groups);
    if (n < 0)
        return privileges_fail("groups", text);
    p->user = (long)geteuid();
    p->group = (long)getegid();
    p->ngroups = (size_t)n;
    for (int i = 0; i < n; i++)
        p->groups[i] = (long)groups[i];
    return 0;
}
