/* SPDX-License-Identifier: MIT */
#include "base/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The number after `key` in a file of lines "key number", in bytes of `unit`. */
static int read_key(uint64_t *out, const char *path, const char *key, uint64_t unit)
{
    char line[256];
    FILE *f = fopen(path, "re");
    int found = 0;
    *out = 0;
    while (f && !found && fgets(line, sizeof line, f)) {
        size_t n = strlen(key);
        found = strncmp(line, key, n) == 0 && sscanf(line + n, "%" SCNu64, out) == 1;
    }
    if (f)
        fclose(f);
    *out *= unit;
    return found;
}

/* Folder of this process's control group; 0: there is none of version 2. */
static int group_folder(char *path, size_t n)
{
    char line[512];
    FILE *f = fopen("/proc/self/cgroup", "re");
    int found = 0;
    while (f && !found && fgets(line, sizeof line, f))
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = 0;
            found = snprintf(path, n, "/sys/fs/cgroup%s", line + 3) < (int)n;
        }
    if (f)
        fclose(f);
    return found;
}

/* What a group's limit leaves; pages of files could be dropped, such as those of a mapped model
 * that was used before. */
static uint64_t left_in(const char *folder)
{
    char path[700];
    uint64_t limit, used, old, young;
    snprintf(path, sizeof path, "%s/memory.max", folder);
    if (!read_key(&limit, path, "", 1)) /* "max": no limit */
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s/memory.current", folder);
    if (!read_key(&used, path, "", 1))
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    (void)read_key(&old, path, "inactive_file ", 1);
    (void)read_key(&young, path, "active_file ", 1);
    used -= old + young < used ? old + young : used;
    return limit > used ? limit - used : 0;
}

/* The least of the group and those that it is in. */
static uint64_t group_left(void)
{
    char folder[600];
    uint64_t least = UINT64_MAX;
    if (!group_folder(folder, sizeof folder))
        return UINT64_MAX;
    for (char *end; (end = strrchr(folder, '/')) > folder + strlen("/sys/fs"); *end = 0) {
        uint64_t left = left_in(folder);
        least = left < least ? left : least;
    }
    return least;
}

uint64_t memory_available(void)
{
    uint64_t machine, group = group_left();
    if (!read_key(&machine, "/proc/meminfo", "MemAvailable:", 1024))
        return group;
    return machine < group ? machine : group;
}
