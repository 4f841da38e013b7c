/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/rng.h"
#include "base/util.h"
#include "source/columns.h"
#include "source/source_detect.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/mm_test_source.XXXXXX";

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

/* ---- a sink that writes everything down ---- */

struct seen {
    struct buf log; /* short lines: "R user>business 4 'text' ..." */
    long n[3], labelled, pics, timed, empty, reviews_of[4], history;
    long long text_bytes, at;
    double rating;
    long stop_after; /* records; 0: never */
    long rejects;
    struct source_stats stats;
    struct err e;
    int rc;
};

static void log_review(struct buf *b, const struct source_record *r)
{
    buf_addf(b, "R%lld %s>%s", (long long)r->line, r->user_key, r->business_key);
    if (r->has_rating)
        buf_addf(b, " %g", r->rating);
    buf_addf(b, "%s '%s'", r->labelled ? "*" : "", r->text);
    if (r->review_key)
        buf_addf(b, " id=%s", r->review_key);
    if (r->split)
        buf_addf(b, " %s", r->split);
    if (r->has_at)
        buf_addf(b, " @%lld", (long long)r->at);
    for (int i = 0; i < r->n_pics && i < 5; i++)
        buf_addf(b, " +%s", r->pics[i]);
    buf_adds(b, "\n");
}

static int take(void *ctx, const struct source_record *r)
{
    struct seen *s = ctx;
    s->n[r->what]++;
    s->labelled += r->labelled;
    s->pics += r->n_pics;
    s->timed += r->has_at;
    s->at += r->at;
    s->rating += r->rating;
    s->text_bytes += (long long)r->text_bytes;
    if (r->what == SOURCE_REVIEW) {
        s->empty += r->text_bytes == 0;
        s->history += !r->has_rating;
        s->reviews_of[!r->split            ? 0
                      : r->split[0] == 'v' ? 2
                      : r->split[1] == 'r' ? 1
                                           : 3]++;
        if (strlen(r->text) != r->text_bytes)
            die("text is not terminated where it ends");
    }
    if (s->log.len > 5000)
        return 0;
    if (r->what == SOURCE_REVIEW)
        log_review(&s->log, r);
    else if (r->what == SOURCE_PHOTO)
        buf_addf(&s->log, "P%lld %s path=%s caption=%s business=%s\n", (long long)r->line,
                 r->photo_key, r->photo_path ? r->photo_path : "-",
                 r->photo_caption ? r->photo_caption : "-",
                 r->business_key ? r->business_key : "-");
    else
        buf_addf(&s->log, "B%lld %s name=%s categories=%s price=%s\n", (long long)r->line,
                 r->business_key, r->name ? r->name : "-",
                 r->categories ? r->categories : "-", r->price ? r->price : "-");
    return s->stop_after && s->n[0] >= s->stop_after ? -1 : 0;
}

static int note(void *ctx, const struct source_reject *r)
{
    struct seen *s = ctx;
    s->rejects++;
    if (s->log.len < 5000)
        buf_addf(&s->log, "X%lld %s\n", (long long)r->line, r->reason);
    return 0;
}

static void run(struct seen *s, const struct source_file *f, const char *columns)
{
    struct source_options o = {.columns = columns};
    struct source_sink sink = {take, note, s};
    long stop = s->stop_after;
    buf_release(&s->log);
    *s = (struct seen){.stop_after = stop};
    s->rc = source_read(f, &o, &sink, &s->stats, &s->e);
    buf_reserve(&s->log, 0);
    ok(s->rejects == s->stats.rejects && s->n[0] + s->n[1] + s->n[2] == s->stats.records,
       "stats count what the sink saw");
}

static void expect(const char *format, const char *columns, const char *file,
                   const char *want, const char *name)
{
    struct seen s = {0};
    struct source_file f = {
        .path = put("input", file), .format = format, .labelled = true};
    run(&s, &f, columns);
    is(s.log.data, want, name);
    if (strcmp(format, "table") == 0 && strstr(file, "sometime"))
        ok(s.stats.bad_times == 1, "a time that cannot be read is counted");
    ok(s.rc == 0, "%s: %s", name, s.rc < 0 ? s.e.text : "read to the end");
    buf_release(&s.log);
}

static void fails(const char *format, const char *columns, const char *file,
                  const char *word)
{
    struct seen s = {0};
    struct source_file f = {
        .path = put("input", file), .format = format, .labelled = true};
    run(&s, &f, columns);
    ok(s.rc < 0 && strstr(s.e.text, word), "error: %s", s.e.text);
    buf_release(&s.log);
}

/* ---- google-restaurants ---- */

#define G "google-restaurants"

static void test_google(void)
{
    expect(
        G, NULL,
        "{\"train\": [{\"business_id\": \"b1\", \"user_id\": \"101074926318992653684\", "
        "\"rating\": 4, \"review_text\": \"caf\\u00e9\", \"pics\": [\"p1\", \"p2\"], "
        "\"history_reviews\": [[\"101074926318992653684_b2\", \"old\", 7, [1]]]}], "
        "\"val\": [], \"test\": [{\"business_id\": \"b1\", \"user_id\": \"u2\", "
        "\"rating\": 5.0, "
        "\"review_text\": \"\", \"pics\": null, \"history_reviews\": []}]}",
        "R1 101074926318992653684>b1 4* 'caf\xc3\xa9' train +p1 +p2\n"
        "R1 101074926318992653684>b2 'old' id=101074926318992653684_b2\n"
        "R2 u2>b1 5* '' test\n",
        "the giant object with history");
    expect(G, NULL,
           "{\"business_id\": \"b1\", \"user_id\": 101074926318992653684, \"rating\": "
           "\"4\", "
           "\"review_text\": null, \"pics\": [{\"id\": \"p1\", \"url\": [\"x\"]}, "
           "\"p2\", 3]}\r\n"
           "{\"user_id\": \"-u\", \"business_id\": \"b\", \"rating\": 1, \"rating\": 2, "
           "\"review_text\": \"a\\ud800b\\u0000\"}\r\n",
           "R1 101074926318992653684>b1 4* '' +p1 +p2 +3\n"
           "R2 -u>b 2* 'a\xef\xbf\xbd"
           "b\xef\xbf\xbd'\n",
           "lines: objects as pics, integer ids keep their digits, the last duplicate "
           "key wins");
    expect(G, NULL,
           "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": 4.5}\n"
           "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": 6}\n"
           "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": 0}\n"
           "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": \"Like\"}\n"
           "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": null}\n"
           "{\"user_id\": \"u\", \"business_id\": \"b\"}\n"
           "{\"user_id\": \"None\", \"business_id\": \"b\", \"rating\": 4}\n"
           "{\"user_id\": \"u\", \"business_id\": \" \", \"rating\": 4}\n"
           "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": 4, \"review_text\": "
           "5}\n"
           "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": 4, }\n"
           "not JSON\n"
           "{'user_id': 'u'}\n"
           "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": 3}",
           "X1 rating is no whole number: '4.5'\nX2 rating is out of range: '6'\n"
           "X3 rating is out of range: '0'\nX4 rating is no number: 'Like'\n"
           "X5 rating is missing\nX6 rating is missing\nX7 user_id is missing\n"
           "X8 business_id is missing\nX9 review_text is no string\n"
           "X10 malformed JSON: no key here\nX11 malformed JSON: no object here\n"
           "X12 malformed JSON: no key here\nR13 u>b 3* ''\n",
           "bad records are rejects with their lines");
    expect(
        G, NULL,
        "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": 4, \"pics\": [{}, "
        "\"p\"], "
        "\"history_reviews\": [[\"nomark\", \"x\"], [\"u_b2\"], 5, [\"a_b_c\", null], "
        "[\"u_b_3\", \"y\"]]}\n",
        "R1 u>b 4* '' +p\nX1 pics: 1 without an id left out\n"
        "X1 history_reviews: 2 that are no [key, text] left out\n"
        "X1 history_reviews: key 'nomark' is no user_business\n"
        "R1 a_b>c '' id=a_b_c\nR1 u>b_3 'y' id=u_b_3\n",
        "odd parts of a good record are told");
    fails(G, NULL,
          "{\"train\": [{\"business_id\": \"b\", \"user_id\": \"u\", \"rating\": 4}, "
          "{\"bus",
          "inside record 2");
    fails(G, NULL, "user,text\n", "does not begin as JSON");
    fails("nonesuch", NULL, "", "not known");
}

static void test_bounds(void)
{
    struct buf b = {0};
    char key[600], *text = xmalloc((1 << 20) + 2);
    memset(key, 'k', sizeof key);
    memset(text, 't', (1 << 20) + 1);
    for (int more = 0; more < 2; more++) {
        key[512 + more] = text[(1 << 20) + more] = 0;
        buf_addf(&b, "{\"user_id\": \"%s\", \"business_id\": \"b\", \"rating\": 4}\n",
                 key);
        buf_addf(&b,
                 "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": 4, "
                 "\"review_text\": \"%s\"}\n",
                 text);
        buf_adds(&b, "{\"user_id\": \"u\", \"business_id\": \"b\", \"rating\": 4, "
                     "\"pics\": [\"p\"");
        for (int i = 1; i < 1000 + more; i++)
            buf_adds(&b, ",\"p\"");
        buf_adds(&b, "]}\n");
        key[512 + more] = 'k', text[(1 << 20) + more] = 't';
    }
    struct seen s = {0};
    struct source_file f = {.path = put("input", b.data), .format = G, .labelled = true};
    run(&s, &f, NULL);
    ok(s.rc == 0 && s.n[0] == 4 && s.rejects == 3,
       "at the bounds and one beyond: %ld, %ld rejects", s.n[0], s.rejects);
    ok(s.pics == 2000, "1,000 photos of each review are kept");
    ok(s.text_bytes == 1 << 20, "a text of 1 MiB is kept");
    buf_release(&s.log);
    buf_release(&b);
    free(text);
}

static void test_stop(void)
{
    struct seen s = {.stop_after = 2};
    struct source_file f = {
        .path = put("input", "user,item,rating,text\n1,2,3,a\n1,2,3,b\n1,2,3,c\n"),
        .format = "table"};
    run(&s, &f, NULL);
    ok(s.rc < 0 && s.stats.stopped && s.n[0] == 2 && s.labelled == 0,
       "the sink stops the reading");
    buf_release(&s.log);
}

/* ---- tables ---- */

static void test_table(void)
{
    expect("table", NULL,
           "Restaurant,Reviewer,Review,Rating,Metadata,Time,Pictures\n"
           "A,Ann,\"good,\nfine\",5,x,5/25/2019 15:54,3\n"
           "A,Bob,,4.5,x,sometime,0\n"
           "A,,,,,,0\n"
           "A,Cid,text,Like,x,5/25/2019 15:54,0\n"
           "A,Dee,text,5000.0,x,5/25/2019 15:54,0\n"
           "A,Eve\n"
           "A,Fay,None,0.5,,2019-01-01,\n",
           "R2 Ann>A 5* 'good,\nfine' @1558799640\nR4 Bob>A 4.5* ''\nX5 blank row\n"
           "X6 rating is no number: 'Like'\nX7 rating is out of range: '5000.0'\n"
           "X8 2 fields where the header has 7\nR9 Fay>A 0.5* '' @1546300800\n",
           "CSV as Zomato writes it");
    expect(
        "table", "photos=Pictures,user=Reviewer",
        "item_id;User ID;Reviewer;stars;Review-Text;split;Pictures\n"
        "i;1;Ann;3;t;dev;a.jpg, b c.jpg|d\ni;1;Ann;3;t;train;7\ni;1;Ann;3;t;elsewhere;\n",
        "R2 Ann>i 3* 't' val +a.jpg +b c.jpg +d\nR3 Ann>i 3* 't' train\n"
        "X4 split is not train, val or test: 'elsewhere'\n",
        "overrides, splits, photos, a count that names no photos");
    expect(
        "table", NULL,
        "{\"review_id\":\"r1\",\"user_id\":\"-u_\",\"business_id\":\"_b\",\"stars\":5.0,"
        "\"text\":\"a\\/b\",\"date\":\"2018-07-07 22:09:11\"}\n"
        "{\"user_id\":\"u\",\"business_id\":\"b\",\"stars\":null}\n",
        "R1 -u_>_b 5* 'a/b' id=r1 @1531001351\nX2 rating is missing\n",
        "Yelp reviews as a table");
    expect("table", NULL,
           "{\"user_id\": \"111142189554954458264\", \"name\": \"s A\", \"time\": "
           "1618351936147, "
           "\"rating\": 5, \"text\": null, \"pics\": [{\"url\": [\"x\"]}], \"gmap_id\": "
           "\"0x1:0x2\"}\n",
           "R1 111142189554954458264>0x1:0x2 5* '' @1618351936\n",
           "Google Local reviews as a table");
    expect("table", NULL,
           "{\"overall\": 5.0, \"reviewTime\": \"09 1, 2016\", \"reviewerID\": \"A1\", "
           "\"asin\": \"B1\", "
           "\"reviewerName\": \"x\"}\n"
           "{\"overall\": 4.0, \"reviewerID\": \"A2\", \"asin\": \"B1\", \"reviewText\": "
           "\"t\", "
           "\"unixReviewTime\": 1472688000, \"images\": [{\"id\": \"p\"}, {\"photo_id\": "
           "7}]}\n",
           "R1 A1>B1 5* ''\nR2 A2>B1 4* 't' @1472688000 +p +7\n",
           "Amazon 2018: keys that come and go");
    expect("table", NULL,
           "[{\"user\": \"u\", \"item\": \"i\", \"rating\": 3, \"review\": \"x\"},\n"
           " {\"user\": \"u\", \"item\": \"j\", \"rating\": 4, \"review\": \"y\"}]\n",
           "R1 u>i 3* 'x'\nR2 u>j 4* 'y'\n", "an array of objects");
    expect("table", NULL,
           "Name,Links,Cost,Collections,Cuisines\rA B,x,\"1,300\",,\"C, D\"\r,,,,\r",
           "B2 A B name=A B categories=C, D price=1,300\nX3 blank row\n",
           "businesses, lone CR");
    expect("table", NULL,
           "{\"business_id\": \"b\", \"name\": \"N\", \"categories\": [\"x\", \"y\"], "
           "\"price\": null}\n",
           "B1 b name=N categories=x, y price=-\n",
           "businesses with an array of categories");
    expect("table", "user=who,id=who",
           "{\"who\":\"w\",\"item\":\"i\",\"rating\":1,\"text\":\"\"}\n",
           "R1 w>i 1* '' id=w\n", "one column for two fields");
    fails("table", "user=Nobody", "a,b\n1,2\n",
          "no column 'Nobody' for user; there are: a, b");
    fails("table", "usr=a", "a,b\n1,2\n", "not field=Column");
    fails("table", "user", "a,b\n1,2\n", "not field=Column");
    fails("table", NULL, "a,b\n1,2\n", "no columns for user, business and rating");
    fails("table", NULL, "user,item,rating,text\n1,2,3,\"open\n",
          "inside a quoted field");
}

static void test_columns(void)
{
    static const char *const names[] = {"reviewerName", "Reviewer ID", "asin",
                                        "parent_asin",  "Star_Rating", "text",
                                        "date",         "name"};
    struct columns c;
    struct err e = {{0}};
    char text[300];
    ok(columns_choose(&c, names, 8, NULL, &e) == 0 && c.rows == COLUMNS_REVIEWS,
       "guessed");
    is(columns_text(text, sizeof text, &c, names),
       "user=Reviewer ID, business=parent_asin, text=text, rating=Star_Rating, time=date",
       "the better names win, a reviewer's name is no business's");
    ok(columns_choose(&c, names, 8, " business=asin , time= ", &e) == 0, "override");
    is(columns_text(text, sizeof text, &c, names),
       "user=Reviewer ID, business=asin, text=text, rating=Star_Rating",
       "override and switch-off");
}

static void test_manifest(void)
{
    expect(
        "manifest", NULL,
        "photo_id\tpath\tcaption\tbusiness_id\r\np1\ta b/\xe4\xb8\xad.jpg\tA "
        "\"cup\"\tb1\r\n"
        "p2\t\t\n\np3\tx.jpg\tNone\nlonely\n\tx.jpg\np4\ta\tb\tc\td\np5\tpath",
        "P2 p1 path=a b/\xe4\xb8\xad.jpg caption=A \"cup\" business=b1\n"
        "P3 p2 path=- caption=- business=-\nP5 p3 path=x.jpg caption=- business=-\n"
        "X6 1 fields where a photo has 2 to 4\nX7 photo id is missing\n"
        "X8 5 fields where a photo has 2 to 4\nP9 p5 path=path caption=- business=-\n",
        "a list of photos");
}

/* ---- mutations ---- */

/* The sanitizers watch; every reading ends, with a sentence where it fails. */
static void test_fuzz(void)
{
    static const char google[] =
        "{\"train\": [{\"business_id\": \"b1\", \"user_id\": 17, \"rating\": 4, "
        "\"review_text\": \"\\u00e9\", \"pics\": [\"p\", {\"id\": 2}], "
        "\"history_reviews\": [[\"17_b2\", \"x\"]]}]}";
    static const char lines[] =
        "{\"user\":\"u\",\"item\":2,\"rating\":4,\"text\":\"t\",\"photos\":[{\"id\":\"p\"}],"
        "\"time\":\"5/25/2019\"}\n"
        "{\"user\":\"v\",\"item\":3,\"rating\":5,\"text\":\"t\"}\n";
    static const char csv[] = "user,item,rating,text,photos,time\n"
                              "u,i,4,\"a \"\"b\"\"\n\",p|q,1525651200\nv,i,5,c,,\n";
    static const char *const seed[] = {google, lines, csv, "p1\ta.jpg\tcup\tb1\np2\t\n"};
    static const char *const format[] = {G, "table", "table", "manifest"};
    static const char bytes[] = "\"\\{}[],:017u \n\r\t\xff\xc3";
    struct rng r;
    int good = 0, n = 6000;
    rng_seed(&r, 8, 0);
    for (int i = 0; i < n; i++) {
        char text[400];
        size_t len = strlen(seed[i % 4]);
        memcpy(text, seed[i % 4], len + 1);
        for (uint32_t k = 0; k <= rng_below(&r, 4); k++)
            text[rng_below(&r, (uint32_t)len)] = bytes[rng_below(&r, sizeof bytes - 1)];
        if (rng_below(&r, 4) == 0)
            text[rng_below(&r, (uint32_t)len)] = 0;
        struct seen s = {0};
        struct source_sink sink = {take, note, &s};
        struct source_file f = {.path = put("input", text), .format = format[i % 4]};
        int rc = source_read(&f, NULL, &sink, &s.stats, &s.e);
        good += rc == 0 || s.e.text[0];
        buf_release(&s.log);
    }
    ok(good == n, "%d mutated files", good);
}

/* ---- real data; the numbers are those of tests/golden/source/counts.txt ---- */

static void test_real_google(const char *data)
{
    struct source_set set;
    struct err e = {{0}};
    struct seen s = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/derived_google_restaurants", data);
    const char *paths[] = {path};
    int rc = source_detect(&set, paths, 1, "auto", NULL, &e);
    ok(rc == 0 && set.n_files == 3 && set.n_ignored == 1, "three files of the folder: %s",
       e.text);
    if (rc < 0 || set.n_files != 3)
        return;
    run(&s, &set.file[0].file, NULL);
    ok(s.rc == 0 && s.labelled == 787 && s.history == 1360 + 170 + 216 && s.rejects == 0,
       "787 labelled reviews and 1,746 of history");
    ok(s.reviews_of[1] == 611 && s.reviews_of[2] == 82 && s.reviews_of[3] == 94,
       "splits");
    ok(s.pics == 2289 && s.text_bytes == 1007904 + 108456 + 153604 && s.rating == 3031,
       "contents");
    run(&s, &set.file[1].file, NULL);
    ok(s.rc == 0 && s.n[0] == 1931 && s.labelled == 0 && s.pics == 5157 &&
           s.text_bytes == 1009686 && s.rating == 7461,
       "1,931 rows of the second file, without labels");
    run(&s, &set.file[2].file, NULL);
    ok(s.rc == 0 && s.n[SOURCE_PHOTO] == 5157, "5,157 photos");
    source_set_release(&set);
    buf_release(&s.log);
}

static void test_real_tables(const char *data)
{
    static const struct {
        const char *name;
        long good, rejects;
        double rating;
        long long text, at;
    } t[] = {{"zomato_hyderabad/Restaurant reviews.csv", 9957, 43, 35853, 2792002,
              15368480881260},
             {"zomato_hyderabad/Restaurant reviews.mac-mangled.csv", 9961, 39, 35870,
              2804111, 15374660656980}};
    struct seen s = {0};
    char path[512];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", data, t[i].name);
        struct source_file f = {.path = path, .format = "table", .labelled = true};
        run(&s, &f, NULL);
        ok(s.rc == 0 && s.n[0] == t[i].good && s.rejects == t[i].rejects && s.empty == 7,
           "%ld reviews, %ld rejects, %ld empty texts", s.n[0], s.rejects, s.empty);
        ok(s.rating == t[i].rating && s.text_bytes == t[i].text,
           "their ratings and texts");
        ok(s.at == t[i].at && s.timed == t[i].good && s.stats.bad_times == 0,
           "their times");
    }
    snprintf(path, sizeof path, "%s/amazon2018_gift_cards/Gift_Cards_5.json.gz", data);
    struct source_file f = {.path = path, .format = "table", .labelled = true};
    run(&s, &f, NULL);
    ok(s.rc == 0 && s.n[0] == 2972 && s.empty == 6 && s.text_bytes == 200108 &&
           s.at == 4387077676800,
       "Amazon gift cards from .gz");
    buf_release(&s.log);
}

int main(void)
{
    if (!mkdtemp(dir))
        die("mkdtemp");
    test_google();
    test_bounds();
    test_stop();
    test_table();
    test_columns();
    test_manifest();
    test_fuzz();
    const char *shared = getenv("MM_SHARED");
    char data[400];
    snprintf(data, sizeof data, "%s/data", shared ? shared : "../shared");
    if (access(data, R_OK) == 0) {
        test_real_google(data);
        test_real_tables(data);
    } else {
        skip("no real data: set MM_SHARED");
    }
    unlink(put("input", ""));
    rmdir(dir);
    return done();
}
