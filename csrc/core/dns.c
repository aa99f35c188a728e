/*
 * dns - the answer of a name server, record by record; see dns.h
 */
#include "dns.h"

#include "ascii.h"

enum {
    NAME_OCTETS = 255, /* of a name on the wire, RFC 1035 2.3.4 */
    POINTERS = 64,     /* in a name: more are there to cost time */
    ALIASES = 16,      /* more are a loop */
    RECORDS = 1024,    /* more answer nobody's question */
    CLASS_INTERNET = 1,
    FLAG_RESPONSE = 0x80, /* of the header's octet 2 */
    FLAG_SECURE = 0x20,   /* of its octet 3 */
    CODE_MASK = 0x0f,
};

struct field {
    unsigned type, class, ttl;
    struct span data;
    size_t data_at;
};

static unsigned get8(struct span s, size_t at)
{
    return (unsigned char)s.p[at];
}

static unsigned get16(struct span s, size_t at)
{
    return get8(s, at) << 8 | get8(s, at + 1);
}

static bool has(struct span s, size_t at, size_t n)
{
    return at <= s.n && n <= s.n - at;
}

static bool plain(char c)
{
    return ascii_is(c, ASCII_LETDIG) || c == '-' || c == '_';
}

/* Room for a whole name in the worst case: every octet as \DDD. */
static size_t label_text(char *to, const char *label, size_t n)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)label[i];
        if (plain(label[i])) {
            to[length++] = label[i];
            continue;
        }
        to[length++] = '\\';
        to[length++] = (char)('0' + c / 100);
        to[length++] = (char)('0' + c / 10 % 10);
        to[length++] = (char)('0' + c % 10);
    }
    return length;
}

/* A place in a name that is being read. */
struct place {
    size_t here;
    size_t start;  /* a pointer must go to before it */
    size_t behind; /* the name, once a pointer was followed; else 0 */
    unsigned pointers;
};

static int pointer_follow(struct span s, struct place *p)
{
    if (!has(s, p->here, 2))
        return ERR_SYNTAX;
    size_t target = get16(s, p->here) & 0x3fff;
    if (target >= p->start || ++p->pointers > POINTERS)
        return ERR_SYNTAX;
    if (!p->behind)
        p->behind = p->here + 2;
    p->here = p->start = target;
    return 0;
}

/* The name at *at as text, and *at behind it. */
static int name_read(struct span s, size_t *at, char text[DNS_NAME])
{
    struct place p = {*at, *at, 0, 0};
    size_t octets = 0, n = 0, size;
    do {
        if (!has(s, p.here, 1))
            return ERR_SYNTAX;
        size = get8(s, p.here);
        if (size >= 0xc0) {
            if (pointer_follow(s, &p) < 0)
                return ERR_SYNTAX;
            continue;
        }
        octets += size + 1;
        if (size > 63 || octets > NAME_OCTETS || !has(s, p.here, size + 1))
            return ERR_SYNTAX;
        if (size > 0 && n > 0)
            text[n++] = '.';
        n += label_text(text + n, s.p + p.here + 1, size);
        p.here += size + 1;
    } while (size > 0);
    text[n] = '\0';
    *at = p.behind ? p.behind : p.here;
    return 0;
}

/* A record's owner and fields at *at, and *at behind it. */
static int field_read(struct span s, size_t *at, char owner[DNS_NAME],
                      struct field *f)
{
    if (name_read(s, at, owner) < 0 || !has(s, *at, 10))
        return ERR_SYNTAX;
    f->type = get16(s, *at);
    f->class = get16(s, *at + 2);
    f->ttl = get16(s, *at + 4) << 16 | get16(s, *at + 6);
    size_t n = get16(s, *at + 8);
    *at += 10;
    if (!has(s, *at, n))
        return ERR_SYNTAX;
    f->data_at = *at;
    f->data = span_of(s.p + *at, n);
    *at += n;
    return 0;
}

static bool same_name(const char *a, const char *b)
{
    return span_ieq(span_from(a), span_from(b));
}

/* Where r->name is an alias: what for. 0: it is none. */
static int alias_step(struct dns_reader *r)
{
    char owner[DNS_NAME];
    size_t at = r->at;
    for (unsigned i = 0; i < r->left; i++) {
        struct field f;
        if (field_read(r->answer, &at, owner, &f) < 0)
            return ERR_SYNTAX;
        if (f.type != DNS_CNAME || f.class != CLASS_INTERNET ||
            !same_name(owner, r->name))
            continue;
        size_t target = f.data_at;
        return name_read(r->answer, &target, r->name) < 0 ? ERR_SYNTAX : 1;
    }
    return 0;
}

static int follow(struct dns_reader *r)
{
    for (int i = 0; i < ALIASES; i++) {
        int step = alias_step(r);
        if (step <= 0)
            return step;
    }
    return ERR_SYNTAX;
}

int dns_open(struct dns_reader *r, struct span answer)
{
    memset(r, 0, sizeof *r);
    r->answer = answer;
    if (answer.n < DNS_HEADER || !(get8(answer, 2) & FLAG_RESPONSE))
        return ERR_SYNTAX;
    r->code = get8(answer, 3) & CODE_MASK;
    r->secure = get8(answer, 3) & FLAG_SECURE;
    if (r->code != DNS_OK)
        return 0;
    r->at = DNS_HEADER;
    r->left = get16(answer, 6);
    if (r->left == 0)
        return 0;
    if (get16(answer, 4) != 1 || r->left > RECORDS ||
        name_read(answer, &r->at, r->name) < 0 || !has(answer, r->at, 4))
        return ERR_SYNTAX;
    r->type = get16(answer, r->at);
    r->at += 4;
    return r->type == DNS_CNAME ? 0 : follow(r);
}

/* A name that is all of a record's data behind `from` octets. */
static int host_read(const struct dns_reader *r, const struct field *f,
                     size_t from, struct dns_record *record)
{
    size_t at = f->data_at + from;
    if (f->data.n <= from || name_read(r->answer, &at, record->host) < 0)
        return ERR_SYNTAX;
    return at == f->data_at + f->data.n ? 1 : ERR_SYNTAX;
}

static int mx_read(const struct dns_reader *r, const struct field *f,
                   struct dns_record *record)
{
    if (f->data.n < 3)
        return ERR_SYNTAX;
    record->preference = get16(f->data, 0);
    return host_read(r, f, 2, record);
}

static int tlsa_read(const struct field *f, struct dns_record *record)
{
    if (f->data.n < 3)
        return ERR_SYNTAX;
    record->usage = get8(f->data, 0);
    record->selector = get8(f->data, 1);
    record->matching = get8(f->data, 2);
    record->data = span_of(f->data.p + 3, f->data.n - 3);
    return 1;
}

static int txt_read(const struct field *f, struct dns_record *record)
{
    size_t at = 0;
    while (at < f->data.n) {
        size_t n = get8(f->data, at) + 1;
        if (!has(f->data, at, n))
            return ERR_SYNTAX;
        at += n;
    }
    record->data = f->data;
    return 1;
}

static int address_read(const struct field *f, size_t octets,
                        struct dns_record *record)
{
    record->data = f->data;
    return f->data.n == octets ? 1 : ERR_SYNTAX;
}

static int record_read(const struct dns_reader *r, const struct field *f,
                       struct dns_record *record)
{
    record->ttl = f->ttl;
    switch (f->type) {
    case DNS_A:
        return address_read(f, 4, record);
    case DNS_AAAA:
        return address_read(f, 16, record);
    case DNS_MX:
        return mx_read(r, f, record);
    case DNS_TXT:
        return txt_read(f, record);
    case DNS_TLSA:
        return tlsa_read(f, record);
    case DNS_CNAME:
    case DNS_PTR:
        return host_read(r, f, 0, record);
    default:
        record->data = f->data;
        return 1;
    }
}

int dns_next(struct dns_reader *r, struct dns_record *record)
{
    char owner[DNS_NAME];
    memset(record, 0, sizeof *record);
    while (r->left > 0) {
        struct field f;
        if (field_read(r->answer, &r->at, owner, &f) < 0)
            return ERR_SYNTAX;
        r->left--;
        if (f.type == r->type && f.class == CLASS_INTERNET &&
            same_name(owner, r->name))
            return record_read(r, &f, record);
    }
    return 0;
}
