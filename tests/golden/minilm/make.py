# Goldens of lib/model/minilm: tiny random BERT checkpoints with vectors by transformers, and
# vectors of sentences.txt by sentence-transformers with the real weights.
# usage, from the repository root: python3 tests/golden/minilm/make.py MODEL_DIR
# SPDX-License-Identifier: MIT
import json, os, shutil, sys
import numpy as np, torch, transformers, sentence_transformers
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB = os.path.join(HERE, '..', 'wordpiece', 'small_vocab.txt')
WORDS = [w.rstrip('\n') for w in open(VOCAB, encoding='utf-8')]
LINES = [s.rstrip('\n') for s in open(os.path.join(HERE, 'sentences.txt'), encoding='utf-8')]


def tiny(seed=7):
    """2 layers, 2 heads of 16; weights far from the usual 0.02, so that every part matters."""
    torch.manual_seed(seed)
    config = BertConfig(vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2,
                        num_attention_heads=2, intermediate_size=80, max_position_embeddings=64,
                        hidden_act='gelu', layer_norm_eps=1e-12)
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if 'LayerNorm.weight' in name:
                p.copy_(1 + 0.3 * torch.randn_like(p))
            else:
                p.copy_(0.4 * torch.randn_like(p))
    return model, config


def save(model, config, folder, dtype, prefix):
    os.makedirs(folder, exist_ok=True)
    tensors = {prefix + k: v.to(dtype).contiguous() for k, v in model.state_dict().items()
               if 'position_ids' not in k and 'token_type_ids' not in k}
    save_file(tensors, os.path.join(folder, 'model.safetensors'), metadata={'format': 'pt'})
    keep = ['vocab_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads',
            'intermediate_size', 'max_position_embeddings', 'hidden_act', 'layer_norm_eps']
    with open(os.path.join(folder, 'config.json'), 'w') as f:
        json.dump({'model_type': 'bert', **{k: getattr(config, k) for k in keep}}, f, indent=1)
    shutil.copy(VOCAB, os.path.join(folder, 'vocab.txt'))
    # after loading back: what the stored numbers mean
    model.load_state_dict({k: v.to(dtype).float() for k, v in model.state_dict().items()})


def pooled(hidden):
    v = hidden.mean(dim=1)
    return torch.nn.functional.normalize(v, dim=1)[0].numpy()


def tiny_vectors(model, tok):
    """[depth 0..2][sentence][32]: after the embedding, and after each block."""
    out = []
    with torch.no_grad():
        for s in LINES:
            ids = torch.tensor([tok(s, truncation=True, max_length=64)['input_ids']])
            h = model(ids, output_hidden_states=True).hidden_states
            out.append([pooled(x) for x in h])
    return np.array(out, dtype=np.float32).transpose(1, 0, 2)


def main():
    tok = BertTokenizerFast(vocab=VOCAB, do_lower_case=True)
    for name, dtype, prefix in (('tiny-f32', torch.float32, ''), ('tiny-bf16', torch.bfloat16, 'bert.'),
                                ('tiny-f16', torch.float16, '')):
        model, config = tiny()
        save(model, config, os.path.join(HERE, name), dtype, prefix)
        tiny_vectors(model, tok).astype('<f4').tofile(os.path.join(HERE, name, 'vectors.f32'))
    real = sentence_transformers.SentenceTransformer(sys.argv[1], device='cpu')
    v = real.encode(LINES, batch_size=1, convert_to_numpy=True)
    v.astype('<f4').tofile(os.path.join(HERE, 'real.f32'))
    with open(os.path.join(HERE, 'real-ids.txt'), 'w') as f:
        t = AutoTokenizer.from_pretrained(sys.argv[1])
        for s in LINES:
            f.write(json.dumps(t(s, truncation=True, max_length=256)['input_ids'],
                               separators=(',', ':')) + '\n')
    with open(os.path.join(HERE, 'VERSIONS'), 'w') as f:
        f.write(f'python {sys.version.split()[0]}\ntorch {torch.__version__}\n'
                f'transformers {transformers.__version__}\n'
                f'sentence-transformers {sentence_transformers.__version__}\n')


main()
