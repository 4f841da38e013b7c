/* SPDX-License-Identifier: MIT */
#include "nn/blas.h"
#include <cblas.h>
#include <stdio.h>

void blas_single_thread(void)
{
    openblas_set_num_threads(1);
}

const char *blas_name(void)
{
    static char name[256];
    snprintf(name, sizeof name, "%s %s", openblas_get_config(), openblas_get_corename());
    return name;
}
