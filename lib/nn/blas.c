/* SPDX-License-Identifier: MIT */
#include "nn/blas.h"
#include <cblas.h>
#include <stdio.h>
#include <string.h>

void blas_single_thread(void)
{
    openblas_set_num_threads(1);
}

const char *blas_name(void)
{
    static char name[96]; /* the same bytes whoever writes them */
    const char *config = openblas_get_config(); /* name, version, then build options */
    size_t n = strcspn(config, " ");
    n += config[n] ? 1 + strcspn(config + n + 1, " ") : 0;
    snprintf(name, sizeof name, "%.*s %s", (int)n, config, openblas_get_corename());
    return name;
}
