/* SPDX-License-Identifier: MIT */
/* Answers as models give them, and what is made of each. */
#include "base/rng.h"
#include "llm/answer.h"
#include "llm/category.h"
#include "llm/prompt.h"
#include "tap.h"
#include <stdlib.h>

enum { S = PROMPT_SUMMARY, P = PROMPT_PRICE, C = PROMPT_CATEGORIES, ALL = S | P | C,
       CAP = PROMPT_CAPTION };

/* want: "summary|price|cat,cat" of what is asked for, or "!" and the reason. */
struct row {
    int wants;
    const char *text, *want;
};

#define LONG_80 "Guests praise the slow cooked lamb and the warm bread, and complain of waiting."
#define J(s, p, c) "{\"summary\":\"" s "\",\"price\":" p ",\"categories\":" c "}"
#define GOOD "Good pizza, slow service."

static const struct row rows[] = {
    /* structured: as asked */
    {ALL, J(GOOD, "\"fair\"", "[\"pizza\",\"italian\"]"), GOOD "|fair|pizza,italian"},
    {ALL, "```json\n" J(GOOD, "\"cheap\"", "[\"pizza\"]") "\n```", GOOD "|cheap|pizza"},
    {ALL, "```\n" J(GOOD, "\"none\"", "[]") "\n```\n", GOOD "|none|"},
    {ALL, "Here is the JSON:\n" J(GOOD, "\"fair\"", "[\"Thai\"]"), GOOD "|fair|thai"},
    {ALL, J(GOOD, "\"fair\"", "[\"thai\"]") "\n\nLet me know if you need more {details}!",
     GOOD "|fair|thai"},
    {ALL, "<think>The reviews {say} little.</think>\n" J(GOOD, "\"fair\"", "[\"thai\"]"),
     GOOD "|fair|thai"},
    {ALL, "thoughts without a beginning</think>" J(GOOD, "\"fair\"", "[]"), GOOD "|fair|"},
    {ALL, "{\"Summary\":\"" GOOD "\",\"PRICE\":\"Fair\",\"Categories\":\"Pizza, Italian\"}",
     GOOD "|fair|pizza,italian"},
    {ALL, "{\"summary\":\"" GOOD "\",\"price_tag\":\"over-price\",\"category\":\"Bakeries\"}",
     GOOD "|over-priced|bakery"},
    {ALL, "{\"result\":" J(GOOD, "\"fair\"", "[\"thai\"]") "}", GOOD "|fair|thai"},
    {ALL, "[" J(GOOD, "\"fair\"", "[\"thai\"]") "]", GOOD "|fair|thai"},
    {ALL, "{\"summary\":\"" GOOD "\",\n\"price\":\"fair\",\n\"categories\":[\"thai\",],\n}",
     GOOD "|fair|thai"},
    {ALL, J(GOOD, "\"not mentioned\"", "null"), GOOD "|none|"},
    {ALL, J(GOOD, "null", "[\"thai\"]"), GOOD "|none|thai"},
    {ALL, J(GOOD, "[\"fair\"]", "[{\"name\":\"Thai\"},{\"name\":\"Noodles\"}]"),
     GOOD "|fair|thai,noodle"},
    {ALL, "{\"summary\":[\"Good pizza.\",\"Slow service.\"],\"price\":\"fair\",\"categories\":[]}",
     "Good pizza. Slow service.|fair|"},
    {ALL, J("Caf\\u00e9 with \\\"big\\\" cakes.", "\"fair\"", "[\"Caf\\u00e9s\"]"),
     "Café with \"big\" cakes.|fair|café"},
    {ALL, "Example: {\"a\":1}. Mine: " J(GOOD, "\"fair\"", "[\"thai\"]"), GOOD "|fair|thai"},
    {ALL, "{\"summary\":\"An example of nothing\"} and then " J(GOOD, "\"fair\"", "[\"thai\"]"),
     GOOD "|fair|thai"},
    {ALL, J(GOOD, "\"fair\"", "[\"thai\"]") " or {\"price\":\"cheap\"}", GOOD "|fair|thai"},
    {ALL, J(GOOD, "\"fair\"", "[\"Unknown\",\"N/A\",\"none\"]"), GOOD "|fair|"},
    {ALL, J(GOOD, "\"fair\"", "[\"a\",\"thai\",\"24/7\",\"thai\",\"Thai food\"]"),
     GOOD "|fair|thai"},
    {ALL, J(GOOD, "\"fair\"", "[\"b1\",\"x2\",\"Bar & Grill\",\"Italian, Pizza\"]"),
     GOOD "|fair|bar and grill,italian,pizza"},
    {ALL,
     J(GOOD, "\"fair\"", "[\"aa\",\"bb\",\"cc\",\"dd\",\"ee\",\"ff\",\"gg\",\"hh\",\"ii\",\"jj\","
                         "\"kk\",\"ll\",\"mm\"]"),
     GOOD "|fair|aa,bb,cc,dd,ee,ff,gg,hh,ii,jj,kk"},
    /* structured: labelled prose */
    {ALL, "Summary: " GOOD "\nPrice: fair\nCategories: pizza, italian",
     GOOD "|fair|pizza,italian"},
    {ALL, "**Summary:** " GOOD "\n\n**Price:** Over-priced\n\n**Categories:** pizza, italian",
     GOOD "|over-priced|pizza,italian"},
    {ALL, "## Summary\n" GOOD "\n\n## Price\nfair price\n\n## Categories\n- pizza\n- italian\n",
     GOOD "|fair|pizza,italian"},
    {ALL, "1. Summary: " GOOD "\n2. Price category: low price\n3. Categories:\n* Pizzas\n* Italian",
     GOOD "|cheap|pizza,italian"},
    {ALL, "Summary: " GOOD " / Price: fair / Categories: french, thai",
     "Good pizza, slow service. /|fair|french,thai"},
    {ALL, "Summary: " GOOD "\nPrice: fair\nCategories: a la carte, thai",
     GOOD "|fair|la carte,thai"},
    {ALL, "SUMMARY: " GOOD "\nPRICE: none\nCATEGORIES: none", GOOD "|none|"},
    {ALL, "Summary: " GOOD "\nPrice: fair\nCategories: thai\nExplanation: it is expensive",
     GOOD "|fair|thai"},
    {ALL, "Summary: " GOOD "\nCategories:\n- Italian: they serve pasta\n- Bars\nPrice: cheap",
     GOOD "|cheap|italian,bar"},
    /* structured: refused */
    {ALL, "", "!the answer is empty"},
    {ALL, " \n\t ", "!the answer is empty"},
    {ALL, "<think>Let me see", "!the answer holds thoughts and no answer"},
    {ALL, GOOD, "!there is no JSON object with the keys that were asked for"},
    {ALL, "{\"summary\":\"" GOOD "\",\"price\":\"fair\"", "!there is no JSON object"},
    {ALL, "{\"price\":\"fair\",\"categories\":[]}", "!the summary is missing"},
    {ALL, "{\"summary\":\"" GOOD "\",\"categories\":[]}", "!the price is missing"},
    {ALL, "{\"summary\":\"" GOOD "\",\"price\":\"fair\"}", "!the categories are missing"},
    {ALL, J("", "\"fair\"", "[]"), "!the summary is empty"},
    {ALL, "{\"summary\":null,\"price\":\"fair\",\"categories\":[]}", "!the summary is missing"},
    {ALL, "{\"summary\":{\"praise\":\"x\"},\"price\":\"fair\",\"categories\":[]}",
     "!the summary is not a text"},
    {ALL, J(GOOD, "2", "[]"), "!the price is not a text"},
    {ALL, J(GOOD, "\"\"", "[]"), "!the price is none of"},
    {ALL, J(GOOD, "\"$$\"", "[]"), "!the price is none of"},
    {ALL, J(GOOD, "\"over-priced|fair|cheap|none\"", "[]"), "!the price names more than one"},
    {ALL, J(GOOD, "\"fair\"", "[1,2]"), "!the categories are not a list of texts"},
    {ALL, J(GOOD, "\"fair\"", "[\"a place where people like to sit\"]"), "!none of the categories"},
    {ALL, J(GOOD, "\"fair\"", "[\"***\",\"12\"]"), "!none of the categories"},
    {ALL, J("I'm sorry, but I cannot help with that.", "\"none\"", "[]"), "!the summary is an ap"},
    {ALL, "I'm sorry, but I can't assist with that request.", "!the answer is an apology"},
    {ALL, "{\"type\":\"object\",\"properties\":{\"summary\":{\"type\":\"string\"},\"price\":"
          "{\"type\":\"string\"},\"categories\":{\"type\":\"array\"}}}",
     "!the summary is missing"},
    /* price alone */
    {P, "fair", "fair"},
    {P, "Fair.", "fair"},
    {P, "\"Fair price\"", "fair"},
    {P, "'fair price'", "fair"},
    {P, "**Fair price**", "fair"},
    {P, "The price is fair.", "fair"},
    {P, "Price category: Fair price", "fair"},
    {P, "{\"price\": \"Low price\"}", "cheap"},
    {P, "Price: over-price", "over-priced"},
    {P, "over-priced", "over-priced"},
    {P, "Overpriced", "over-priced"},
    {P, "over priced!", "over-priced"},
    {P, "Over‑priced", "over-priced"},
    {P, "expensive", "over-priced"},
    {P, "Pricey", "over-priced"},
    {P, "High", "over-priced"},
    {P, "The price of this restaurant is high.", "over-priced"},
    {P, "high-priced", "over-priced"},
    {P, "reasonable", "fair"},
    {P, "Moderate", "fair"},
    {P, "average", "fair"},
    {P, "mid-range", "fair"},
    {P, "Reasonably priced", "fair"},
    {P, "The prices are moderate and the portions are big.", "fair"},
    {P, "low price", "cheap"},
    {P, "Low", "cheap"},
    {P, "inexpensive", "cheap"},
    {P, "affordable", "cheap"},
    {P, "budget-friendly", "cheap"},
    {P, "Budget", "cheap"},
    {P, "none", "none"},
    {P, "Not mentioned", "none"},
    {P, "not mentioned in the reviews.", "none"},
    {P, "unknown", "none"},
    {P, "N/A", "none"},
    {P, "n.a.", "none"},
    {P, "Unclear", "none"},
    {P, "Insufficient information", "none"},
    {P, "I cannot determine the price from these reviews.", "none"},
    {P, "The price cannot be determined.", "none"},
    {P, "Unable to determine whether it is over-price, fair price or low price.", "none"},
    {P, "The reviews do not mention if the price is fair.", "none"},
    {P, "I'm sorry, but the reviews don't mention any prices.", "none"},
    {P, "None of the reviews speak of prices.", "none"},
    {P, "Fair price\n\nExplanation: some find it expensive, others cheap.", "fair"},
    {P, "Not expensive, but a fair price.", "fair"},
    {P, "The place isn't overpriced: it is cheap", "cheap"},
    {P, "<think>cheap or fair?</think>fair", "fair"},
    {P, "over-price, fair price or low price", "!the price names more than one"},
    {P, "over-price, fair price, low price", "!the price names more than one"},
    {P, "over-price\nfair price\nlow price", "!the price names more than one"},
    {P, "Fair price (some say expensive)", "fair"},
    {P, "(fair price)", "fair"},
    {P, "Not enough information to tell the price (over-price, fair price, low price).", "none"},
    {P, "There isn't any mention of prices.", "none"},
    {P, "fair to expensive", "!the price names more than one"},
    {P, "The reviews do not mention prices, but it seems fair.", "!the price names more than one"},
    {P, "It is not expensive.", "!the price is none of"},
    {P, "High quality food at the seaside with music.", "!the price is none of"},
    {P, "I'm sorry, I can't help with that.", "!the price is none of"},
    {P, "As an AI, I cannot eat.", "!the price is none of"},
    {P, "delicious", "!the price is none of"},
    {P, "", "!the answer is empty"},
    /* categories alone */
    {C, "'Italian'", "italian"},
    {C, "'type'", "!none of the categories"},
    {C, "The type of restaurant is 'fast food' or 'burger joint'.", "fast food,burger"},
    {C, "Based on the reviews, it seems to be a 'Biryani' place.", "biryani"},
    {C, "I would categorize this restaurant as Seafood.", "seafood"},
    {C, "There is no information about the type of restaurant.", "!none of the categories"},
    {C, "Category: Steakhouse\n\nReason: The reviews mention steaks, and wine.", "steakhouse"},
    {C, "'Fast Food'", "fast food"},
    {C, "'Italian', 'Pizza'", "italian,pizza"},
    {C, "\"italian\", \"pizza\"", "italian,pizza"},
    {C, "[\"italian\", \"pizza\"]", "italian,pizza"},
    {C, "['italian', 'pizza']", "italian,pizza"},
    {C, "The category is \"Food\"", "food"},
    {C, "The category is 'Food'.", "food"},
    {C, "The category of this restaurant is “Seafood”.", "seafood"},
    {C, "Category: Italian", "italian"},
    {C, "{\"category\": \"Sea food\"}", "seafood"},
    {C, "{\"categories\": [\"Mc Donald's\"]}", "mc donald's"},
    {C, "Italian Restaurant", "italian"},
    {C, "The restaurant type is Thai.", "thai"},
    {C, "1. Pizzas\n2. Sandwiches\n3. Bakeries", "pizza,sandwich,bakery"},
    {C, "- Tapas\n- Fries\n- Hummus\n", "tapas,fries,hummus"},
    {C, "• Cafés\n• Crêperies", "café,crêpery"},
    {C, "Burgers and Fries; Hot Dogs / Shakes", "burger,fries,hot dog,shake"},
    {C, "Fish & Chips, Bars & Pubs", "fish and chips,bar,pub"},
    {C, "Indian cuisine, Chinese food, Street Food", "indian,chinese,street food"},
    {C, "Italian-American", "italian-american"},
    {C, "This appears to be a casual Italian restaurant that serves pasta and pizza.", "italian"},
    {C, "This is a cozy, family-friendly North Indian place.", "north indian"},
    {C, "It is a popular sports bar with big screens.", "sports bar"},
    {C, "Based on the reviews, this is an Italian and Mediterranean restaurant.",
     "italian,mediterranean"},
    {C, "A casual Thai eatery", "thai"},
    {C, "The kind of restaurant is a casual dining restaurant.", "casual dining"},
    {C, "Italian\n\nThe reviews mention pasta, pizza and good wine.", "italian"},
    {C, "Italian. The reviews mention pasta, pizza and wine.", "italian"},
    {C, "Italian (pasta, pizza)", "italian"},
    {C, "**Italian**", "italian"},
    {C, "Categories:\n- **Italian**: pasta dishes\n- **Pizza**: from the oven", "italian,pizza"},
    {C, "Here are the categories: thai, noodles", "thai,noodle"},
    {C, "pizza, PIZZA, Pizzas", "pizza"},
    {C, "none", ""},
    {C, "Unknown", ""},
    {C, "N/A", ""},
    {C, "Chinese, a very long name of a kind of place, thai", "chinese,thai"},
    {C, "This 'hidden gem' is a Korean restaurant", "korean"},
    {C, "I'm sorry, I cannot tell the kind of restaurant.", "!the answer is an apology"},
    {C, "I cannot determine the category.", "!the answer is an apology"},
    {C, "This place is good for families and the waiters smile a lot", "!none of the categories"},
    {C, "12345", "!none of the categories"},
    {C, "", "!the answer is empty"},
    /* summaries alone */
    {S, GOOD, GOOD},
    {S, "  " GOOD "\n", GOOD},
    {S, "Summary: " GOOD, GOOD},
    {S, "**Summary:** " GOOD, GOOD},
    {S, "## Summary\n\n" GOOD, GOOD},
    {S, "**User Summary**\n" GOOD, GOOD},
    {S, "Here is a summary: " GOOD, GOOD},
    {S, "Sure! Here's a summary of the reviews:\n\n" GOOD, GOOD},
    {S, "Certainly:\n" GOOD, GOOD},
    {S, "Based on the reviews, here's a summary of the guest's likes:\n\n* Likes pizza\n* And much more cake",
     "Likes pizza And much more cake"},
    {S, "The description of dishes: great and tasty.",
     "The description of dishes: great and tasty."},
    {S, "\"" GOOD "\"", GOOD},
    {S, "“" GOOD "”", GOOD},
    {S, "Summary: \"" GOOD "\"", GOOD},
    {S, "\"Summary: " GOOD "\"", GOOD},
    {S, "\"Great\" pizza, says one, \"slow\"", "\"Great\" pizza, says one, \"slow\""},
    {S, "{\"summary\": \"" GOOD "\"}", GOOD},
    {S, "```\n" GOOD "\n```", GOOD},
    {S, "- Likes pizza.\n- Hates *waiting*.\n1. Pays well.",
     "Likes pizza. Hates waiting. Pays well."},
    {S, "Good  pizza,\r\n\tslow\xc2\xa0service.", GOOD},
    {S, "Good\x01pizza, slow\x7fservice.", GOOD},
    {S, "Tastes: pizza and pasta. Price: careful.", "Tastes: pizza and pasta. Price: careful."},
    {S, "The user\xe2\x80\x99s taste is broad.", "The user\xe2\x80\x99s taste is broad."},
    {S, "bad \xff byte here and there", "bad \xef\xbf\xbd byte here and there"},
    {S, "<think>hm</think>\n\n" GOOD, GOOD},
    {S, "Summary:", "!the summary"},
    {S, "\"\"", "!the summary is empty"},
    {S, "****", "!the summary is empty"},
    {S, "Good pizza", "!the summary has fewer than 3 words"},
    {S, "Barbeque Nation Gachiwoli", "!the summary is a name"},
    {S, "The North Indian Parathas", "!the summary is a name"},
    {S, "N/A", "!the summary has fewer than 3 words"},
    {S, "I'm sorry, but I cannot summarise these reviews.", "!the summary is an apology"},
    {S, "I’m sorry, but there is nothing.", "!the summary is an apology"},
    {S, "As an AI language model, I have no taste.", "!the summary is an apology"},
    {S, "Please provide the reviews you want summarised.", "!the summary is an apology"},
    {S, "Sure! Here is the summary: I cannot do that now.", "!the summary is an apology"},
    {S, "1 2 3 4 5 !!! ??? ... 6 7", "!the summary is mostly not letters"},
    {S, "good food and nice people good food and nice people good food and nice people "
        "good food and nice people", "!the summary repeats the same words"},
    {S, "He serves the best drinks of the town and always smiles at every guest. He is kind. He "
        "serves the best drinks of the town and always smiles at every guest.",
     "!the summary repeats the same words"},
    {S, "<<<text 6 of 5 | 0123abcd>>>\nThe place is nice for formal dinners and family diners.",
     "!the answer repeats the marks"},
    {S, "Answer in one paragraph of at most one hundred words, without names and without a list.",
     "!the summary repeats the instructions"},
    {S, "one paragraph of at most.", "!the summary repeats the instructions"},
    {S, "Likes soup. Stands between marks: <<<end 1 | 0123456789abcdef>>>",
     "!the answer repeats the marks"},
    {S, "She says the review text may be repeated as long as she wants it to be so",
     "She says the review text may be repeated as long as she wants it to be so"},
    {CAP, "A plate of pasta with basil.", "A plate of pasta with basil."},
    {CAP, "Caption: A plate of pasta with basil.", "A plate of pasta with basil."},
    {CAP, "{\"caption\":\"A plate of pasta\"}", "A plate of pasta"},
    {CAP, "I cannot see the image.", "!the caption is an apology"},
    {CAP, "Pasta.", "!the caption has fewer than 3 words"},
};

static const char asked[] =
    "Answer in one paragraph of at most one hundred words, without names and without a list.\n"
    "<<<text 1 of 1 | 0123456789abcdef>>>\n"
    "the review text may be repeated as long as she wants it to be so\n"
    "<<<end 1 | 0123456789abcdef>>>\nGo on.";

static void render(struct buf *out, int wants, const struct llm_result *r)
{
    buf_clear(out);
    if (wants & (S | CAP))
        buf_adds(out, buf_str(&r->summary));
    if (wants & P)
        buf_addf(out, "%s%s", out->len ? "|" : "", r->price);
    if (wants & C)
        buf_addf(out, "%s", wants & S ? "|" : "");
    for (int i = 0; i < r->n_categories; i++)
        buf_addf(out, "%s%s", i ? "," : "", r->category[i]);
}

static int answer(struct buf *out, int wants, const char *text, size_t n, const char *finish,
                  const char *refusal)
{
    struct llm_result r = {0};
    struct buf reason = {0};
    struct answer_given a = {text, n, finish, refusal, asked};
    int rc = answer_read(&r, wants, &a, &reason);
    buf_clear(out);
    if (rc == 0)
        render(out, wants, &r);
    else
        buf_addf(out, "!%s", buf_str(&reason));
    llm_result_release(&r);
    buf_release(&reason);
    return rc;
}

static void test_table(void)
{
    struct buf got = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *t = &rows[i];
        answer(&got, t->wants, t->text, strlen(t->text), "stop", NULL);
        if (*t->want == '!' && got.len > strlen(t->want))
            got.data[strlen(t->want)] = 0; /* the reason need only begin so */
        char name[80];
        snprintf(name, sizeof name, "%.60s", *t->text ? t->text : "(empty)");
        for (char *p = name; *p; p++)
            *p = *p == '\n' || *p == '#' ? ' ' : *p;
        is(buf_str(&got), t->want, name);
    }
    buf_release(&got);
}

static void test_service(void)
{
    struct buf got = {0}, big = {0};
    answer(&got, S, GOOD, strlen(GOOD), NULL, NULL);
    is(got.data, GOOD, "no finish_reason is accepted");
    answer(&got, S, GOOD, strlen(GOOD), "length", NULL);
    is(got.data, "!the answer was cut off at the largest number of tokens", "length is refused");
    answer(&got, S, GOOD, strlen(GOOD), "content_filter", NULL);
    ok(strstr(got.data, "content filter"), "content_filter is refused");
    answer(&got, S, GOOD, strlen(GOOD), "stop", "I can't.");
    is(got.data, "!the answer is a refusal", "a refusal of the service is refused");
    answer(&got, S, NULL, 0, "stop", NULL);
    is(got.data, "!the answer is empty", "null content is empty");
    for (int i = 0; i < 300; i++)
        buf_addf(&big, "word%d ", i * 7919 % 1000);
    answer(&got, S, big.data, big.len, "stop", NULL);
    ok(strstr(got.data, "bytes, allowed are 2000"), "a summary beyond 2,000 bytes: %s", got.data);
    answer(&got, CAP, big.data, 450, "stop", NULL);
    ok(strstr(got.data, "allowed are 400"), "a caption beyond 400 bytes: %s", got.data);
    while (big.len <= ANSWER_BYTES)
        buf_adds(&big, LONG_80);
    answer(&got, S, big.data, big.len, "stop", NULL);
    ok(strstr(got.data, "65536"), "an answer beyond 64 KiB is refused");
    buf_release(&got);
    buf_release(&big);
}

static void test_names(void)
{
    static const char *const name[][2] = {
        {"Pizzas", "pizza"}, {"Smoothies", "smoothie"}, {"Boxes", "box"}, {"Dishes", "dish"},
        {"Potatoes", "potato"}, {"Delis", "deli"}, {"Martinis", "martini"}, {"Tennis", "tennis"},
        {"Breakfast & Brunch", "breakfast and brunch"}, {"Fast-Food", "fast food"},
        {"fast_food", "fast food"}, {"Soul Food Restaurant", "soul food"},
        {"Restaurants", "restaurant"}, {"Food", "food"}, {"the Steakhouses", "steakhouse"},
        {"Vietnamese Food Places", "vietnamese"}, {"CRÊPES", "crêpe"}, {"Cafe\xcc\x81", "café"},
        {"men’s wear", "men's wear"}, {"Electronics", "electronics"}, {"Glasses", "glass"},
        {"3. Gyros", "gyros"}, {"Français", "français"}, {"French–Thai", "french-thai"},
        {"one two three four", ""}, {"café 24", ""}, {"x", ""}, {"-", ""}, {"'", ""}, {"", ""},
        {"Unknown", ""}, {"a name that has far more than forty bytes in it", ""},
        {"supercalifragilisticexpialidociouslylong", "supercalifragilisticexpialidociouslylong"},
        {"supercalifragilisticexpialidociouslylonger", ""}, {"bad \xff utf", ""},
        {"日本料理", "日本料理"}};
    struct buf b = {0};
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        category_name(&b, name[i][0], strlen(name[i][0]));
        is(buf_str(&b), name[i][1], name[i][0]);
        struct buf again = {0};
        category_name(&again, buf_str(&b), b.len);
        if (strcmp(buf_str(&again), buf_str(&b)) != 0)
            ok(0, "normalising '%s' twice gives '%s'", b.data, buf_str(&again));
        buf_release(&again);
    }
    ok(category_name(&b, "none", 4) == CATEGORY_NONE, "none is none");
    ok(category_name(&b, "7up", 3) == CATEGORY_BAD, "digits are bad");
    buf_release(&b);
}

static void test_part(void)
{
    struct llm_result r = {0};
    struct buf b = {0}, got = {0};
    buf_adds(&r.summary, GOOD);
    r.price = "fair";
    llm_result_add(&r, "pizza");
    llm_result_add(&r, "fish and chips");
    answer_part(&b, ALL, &r);
    is(b.data, "Summary: " GOOD "\nPrice: fair\nCategories: pizza, fish and chips\n",
       "an answer on a part");
    answer(&got, ALL, b.data, b.len, "stop", NULL);
    is(got.data, GOOD "|fair|pizza,fish and chips", "and it can be read again");
    buf_clear(&b);
    answer_part(&b, P, &r);
    is(b.data, "Price: fair\n", "only what is wanted");
    llm_result_release(&r);
    buf_release(&b);
    buf_release(&got);
}

/* Whatever comes, an accepted answer keeps the promises of answer.h. */
static int promises(int wants, const struct llm_result *r)
{
    static const char prices[] = "over-priced fair cheap none";
    int good = 1;
    if (wants & (S | CAP))
        good &= r->summary.len >= 5 && r->summary.len <= (wants & S ? 2000 : 400) &&
                !memchr(r->summary.data, '\n', r->summary.len) && r->summary.data[0] != ' ';
    if (wants & P)
        good &= r->price && strstr(prices, r->price) != NULL;
    for (int i = 0; i < r->n_categories; i++) {
        good &= strlen(r->category[i]) <= CATEGORY_BYTES && r->category[i][0] != 0;
        for (int j = 0; j < i; j++)
            good &= strcmp(r->category[i], r->category[j]) != 0;
    }
    return good;
}

static void mutate(struct rng *g, struct buf *b)
{
    static const char marks[] = "{}[]\",:\\'`*#-\n \xe2\x80\x99\xc3\xff\x00/|&.()1aZ<>";
    for (uint32_t k = 1 + rng_below(g, 6); k > 0; k--) {
        uint32_t at = b->len ? rng_below(g, (uint32_t)b->len) : 0;
        uint32_t how = rng_below(g, 4);
        char c = marks[rng_below(g, sizeof marks - 1)];
        if (how == 0 && b->len)
            b->data[at] = c;
        else if (how == 1)
            b->len = at;
        else if (how == 2)
            buf_addc(b, c);
        else if (b->len) {
            const struct row *t = &rows[rng_below(g, sizeof rows / sizeof rows[0])];
            b->len = at;
            buf_add(b, t->text, strlen(t->text));
        }
    }
}

static void test_mutations(void)
{
    struct rng g;
    int bad = 0, unsteady = 0, accepted = 0, silent = 0;
    rng_seed(&g, 11, 0);
    for (int i = 0; i < 20000; i++) {
        const struct row *t = &rows[rng_below(&g, sizeof rows / sizeof rows[0])];
        static const int kinds[] = {ALL, S, P, C, CAP, S | P};
        int wants = kinds[rng_below(&g, 6)];
        struct buf b = {0}, reason = {0}, one = {0}, two = {0};
        buf_adds(&b, t->text);
        mutate(&g, &b);
        char *exact = malloc(b.len + 1); /* so that a byte beyond is seen */
        if (b.len)
            memcpy(exact, b.data, b.len);
        struct llm_result r = {0};
        struct answer_given a = {b.len ? exact : NULL, b.len, "stop", NULL, asked};
        exact = b.len ? realloc(exact, b.len) : exact;
        a.text = b.len ? exact : NULL;
        int rc = answer_read(&r, wants, &a, &reason);
        accepted += rc == 0;
        bad += rc == 0 && !promises(wants, &r);
        silent += rc < 0 && (reason.len == 0 || r.n_categories || r.summary.data || r.price);
        render(&one, wants, &r);
        llm_result_release(&r);
        int again = answer_read(&r, wants, &a, &reason);
        render(&two, wants, &r);
        unsteady += again != rc || strcmp(buf_str(&one), buf_str(&two)) != 0;
        llm_result_release(&r);
        free(exact);
        buf_release(&b);
        buf_release(&reason);
        buf_release(&one);
        buf_release(&two);
    }
    ok(bad == 0, "20,000 mutated answers: %d accepted ones break a promise", bad);
    ok(silent == 0, "%d refused without a reason or with a left-over", silent);
    ok(unsteady == 0, "%d read differently the second time", unsteady);
    ok(accepted > 2000 && accepted < 18000, "%d of them accepted", accepted);
}

int main(void)
{
    test_table();
    test_service();
    test_names();
    test_part();
    test_mutations();
    return done();
}
