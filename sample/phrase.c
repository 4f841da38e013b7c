/* SPDX-License-Identifier: MIT */
#include "phrase.h"
#include "base/util.h"
#include <ctype.h>
#include <string.h>

#define ALTERNATIVES 8
typedef const char *const phrases[ALTERNATIVES];

/* ---- the words; alternatives of one meaning share its key words ---- */

static phrases heat[2] = {
    {"the food is mild and creamy", "every dish is mild and creamy",
     "mild creamy sauces everywhere", "mild and creamy cooking",
     "mild flavours, creamy and gentle", "creamy, mild, gentle food",
     "the sauces stay mild and creamy", "a mild and creamy kitchen"},
    {"the food is spicy with chilli", "every dish is spicy with chilli",
     "spicy chilli sauces everywhere", "spicy cooking, chilli in all of it",
     "spicy flavours, chilli and pepper", "spicy, peppery chilli food",
     "the sauces are spicy with chilli", "a spicy kitchen full of chilli"}};

static phrases noise[2] = {
    {"the room is quiet and calm", "it is calm and quiet inside", "a calm quiet room",
     "the place stays quiet and calm", "quiet corners, calm people",
     "calm and quiet, hardly a sound", "so quiet and calm that you hear the clock",
     "calm tables, quiet even on weekends"},
    {"the room is loud with music", "it is loud inside, booming music",
     "loud booming music", "the place gets loud, the music booms",
     "loud music, shouting people", "loud music, you have to shout",
     "booming music, so loud that it hurts", "loud tables, music even on weekdays"}};

static phrases speed[2] = {
    {"the waiters are quick", "our plates came quick", "service was quick and prompt",
     "prompt waiters, everything in minutes", "quick kitchen",
     "orders arrive in a few minutes", "prompt service", "we were served in minutes"},
    {"the waiters are slow", "our plates took an hour",
     "service was slow and forgetful", "slow waiters, nothing without asking twice",
     "slow kitchen", "orders take an hour", "delayed service",
     "we waited nearly an hour"}};

static phrases portion[2] = {
    {"portions are generous", "generous plates", "big portions, we took some home",
     "you get a generous helping", "one portion fed two of us",
     "plates are big and generous", "nobody leaves hungry", "big helpings"},
    {"portions are tiny", "tiny plates", "small portions, we left hungry",
     "you get a tiny helping", "two portions hardly fed one of us",
     "plates are small and tiny", "everybody leaves hungry", "small helpings"}};

static phrases taste[WORLD_TASTES] = {
    {"I love heat and fire", "I live for heat and fire",
     "give me heat, fire on the tongue", "I love it when heat burns like fire",
     "heat and fire is what I go out for", "I love heat and carry my own fire sauce",
     "without heat and fire I am bored", "I am the one who asks for more heat and fire"},
    {"I have a delicate stomach", "my delicate stomach wants nothing sharp",
     "my doctor says I have a delicate stomach",
     "with my delicate stomach I have to be careful",
     "I eat carefully with my delicate stomach",
     "my delicate stomach decides where I go", "sharp things hurt my delicate stomach",
     "careful, my stomach is delicate"},
    {"I need peace to talk", "I come to read and talk in peace",
     "I want peace and a long talk", "after work I need peace to talk",
     "peace to talk is worth a lot to me", "I like to read and talk in peace",
     "without peace to talk I cannot enjoy a meal",
     "I am the one who looks for peace to talk"},
    {"I go out to party and dance", "I want to party and dance",
     "for me a night out is a dance party", "I like to party and dance with friends",
     "we came to party and dance", "party and dance is my thing",
     "without a party and dance I fall asleep",
     "I am the one who starts the dance party"}};

static phrases clash_words[WORLD_TASTES] = {
    {"far too mild for me", "I missed the heat", "no heat at all", "much too mild",
     "too creamy for me", "not my heat", "nothing burned", "too gentle for me"},
    {"far too spicy for me", "my stomach hurt all night", "my poor stomach",
     "much too spicy", "too much chilli for me", "my stomach said no",
     "everything burned", "too fiery for me"},
    {"far too loud for me", "no peace at all", "I could not talk", "much too loud",
     "too packed for me", "no silence anywhere", "we had to shout",
     "too much booming for me"},
    {"far too quiet for me", "no party at all", "nobody danced", "much too quiet",
     "too calm for me", "I fell asleep", "they hushed us", "too silent for me"}};

static phrases match_words[WORLD_TASTES] = {
    {"just my heat and fire", "heat and fire the way I love it",
     "enough fire even for me", "my kind of heat and fire", "heat as it should be",
     "my tongue is on fire", "fire on the plate, love it", "heat and fire lovers, go"},
    {"my delicate stomach was happy", "easy on my delicate stomach",
     "no harm to a delicate stomach", "my delicate stomach says thanks",
     "kind to my stomach", "my stomach was fine after it",
     "nothing sharp for my delicate stomach", "go if you have a delicate stomach"},
    {"we could talk in peace", "peace to read and talk", "peace at last, a long talk",
     "a good place to talk in peace", "nobody disturbed our talk",
     "talk and peace, finally", "I could read in peace", "go if you need peace to talk"},
    {"we had a dance party until late", "what a party, what a dance",
     "a good place to party and dance", "my friends loved the party",
     "everybody had a dance", "party and dance all night", "a dance party every night",
     "go if you party and dance"}};

static phrases price[3] = {
    {"Cheap", "Very affordable", "The bill was cheap", "A bargain", "Pocket friendly",
     "Cheap for what you get", "Affordable prices", "Low prices"},
    {"Reasonable prices", "Fair price", "Reasonably priced", "Decent price",
     "Value for money", "The bill was reasonable", "Fair prices for the area",
     "Moderately priced"},
    {"Overpriced", "Pricey", "The bill was expensive", "Too costly",
     "Expensive for what you get", "Heavy on the pocket", "Prices are high",
     "Rather pricey"}};

static phrases good_end = {"Will come back", "See you soon", "We return next week",
    "Already booked again", "Recommended", "Five of us were happy", "Good evening",
    "Lovely"};
static phrases bad_end = {"Will not come back", "Once was enough", "No second visit",
    "We go elsewhere next time", "Not for us", "That was it", "Hm", "I expected more"};

static phrases company = {"my sister", "two colleagues", "my neighbour",
    "an old friend", "my parents", "the team", "my brother", "a visitor from abroad"};
static phrases visit_form = {"Went for the %s with %s", "Had the %s with %s",
    "Tried their %s together with %s", "Ordered %s, %s joined me",
    "Came for %s with %s", "Ate %s here with %s", "The %s was shared with %s",
    "Stopped for %s with %s"};
static phrases both_form = {"%s and %s", "%s, %s", "%s; also %s", "%s, and %s",
    "%s while %s", "%s \xe2\x80\x93 %s", "%s and then %s", "%s, plus %s"};
static phrases smile = {"\xf0\x9f\x99\x82", "\xf0\x9f\x8d\x9c", "\xf0\x9f\x91\x8d",
    "\xf0\x9f\x98\x8b", "\xf0\x9f\x8c\xb6", "\xe2\x9c\xa8", "\xf0\x9f\x8d\xbd",
    "caf\xc3\xa9 \xc3\xa0 la carte"};

/* Dishes are words of prompts/category.tsv: three a cuisine. */
static const char *const dish[12][3] = {
    {"biryani", "dum biryani", "pulao"}, {"noodles", "fried rice", "dumplings"},
    {"pasta", "lasagna", "risotto"}, {"pizza", "margherita", "calzone"},
    {"burger", "cheeseburger", "burgers"}, {"tacos", "burrito", "nachos"},
    {"sushi", "ramen", "udon"}, {"pad thai", "tom yum", "thai curry"},
    {"kebab", "shawarma", "tandoori"}, {"kimchi", "bibimbap", "bulgogi"},
    {"dosa", "idli", "sambar"}, {"prawns", "fish", "crab"}};

/* Photos by slot: what a cared-for place shows, and a shabby one. Few captions, as captioning
 * models have few: a photo set tells the state of a place, not which place it is. */
static const char *const caption[WORLD_SLOTS][2] = {
    {"a clean bright room with flowers on the tables",
     "a dirty dark room with broken plastic chairs"},
    {"a plate of fresh food with green herbs",
     "a plate of burnt food on a stained table"},
    {"a bright window with flowers and clean white chairs",
     "a dark corner with plastic chairs and dirty walls"},
    {"a bowl of fresh food on a clean table", "a bowl of burnt food on a dirty table"},
    {"a bright clean kitchen with fresh vegetables",
     "a dark dirty kitchen with a broken pan"}};

const char *phrase_caption(int slot, int bad)
{
    return caption[slot][bad];
}

/* ---- sentences; never two draws in one argument list, whose order is the compiler's ---- */

static const char *pick(struct rng *r, phrases list)
{
    return list[rng_below(r, ALTERNATIVES)];
}

static int chance(struct rng *r, uint32_t percent)
{
    return rng_below(r, 100) < percent;
}

/* Fills the two %s of form; formats come from the tables above only. */
static void fill(struct buf *out, const char *form, const char *a, const char *b)
{
    for (int nth = 0; *form; form++) {
        if (form[0] == '%' && form[1] == 's') {
            buf_adds(out, nth++ ? b : a);
            form++;
        } else
            buf_addc(out, *form);
    }
}

/* Ends the sentence that began at from: capital, full stop, gap, and now and then a slip of
 * the fingers. */
static void end_sentence(struct buf *out, size_t from, struct rng *r)
{
    size_t n = out->len - from;
    out->data[from] = (char)toupper((unsigned char)out->data[from]);
    if (chance(r, 5) && n > 8) {
        char *p = out->data + from + 2 + rng_below(r, (uint32_t)(n - 5));
        if (isalpha((unsigned char)p[0]) && isalpha((unsigned char)p[1])) {
            char c = p[0];
            p[0] = p[1];
            p[1] = c;
        }
    }
    buf_adds(out, chance(r, 10) ? "!" : ".");
    buf_adds(out, chance(r, 6) ? "\n" : " ");
}

static void say(struct buf *out, struct rng *r, const char *s)
{
    size_t from = out->len;
    int quoted = chance(r, 2);
    buf_addf(out, quoted ? "\"%s\" is what we said" : "%s", s);
    end_sentence(out, from + (size_t)quoted, r);
}

static void say_both(struct buf *out, struct rng *r, const char *form, const char *a, const char *b)
{
    size_t from = out->len;
    fill(out, form, a, b);
    end_sentence(out, from, r);
}

/* People notice what they care about; the rest only now and then. */
static void say_place(struct buf *out, struct rng *r, const struct world_place *p,
                      const struct world_user *u)
{
    const char *a = pick(r, heat[p->spicy]), *b = pick(r, noise[p->loud]);
    int by_heat = u->taste == TASTE_HEAT || u->taste == TASTE_MILD;
    const char *mine = by_heat ? a : b, *other = by_heat ? b : a;
    if (chance(r, 20))
        say_both(out, r, pick(r, both_form), mine, other);
    else if (chance(r, 20)) {
        say(out, r, other);
        say(out, r, mine);
    } else
        say(out, r, mine);
}

/* People repeat themselves: each user has two sayings, and one of them comes in most reviews. */
static void say_taste(struct buf *out, struct rng *r, const struct world_user *u)
{
    uint32_t nth = (uint32_t)u->index / WORLD_TASTES * 3 + rng_below(r, 2);
    if (chance(r, 90))
        say(out, r, taste[u->taste][nth % ALTERNATIVES]);
}

static void say_visit(struct buf *out, struct rng *r, const struct world_place *p)
{
    const char *form = pick(r, visit_form), *with = pick(r, company);
    say_both(out, r, form, dish[p->cuisine][rng_below(r, 3)], with);
}

static void say_end(struct buf *out, struct rng *r, const struct world_user *u,
                    const struct world_visit *v)
{
    int good = v->rating >= 4;
    if (v->clash && !good)
        say(out, r, pick(r, clash_words[u->taste]));
    else if (!v->clash && good && chance(r, 85))
        say(out, r, pick(r, match_words[u->taste]));
    if (chance(r, 15))
        say(out, r, pick(r, good ? good_end : bad_end));
}

void phrase_review(struct buf *out, const struct world_place *p, const struct world_user *u,
                   const struct world_visit *v, int k)
{
    struct rng r;
    world_rng(&r, STREAM_TEXT, u->index, k);
    int first = chance(&r, 50);
    if (first)
        say_taste(out, &r, u);
    if (chance(&r, 25))
        say_visit(out, &r, p);
    say_place(out, &r, p, u);
    if (chance(&r, 30))
        say(out, &r, pick(&r, speed[p->slow]));
    if (chance(&r, 30))
        say(out, &r, pick(&r, portion[p->small]));
    if (chance(&r, 30))
        say(out, &r, pick(&r, price[p->price]));
    if (!first)
        say_taste(out, &r, u);
    say_end(out, &r, u, v);
    if (chance(&r, 12))
        buf_adds(out, pick(&r, smile));
    while (out->len && (out->data[out->len - 1] == ' ' || out->data[out->len - 1] == '\n'))
        out->data[--out->len] = 0;
}
