/* SPDX-License-Identifier: MIT */
#include "model/encoder.h"
#include "base/util.h"
#include "image/descriptor.h"
#include "model/hashtext.h"
#include <string.h>

static int hash_text(float *v, const char *text, size_t n, struct err *e)
{
    (void)e;
    hashtext_of(v, text, n);
    return 0;
}

static int describe_image(float *v, const struct image *img, struct err *e)
{
    (void)e;
    descriptor_of(v, img);
    return 0;
}

/* Best first. */
static const struct encoder table[] = {
    {ENCODER_TEXT, "hash", HASHTEXT_VERSION, HASHTEXT_DIM,
     "hashed words and n-grams, no network, stands in for MiniLM", hash_text, NULL},
    {ENCODER_IMAGE, "descriptor", DESCRIPTOR_VERSION, DESCRIPTOR_DIM,
     "colour and gradient descriptor, no network, stands in for ResNet-50", NULL,
     describe_image},
};

const struct encoder *encoder_choose(enum encoder_kind kind, const char *name,
                                     const char **note, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].kind == kind &&
            (strcmp(name, "auto") == 0 || strcmp(name, table[i].name) == 0)) {
            *note = table[i].what;
            return &table[i];
        }
    err_set(e, "%s=%s: not available in this build; auto or %s is",
            kind == ENCODER_TEXT ? "TEXT_ENCODER" : "IMAGE_ENCODER", name,
            kind == ENCODER_TEXT ? "hash" : "descriptor");
    return NULL;
}
