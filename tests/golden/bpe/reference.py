# SPDX-License-Identifier: MIT
"""The reference: Hugging Face's GPT-2 tokeniser with the settings of OPT, behind a Blip2Processor;
and vocabularies for it, laid out like OPT's."""
import json, os, random
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, Blip2Processor, BlipImageProcessorPil

transformers.logging.set_verbosity_error()
_token = lambda s: dict(content=s, single_word=False, lstrip=False, rstrip=False, normalized=True, __type="AddedToken")
# What the tokenizer_config.json of OPT says.
CONFIG = dict(errors="replace", unk_token=_token("</s>"), bos_token=_token("</s>"), eos_token=_token("</s>"),
              pad_token=_token("<pad>"), add_prefix_space=False, add_bos_token=True, tokenizer_class="GPT2Tokenizer")
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())


def lay_out(pieces, fixed={}):
    """Ids as in OPT: four tokens, pieces in another order than that of the merges, made-up words,
    <mask>. fixed: ids that some pieces must have."""
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, **fixed}
    rest = [p for p in pieces if p not in vocab]
    random.Random(1).shuffle(rest)
    used, i = set(vocab.values()), 4
    for p in rest + [f"madeupword{k:04d}" for k in range(3)] + ["<mask>"]:
        while i in used:
            i += 1
        vocab[p] = i
        i += 1
    return vocab


def write(folder, vocab, merges):
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/vocab.json", "w", newline="") as f:
        json.dump(dict(sorted(vocab.items(), key=lambda x: x[1])), f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    with open(f"{folder}/merges.txt", "w", newline="") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def train(text, size):
    """(pieces, merges)"""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator([text], trainers.BpeTrainer(vocab_size=size, initial_alphabet=ALPHABET, show_progress=False))
    model = json.loads(t.to_str())["model"]
    return list(model["vocab"]), [tuple(m) for m in model["merges"]]


class Reference:
    def __init__(self, folder):
        """Reads vocab.json and merges.txt of the folder."""
        config = f"{folder}/tokenizer_config.json"
        with open(config, "w") as f:
            json.dump(CONFIG, f)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        os.remove(config)
        self.t = Blip2Processor(BlipImageProcessorPil(), tokenizer).tokenizer
        assert type(self.t).__name__ == "GPT2Tokenizer" and self.t.is_fast
        assert self.t("a").input_ids[0] == 2 and self.t.all_special_tokens == ["</s>", "<pad>"]

    def ids(self, texts):
        """texts: bytes, decoded as Python does."""
        return self.t([t.decode("utf-8", "replace") for t in texts], add_special_tokens=False).input_ids if texts else []

    def text(self, ids):
        return self.t.decode(ids, skip_special_tokens=True).encode()

    def tidy(self, ids):
        return self.t.clean_up_tokenization(self.t.decode(ids, skip_special_tokens=True)).strip().encode()
