# SPDX-License-Identifier: MIT
"""Texts that tokenisers stumble over: (what, head bytes, times, tail bytes); the text is head
repeated `times` times, then tail."""
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def cases():
    out = []

    def add(what, *texts):
        for t in texts:
            out.append((what, t.encode() if isinstance(t, str) else t, 1, b""))

    def many(what, head, times, tail=""):
        enc = lambda t: t.encode() if isinstance(t, str) else t
        out.append((what, enc(head), times, enc(tail)))

    add("empty and blank", "", " ", "  ", "\t", "\n", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x1f",
        "\x85", "\xa0", "\u1680", "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a",
        "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u180e", "\u200b", "\ufeff", " \t\r\n a \t\r\n ")
    for c in "\t\n\v\f\r\x1c\x1f\x85\xa0\u1680\u180e\u2003\u200b\u2028\u202f\u205f\u2060\u3000\ufeff":
        add("between words", f"ab{c}cd")
    add("plain", "The food was great.", "It's a café", "don't", "can't won't shan't", "ALL CAPS", "MiXeD",
        "e-mail@example.com", "http://a.b/c?d=e&f=g#h", "3.14", "1,000,000", "50%", "$5", "a+b=c", "x^2",
        "``quoted''", "~`|<>{}\\", "!!!???...", "a.b.c", "...a", "unbelievably", "supercalifragilistic",
        "biryani", "the the the", "a b c d e f g h i j k l m n o p q r s t u v w x y z", "0123456789",
        "5th 21st", "C++", "#1", "##ing", "## ing", "a##b", "[unused0]", "[unused1]", "_x_", "x_y")
    add("accents", "résumé", "re\u0301sume\u0301", "Ångström", "A\u030angstro\u0308m", "naïve façade", "ÀÉÎÕÜ",
        "øł đß æœ ıİ ŉ ǆ", "I\u0307stanbul", "İstanbul", "ﬁ ﬂ ﬀ", "Ｆｕｌｌ　Ｗｉｄｔｈ", "½ ¼ ² ³ ™ ℠", "Σίσυφος ΣΊΣΥΦΟΣ",
        "ὈΔΥΣΣΕΎΣ ᾳ ᾼ ῼ ΐ", "ЁЖИК йод Й", "ǅ ǈ ǋ ǲ", "ẞ ß", "K Å Ω", "ſ", "Ǆungla", "ꙭ Ꙭ", "Ა ა", "Ꭰ ꭰ Ᏸ ᏸ")
    add("Vietnamese", "Phở bò tái chín", "Bún chả Hà Nội", "Tiếng Việt có dấu", "ĐƯỜNG PHỐ", "Đ đ Ơ ơ Ư ư",
        "ệ", "e\u0323\u0302", "e\u0302\u0323", "ẨẪẬẮẰẲẴẶ")
    add("CJK", "中文", "a中b", "中a文", "日本語テスト", "東京2020年", "㐀㐁", "𠀀𠀁", "𪜀", "𫝀", "𫠠", "𬺰", "𰀀", "豈", "﨎", "丽",
        "\U0002b81f\U0002b820", "\U0002b91f\U0002b920", "\U0002ceaf\U0002ceb0", "\u3400\u33ff", "\u4dbf\u4dc0",
        "\u4dff\u4e00", "\u9fff\ua000", "\ufaff\ufb00", "\U0002a6df\U0002a6e0", "\U0002a6ff\U0002a700",
        "\U0002b73f\U0002b740", "\U0002fa1f\U0002fa20", "、。「」", "〇", "々", "⺀⼀", "ｶﾞ", "が", "か\u3099", "パ ﾊﾟ",
        "あいうえお", "カタカナ", "ー", "㍿", "Ⅳ ⅳ Ⓐ ⓐ")
    add("Hangul", "한국어", "각", "ᄀ\u1161\u11a8", "가\u11a8", "힣", "ㄱㅏ", "김치찌개 맛있다", "\ud7b0", "\ua960")
    add("Indic and Thai", "हिन्दी", "क़ ख़", "தமிழ்", "கொ", "ไทย", "ภาษาไทย", "বাংলা ো", "ಕೋ", "മൊ", "ෝ", "བོད་སྐད", "གྷ",
        "မြန်မာ", "ខ្មែរ", "ॐ।॥", "\u09c7\u09be")
    add("right to left", "שלום", "שָׁלוֹם", "مرحبا", "مُحَمَّد", "أإآ", "؟،؛", "ﷺ", "ﻻ", "\u202bab\u202c", "\u200fab\u200e", "\u061c")
    add("emoji", "😋", "yum😋", "pizza🍕🍕!", "👨‍👩‍👧‍👦", "👍🏽", "🏳️‍🌈", "🇮🇳", "1️⃣", "❤️", "❤", "☺️ ☹", "⭐⭐⭐⭐⭐", "✨great✨",
        "\U0001fae0", "\U0001f9ff!", "🤌🏿.", "#️⃣")
    add("invisible", "soft\u00adhyphen", "zero\u200bwidth", "no\u2060break", "joi\u200dner", "non\u200cjoiner", "\ufeffbom",
        "bom\ufeff", "a\u034fb", "\u2061\u2062\u2063", "a\ufe0fb", "a\U000e0100b", "a\U000e0041b", "\u115f\u1160\u3164\uffa0",
        "a\u180eb", "a\u2066b\u2069")
    add("control", "a\x00b", "\x00", "a\x00\x00 b", "\x01\x02", "a\x07b", "a\x1bb", "a\x7fb", "\x80\x81".encode(),
        "a\x9fb", "a\x08b")
    add("not characters", "\ufffd", "a\ufffdb", "\ufffe", "a\uffffb", "\ufdd0", "\U0001fffe", "\U0010ffff", "\ue000",
        "a\uf8ffb", "\U000f0000", "\U0010fffd", "\u0378", "a\u0378b", "\U000e0fff", "\ufff9\ufffa\ufffb\ufffc")
    add("stacked marks", "a\u0301\u0302\u0303\u0304", "Z\u0351\u036b\u0343\u036a", "\u0301", "\u0301a", " \u0301 ", "a \u0301b",
        "\u0344", "a\u0344b", "q\u0307\u0323", "q\u0323\u0307", "a\u302e\u302f", "a\u302f\u302eb", "\u1d15e\u1d165",
        "\U0001d15e", "\U0001d160\U0001d16d\U0001d165", "a\U0001d165\u1b44", "a\u1b44\U0001d165\u0f71\u1b44",
        "a\U0001d165\u034f\u1b44", "a\U0001d165\u00ad\u1b44", "a\U0001d165\u0301\u1b44", "a\u08d4\u1bf2\ua953",
        "\u0340\u0341\u0343\u0374", "\u20dd\u20de", "x\u0488\u0489", "\u0338=", "=\u0338", "≠", "<\u0338", "`\u1fef", "\u037e", "\u0387", "·")
    many("stacked marks", "a" + "\u0301" * 50, 3)
    many("stacked marks", "\u0316", 500, "b")
    many("stacked marks", "\U0001d165\u1b44", 49, "bc")
    many("stacked marks", "\U0001d165\u1b44", 60, "bc d")
    for n in (99, 100, 101, 200, 10000):
        for unit in ("a", "é", "ß", "한", "中", "😋", "e\u0301", "\u00ada", "a\u200b", "İ"):
            many("long word", unit, n, " end")
        many("long word", "a", n, ".b")
        many("long word", "ab", n // 2, "c d")
        many("long word", "a", n, "\u0301 d")
        many("long word", "-", n)
    for bad in (b"\x80", b"\xbf", b"\x80\x80\x80", b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc2", b"\xc2a", b"\xc3\xc3\xa9",
                b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe0\xa0", b"\xe2\x82", b"\xe2\x82a", b"\xe2\x82\xe2\x82\xac", b"\xed\xa0\x80",
                b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x8b", b"\xf0\x80\x80\x80", b"\xf0\x82\x82\xac", b"\xf0\x9f\x98", b"\xf0\x9f\x98a",
                b"\xf0\x9f", b"\xf0", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80",
                b"\xfe", b"\xff", b"\xff\xfe", b"\xfe\xff", b"\xf0\x90\x28\xbc", b"\xf0\x28\x8c\x28", b"\xe1\x80\xe1\x80\x80"):
        add("not UTF-8", bad, b"ab" + bad, bad + b"ab", b"ab" + bad + b"cd", b"a " + bad + b" b")
    add("not UTF-8", b"[MA\xffSK]", b"[MASK\xc2]", b"\xc2[MASK]", b"caf\xe9", b"caf\xe9 ol\xe9", "“smart”".encode("utf-16-le"))
    for s in SPECIAL:
        add("special", s, f"a{s}b", f" {s} ", f"a {s} b", f"{s}{s}", s.lower(), s.title(), s[:-1], s[1:], f"[{s}]", s + "]",
            "[" + s, f"é{s}é", f"中{s}文", f"{s}\u0301", f"a\U0001d165{s}\u1b44", f"a\u00ad{s}", s[:3] + "\u00ad" + s[3:],
            s[:3] + "\x00" + s[3:], s[:3] + " " + s[3:], "".join(chr(ord(c) + 0xfee0) for c in s), s + "ing", "un" + s)
    add("special", "".join(SPECIAL), " ".join(SPECIAL), "[MASK[MASK]MASK]", "[[[[", "]]]]", "[]", "[ MASK ]", "[CLS][SEP", "[CLS]\n[SEP]")
    many("special", "a" * 120, 1, "[MASK]" + "b" * 120)
    for n in (253, 254, 255, 256, 257, 300):
        many("truncation", "the ", n)
        many("truncation", "the ", n, "[SEP]")
        many("truncation", "中", n)
        many("truncation", ".", n, "x")
        many("truncation", "[MASK]", n)
    for n in (251, 252, 253, 254):
        many("truncation in a word", "the ", n, "unbelievablyxyzzy the")
        many("truncation in a word", "the ", n, "unbelievably😋 the")
        many("truncation in a word", "the ", n, "abcdefgh\u00e9ijkl中 x")
        many("truncation in a word", "the ", n, "ab" * 51)
    return out
