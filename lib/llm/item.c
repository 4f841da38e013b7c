/* SPDX-License-Identifier: MIT */
#include "llm/item.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>

void item_list_init(struct item_list *l)
{
    *l = (struct item_list){.tail = &l->head};
}

void item_push_back(struct item_list *l, struct item *i)
{
    i->next = NULL;
    *l->tail = i;
    l->tail = &i->next;
    l->n++;
}

void item_push_front(struct item_list *l, struct item *i)
{
    i->next = l->head;
    if (!l->head)
        l->tail = &i->next;
    l->head = i;
    l->n++;
}

struct item *item_pop(struct item_list *l)
{
    struct item *i = l->head;
    l->head = i->next;
    if (!l->head)
        l->tail = &l->head;
    l->n--;
    return i;
}

void item_free(struct item *i)
{
    buf_release(&i->body);
    free(i);
}

void item_free_all(struct item_list *l)
{
    while (l->n > 0)
        item_free(item_pop(l));
}

static char *put(char **at, const void *p, size_t n)
{
    char *to = *at;
    if (!p)
        return NULL;
    memcpy(to, p, n);
    *at += n;
    return to;
}

static size_t size_of(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

struct item *item_new(const struct service_request *r)
{
    const char *from[] = {r->system, r->user, r->schema, r->schema_name,
                          r->image_type ? r->image_type : "image/jpeg"};
    size_t bytes = r->image ? r->image_bytes : 0;
    for (size_t i = 0; i < ARRAY_LEN(from); i++)
        bytes += size_of(from[i]);
    struct item *i = xmalloc(sizeof *i + bytes);
    char *at = i->data;
    *i = (struct item){.r = *r};
    const char **to[] = {&i->r.system, &i->r.user, &i->r.schema, &i->r.schema_name,
                         &i->r.image_type};
    for (size_t k = 0; k < ARRAY_LEN(from); k++)
        *to[k] = put(&at, from[k], size_of(from[k]));
    i->r.image = put(&at, r->image, r->image_bytes);
    return i;
}
