/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/util.h"
#include "source/source_detect.h"
#include "tap.h"
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/mm_test_detect.XXXXXX";

static const char *put(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path); /* truncating a file makes some file systems flush it */
    FILE *f = fopen(path, "wb");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        die("cannot write %s", path);
    return path;
}

static void empty_dir(void)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.' && unlink(path) != 0)
            rmdir(path);
    }
    closedir(d);
}

#define FILTER                                                                           \
    "{\"train\": [{\"business_id\": \"b\", \"user_id\": \"u\", \"rating\": 4, "          \
    "\"review_text\": "                                                                  \
    "\"t\", \"pics\": [], \"history_reviews\": []}], \"val\": [], \"test\": []}"
#define FULL                                                                             \
    "{\"business_id\": \"b\", \"user_id\": \"u\", \"rating\": 4, \"review_text\": "      \
    "\"t\", "                                                                            \
    "\"pics\": [{\"id\": \"p\"}]}\n"

/* "name:format:what*" of the files found, then "name?why" of the others. */
static void detect(const char *format, const char *want, int want_photos,
                   const char *name)
{
    struct source_set set;
    struct err e = {{0}};
    struct buf b = {0};
    const char *paths[] = {dir};
    int rc = source_detect(&set, paths, 1, format, NULL, &e);
    for (int i = 0; i < set.n_files && rc == 0; i++)
        buf_addf(&b, "%s:%s%s ", strrchr(set.file[i].file.path, '/') + 1,
                 set.file[i].file.format, set.file[i].file.labelled ? "*" : "");
    for (int i = 0; i < set.n_ignored && rc == 0; i++)
        buf_addf(&b, "%s?%s ", strrchr(set.ignored[i].path, '/') + 1, set.ignored[i].why);
    if (rc < 0)
        buf_adds(&b, strchr(e.text, ':') + 2);
    is(buf_str(&b), want, name);
    ok(set.n_photos == want_photos, "%d photos seen", set.n_photos);
    source_set_release(&set);
    buf_release(&b);
    empty_dir();
}

static void test_detection(void)
{
    char sub[300];
    empty_dir();
    put("z.json", FILTER);
    put("a.json", FULL);
    put("list.tsv", "p\tx.jpg\nq\t\n");
    put("notes.txt", "hello\nworld\n");
    put("photo.dat", "\xff\xd8\xff\xe0-----------------");
    put(".hidden", "user,item,rating,text\n");
    put("other.csv", "user,item,rating,text\n1,2,3,x\n");
    snprintf(sub, sizeof sub, "%s/sub", dir);
    mkdir(sub, 0700);
    detect("auto",
           "z.json:google-restaurants* a.json:google-restaurants list.tsv:manifest "
           "notes.txt?no reviews; its columns: hello sub?is a folder, not a file "
           "other.csv?a table of reviews beside Google Restaurants: another data set ",
           1, "google restaurants, both files");
    put("a.json", FULL);
    detect(NULL, "a.json:google-restaurants* ", 0, "the second file alone has labels");
    put("r.csv", "user,item,rating,text\n1,2,3,x\n");
    put("r.csv.gz", "anything");
    put("m.csv", "name,cuisines\nx,y\n");
    detect("auto", "m.csv:table r.csv:table* r.csv.gz?packed copy of the file beside it ",
           0, "tables of reviews and businesses");
    put("photos.json", "{\"photo_id\":\"p\",\"business_id\":\"b\",\"caption\":\"\","
                       "\"label\":\"inside\"}\n");
    put("old.json", "{u'a': 1}\n");
    put("utf16.csv", "\xff\xfeu");
    put("zip.dat", "PK\x03\x04....");
    put("empty", "");
    detect("auto",
           "no reviews found; seen: empty (empty file), old.json (Python literals "
           "instead of JSON: "
           "not supported yet), photos.json (Yelp photos: format yelp is not supported "
           "yet), "
           "utf16.csv (UTF-16 text; save it as UTF-8), zip.dat (is a zip archive; unpack "
           "it first "
           "(only gzip is read))",
           0, "nothing known: the error names what was seen");
    put("r.csv", "user,item,rating\n1,2,3\n");
    detect("auto",
           "no reviews found; seen: r.csv (no reviews; its columns: user, item, rating)",
           0, "ratings without text are no reviews");
    put("r.csv", "user,item,rating\n1,2,3\n");
    detect("table", "r.csv:table* ", 0, "but for one who names the format");
    put("r.csv", "user,item,rating,text\n1,2,3,x\n");
    detect("google-restaurants",
           "no reviews found; seen: r.csv (no reviews; its columns: user, item, rating, "
           "text)",
           0, "a named format takes nothing else");
    detect("auto", "no reviews found; seen: nothing", 0, "empty folder");
}

static void refused(const char *path, const char *format, const char *columns,
                    const char *word)
{
    struct source_set set;
    struct source_options o = {.columns = columns};
    struct err e = {{0}};
    int rc = source_detect(&set, &path, 1, format, &o, &e);
    ok(rc < 0 && strstr(e.text, word), "refused: %s", e.text);
    source_set_release(&set);
}

static void test_refusals(void)
{
    refused("/nonexistent", "auto", NULL, "No such file");
    refused(put("x.txt", "hello\n"), "auto", NULL, "no reviews; its columns: hello");
    refused(put("x.csv", "user,item,rating,text\n"), "auto", "user=Who",
            "no column 'Who'");
    refused(dir, "yelp", NULL, "not supported yet");
    refused(dir, "excel", NULL, "not known");
    empty_dir();
}

int main(void)
{
    if (!mkdtemp(dir))
        die("mkdtemp");
    test_detection();
    test_refusals();
    empty_dir();
    rmdir(dir);
    return done();
}
