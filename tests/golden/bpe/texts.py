# SPDX-License-Identifier: MIT
"""Texts of our own: captions, what the small vocabulary is trained on, and what tokenisers stumble
over. A case is (what, head bytes, times, tail bytes): head repeated `times` times, then tail."""

ADDED = ["<pad>", "</s>", "<image>"]
PLAIN = ["<s>", "<unk>", "<mask>", "madeupword0000"]

CAPTIONS = """a plate of food with meat, potatoes and green beans
a bowl of noodle soup with a boiled egg on top
two slices of pizza on a wooden board next to a glass of beer
a restaurant with tables and chairs under a red awning
a woman is sitting at a table with a cup of coffee
a close up of a chocolate cake with strawberries
a plate of biryani with a side of raita and salad
three tacos with lime and cilantro on a paper tray
a man in a white apron cutting a roast
the menu of a small cafe written on a blackboard
a burger and french fries in a basket
a tray of sushi rolls with wasabi and ginger
grilled chicken wings with a dip
a buffet with many dishes and silver pans
a cocktail with an orange slice and a straw
a bakery shelf full of bread, rolls and croissants
people waiting in line in front of an ice cream shop
a plate with a half-eaten sandwich
a kitchen with pots hanging over the stove
a dog is lying under a restaurant table
a bowl of fruit salad with kiwi, melon and grapes
a waiter is carrying a tray with four drinks
a fish dish served on a banana leaf
an empty dining room with candles on the tables
a cup of tea with milk beside two samosas
a stack of pancakes with syrup and butter
a close up of a curry in a copper bowl
the front of a restaurant at night with a neon sign
a table set for two with a view of the sea
a pot of fondue with bread and pickles
a birthday cake with a number 7 candle on it
a plate of dumplings with soy sauce
a person is pouring wine into a glass
fried rice with shrimp, peas and 2 fried eggs
a salad with tomatoes, olives, and feta cheese
a man and a woman eating noodles with chopsticks
a counter with jars of spices and dried chillies
an outdoor seating area with umbrellas
a thali with rice, dal, vegetables and pickle
a sandwich cut in half with tomato and mozzarella
a bar with bottles on the shelves behind it
a child is holding an ice cream cone
a receipt on a table next to a pen: total $45.60
the chef's special of the day, a lobster with butter
a plate of pasta with a sprig of basil
a street food stall with steam rising from the pots
it's a pizza with mushrooms, isn't it?
a plate of kebabs with onions and naan bread
a parking lot in front of a restaurant
the interior of a restaurant with a large chandelier
a hand is holding a cup of bubble tea
a row of colourful macarons in a glass case
a breakfast with eggs, bacon, toast and orange juice
a dessert with whipped cream and caramel sauce
an old wooden door with the word "open" on it
a table full of dishes seen from above
a piece of steak with a knife and fork
a plate of oysters on ice with lemon wedges
a group of friends are toasting with glasses of wine
a menu with prices in euros and dollars
a bowl of ramen with pork belly, corn and seaweed
a vending machine with drinks and snacks
a cook is tossing vegetables in a wok over a flame
a mug that says "we're open 24/7"
""".splitlines()

# For training only: words and letters that the captions lack.
PROSE = """We'd gladly come again: the starters came quickly and our waiter kept the glasses filled.
I've never had a better biryani, they're proud of it and they'll tell you so. I'm sure it's the best.
Don't go there on a Sunday; you can't get a table and the service isn't great. He'd ask, she'd wait.
The bill was 1,250 rupees for 4 people, about 15 dollars. Call 040-2355 1999 or write to us!
Très bon repas à la crêperie, l'équipe était aimable; le café coûtait 3,50 €. Déjà vu, naïve, façade.
Größe, Gemüse, Brötchen, Käse, süß und schön. Señor, mañana, ¿qué tal? Ação, pão, coração.
Привет, вкусная еда и хороший сервис, спасибо! Очень вкусно, рекомендую всем.
这家餐厅的菜很好吃，服务也很周到，下次还会再来。味道很好，价格便宜。
おいしいラーメンと寿司を食べました。とてもおいしいです。ありがとう。
김치찌개 맛있다. 비빔밥도 맛있어요. 안녕하세요.
खाना बहुत अच्छा था। स्वाद लाजवाब। مطعم جميل والطعام لذيذ. אוכל טעים מאוד.
อาหารอร่อยมาก ราคาไม่แพง  Phở bò tái chín, bún chả Hà Nội.
😋😋 🍕🍕 🍜 👍 ❤️ ⭐⭐⭐⭐⭐ 👨‍👩‍👧 🔥🔥
    def serve(plate):
        return plate + 1    # four blanks and more
--- *** ... !!! ??? === ### ((( ))) [[ ]] {{ }} // \\\\ "" '' -- ——
one  two   three    four\n\n\nfive\t\tsix\r\n
"""


def cases():
    out = []

    def add(what, *texts):
        for t in texts:
            out.append((what, t.encode() if isinstance(t, str) else t, 1, b""))

    def many(what, head, times, tail=""):
        enc = lambda t: t.encode() if isinstance(t, str) else t
        out.append((what, enc(head), times, enc(tail)))

    add("caption", *CAPTIONS)
    add("empty and blank", "", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", " \n ", "\v\f", "\x85", "\xa0",
        "\u1680", "\u2000\u200a", "\u2028\u2029", "\u202f\u205f\u3000", "\u180e", "\u200b", "\ufeff", "\x1c\x1d\x1e\x1f")
    for c in " \t\n\r\v\f\x1c\x1f\x85\xa0\u1680\u180e\u2003\u200b\u2028\u202f\u205f\u2060\u3000\ufeff":
        add("between words", f"ab{c}cd", f"ab{c}{c}cd", f"ab {c}cd", f"ab{c} cd", f"{c}ab", f"ab{c}", f"1{c}!", f"{c}'s")
    add("blanks", "a  b", "a   b", "a    b", "  a", "   a", "a  ", "a \n b", "a\n\nb", "a \t b", "a\u3000 b", "a \u3000b",
        "  1", "  !", "  's", " 's", "\u3000\u3000a", "a\r\n\r\nb", " . , ", "a .b ,c")
    for c in ("s", "t", "re", "ve", "m", "ll", "d", "S", "T", "RE", "VE", "M", "LL", "D", "l", "r", "v", "x", "e", "é", "", "1", "'", " "):
        add("contraction", f"it'{c}", f"it '{c}", f"''{c}", f"a'{c}b", f"\n'{c}", f"'{c}'{c}")
    add("contraction", "it\u2019s", "1's 2", "!'s", " 's ", "'s\u0301", "'s's", "'S", "'\u017f")
    add("plain", "The food was great.", "don't", "can't won't shan't", "I'd've", "y'all'd've", "ALL CAPS", "MiXeD", "a@b.com",
        "http://a.b/c?d=e&f=g#h", "3.14", "1,000,000", "50%", "$5", "a+b=c", "x^2", "``quoted''", "~`|<>{}\\", "!!!???...", "a.b.c",
        "...a", "a...", "biryani", "the the the", "0123456789", "5th 21st", "C++", "#1", "_x_", "x_y", "a1b2", "1a", "a-b", "I like you.")
    add("numbers", "٣٤٥", "१२३", "๑๒๓", "½ ¼ ² ³", "Ⅳ ⅳ", "①②", "㊀", "〇一二", "1٣a", "൪", "\U0001d7ce\U0001d7ff", "𐄇", "12\u0660", "१ 2", "² 2", "x²")
    add("letters", "résumé", "re\u0301sume\u0301", "Ångström", "A\u030angstro\u0308m", "naïve façade", "øł đß æœ ıİ ŉ ǆ", "ﬁ ﬂ", "Ｆｕｌｌ　Ｗｉｄｔｈ",
        "Σίσυφος", "ЁЖИК", "ª º µ", "ʰ ˀ ʼ", "ː", "ǅ", "Phở bò tái", "中文", "a中b", "日本語テスト", "東京2020年", "𠀀𠀁", "\U00032000", "々〆", "ー", "한국어",
        "ᄀ\u1161\u11a8", "हिन्दी", "क़", "தமிழ்", "ไทย", "བོད་སྐད", "မြန်မာ", "שָׁלוֹם", "مُحَمَّد", "أإآ", "؟،؛", "ﷺ", "\u0640", "ʻokina", "Ꭰꭰ")
    add("emoji", "😋", "yum😋", "pizza🍕🍕!", "👨\u200d👩\u200d👧\u200d👦", "👍🏽", "🏳️\u200d🌈", "🇮🇳", "1️⃣", "❤️", "☺️ ☹", "⭐⭐⭐⭐⭐", "✨great✨", "\U0001fae0", " 😋 😋", "#️⃣", "a 😋b")
    add("invisible", "soft\u00adhyphen", "zero\u200bwidth", "joi\u200dner", "non\u200cjoiner", "\ufeffbom", "a\u034fb", "a\ufe0fb", "a\U000e0100b", "\u115f\u1160\u3164\uffa0")
    add("control", "a\x00b", "\x00", "\x00\x00 a", "\x01\x02", "a\x1bb", "a\x7fb", "a\x9fb", " \x00", "\x00's")
    add("not characters", "\ufffd", "a\ufffdb", "\ufffe", "a\uffffb", "\ufdd0", "\U0010ffff", "\ue000", "\U000f0000", "\u0378", "a\u0378b")
    add("marks", "a\u0301\u0302\u0303", "\u0301", "\u0301a", " \u0301 ", "a \u0301b", "\u0344", "1\u0301", "!\u0301", "\u20dd", "x\u0488")
    add("replaced", "Ġ", "ĠĠa", "Ċ", "aĠb", "Ńń", "¡", "Ã©", "Ġthe")
    add("tidied", "a plate of food with meat , potatoes", "why ? because ! ok .", "do n't", "I 'm", "it 's", "they 've", "they 're", "a ' b", "a ' ' b",
        "a ' ' ' b", " .  , ", " ...", " . .", " ,.", " 'mess", "  n't", " ' s", " ' '", "' ' ", " '  ' ", " n'tn't", " .\u3000", "\x1c a \x1f", "\x85a\xa0", "\u200b a")
    for s in ADDED + PLAIN:
        add("added", s, f"a{s}b", f" {s} ", f"a {s} b", f"a  {s}  b", f"{s}{s}", f"{s} {s}", s.upper(), s[:-1], s[1:], "<" + s, s + ">", f"é{s}é",
            f"中{s}文", f"{s}\u0301", f"\u0301{s}", s[:3] + "\x00" + s[3:], s[:3] + " " + s[3:], s + "ing", "un" + s, f"it{s}'s", f"\n{s}\n", f"\u3000{s}\u3000")
    add("added", "".join(ADDED), " ".join(ADDED), "<image><image></s>Question: what is this? Answer:", "<<<<", ">>>>", "</", "</s", "<image", "</s></s")
    for bad in (b"\x80", b"\xbf", b"\x80\x80\x80", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc3\xc3\xa9", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe0\xa0", b"\xe2\x82",
                b"\xe2\x82\xe2\x82\xac", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x8b", b"\xf0\x80\x80\x80", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xf0", b"\xf4\x90\x80\x80",
                b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xff\xfe", b"\xf0\x90\x28\xbc", b"\xf0\x28\x8c\x28", b"\xe1\x80\xe1\x80\x80"):
        add("not UTF-8", b"ab" + bad, bad + b"ab", b"<pad>" + bad + b"</s>")
    add("not UTF-8", b"</\xffs>", b"<pad\xc2>", b"\xc2</s>", b"caf\xe9 ol\xe9", b"\x00\xff\x00", "“smart”".encode("utf-16-le"))
    for n in (63, 64, 65, 66, 127, 200, 1000, 5000):
        for unit in ("a", "e", "é", "中", "😋", " ", "\n", "!", ".", "1", "ab", "the", "…", "aa b"):
            many("long", unit, n)
        many("long", "a", n, " end")
        many("long", " ", n, "end")
        many("long", "\n", n, "\n end")
        many("long", " ' ", n, ".")
        many("long", "</s>", n)
    return out
