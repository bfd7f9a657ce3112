# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "torch==2.15.0", "tokenizers==0.23.3", "model2vec==0.10.0", "sentence-transformers==6.2.0"]
# ///
"""Writes tests/fixtures/spaces: small models with random weights, texts, and their vectors from the reference
libraries.

    pip install numpy==2.4.6 torch==2.15.0 tokenizers==0.23.3 model2vec==0.10.0 sentence-transformers==6.2.0
    python tools/space_fixtures.py

`builtin.npy` is computed from assets/space.bin in NumPy, with the teacher's own tokenizer pipeline over the table's
vocabulary. Vectors are stored in steps of 1/30000 as 16-bit integers.
"""

import json
import random
import struct
import unicodedata
from pathlib import Path

import numpy as np
import torch
from model2vec import StaticModel
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, BertTokenizerFast

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "tests/fixtures/spaces"
WORDS = """where is my parcel the order card account cancel change how do i can you please payment failed twice refund subscription
invoice delivery address late locker code open shop hours weather travel book flight hotel password login reset phone screen broken
naïve café Größe Ångström coöperate 42 3.14 e-mail don't it's (really) "quoted" C++ 100% $5 #7 a/b x_y снег 雪 🙂 überraschung ÉCOLE""".split()


def texts():
    draw = random.Random(11)
    made = [" ".join(draw.choices(WORDS, k=draw.randint(1, 14))) for _ in range(220)]
    odd = ["Where is my parcel?", "WHERE IS MY PARCEL", "a", "tab\there\nand there", "zero\u200bwidth", "soft\u00adhyphen", "x\u0007y",
           "ﬁne ligature", "①②", "İstanbul", "ß", "a" * 150, "word " * 400, "?! what", "don’t “quote”", "1,000.50", "日本語のテキスト"]
    return [text for text in made + odd if any(c.isalnum() for c in text)]


def keep(name, vectors):
    vectors = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    np.save(OUT / f"{name}.npy", np.rint(vectors * 30_000).astype("<i2"))


def word_pieces(vocabulary):
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def small_vocabulary():
    plain = normalizers.BertNormalizer()
    words = {piece for word in WORDS for piece, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(plain.normalize_str(word))}
    characters = sorted({c for word in words for c in word})
    kept = sorted(words)[::2]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *kept, *characters, *("##" + c for c in characters)]
    return {name: row for row, name in enumerate(dict.fromkeys(names))}


def static_models(sample):
    vocabulary = small_vocabulary()
    draw = np.random.default_rng(3)
    vectors = draw.normal(size=(len(vocabulary), 16)).astype(np.float32)
    model = StaticModel(vectors, word_pieces(vocabulary), normalize=True)
    model.save_pretrained(OUT / "model2vec")
    keep("model2vec", model.encode(sample))
    mapping = draw.integers(0, 40, len(vocabulary))
    weights = draw.random(len(vocabulary)).astype(np.float32)
    table = vectors[:40].astype(np.float16)
    model = StaticModel(table, word_pieces(vocabulary), normalize=True, weights=weights, token_mapping=mapping)
    model.save_pretrained(OUT / "model2vec-quantized")
    keep("model2vec-quantized", model.encode(sample))
    for folder in ("model2vec", "model2vec-quantized"):
        for extra in ("README.md", "modules.json"):
            (OUT / folder / extra).unlink(missing_ok=True)


def bert(sample):
    torch.manual_seed(5)
    vocabulary = small_vocabulary()
    folder = OUT / "bert"
    config = BertConfig(vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                        intermediate_size=64, max_position_embeddings=64)
    folder.mkdir(parents=True, exist_ok=True)
    model = BertModel(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer = word_pieces(vocabulary)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])])
    BertTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
                      mask_token="[MASK]", model_max_length=48).save_pretrained(folder)
    transformer = Transformer(str(folder), max_seq_length=48)
    sentences = SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode="mean")], device="cpu")
    vectors = sentences.encode(sample, normalize_embeddings=True, batch_size=1)
    # karat has no vector for a text with only unknown pieces, because it would resemble every other such text.
    known = [any(id not in (1, 2, 3) for id in tokenizer.encode(text).ids) for text in sample]
    keep("bert", vectors * np.array(known)[:, None])
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 48}) + "\n")
    for path in folder.iterdir():
        if path.name not in ("config.json", "tokenizer.json", "model.safetensors", "sentence_bert_config.json"):
            path.unlink()


MASK = (1 << 64) - 1
FUNCTION_WORDS = set()


def fnv(seed, data):
    for byte in data:
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    return seed


def mixed(h):
    h = ((h ^ (h >> 33)) * 0xFF51AFD7ED558CCD) & MASK
    h = ((h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53) & MASK
    return h ^ (h >> 33)


def ngrams(text, size):
    slots = np.zeros(size)
    folded = text.lower() if text.isascii() else "".join(c.lower() for c in unicodedata.normalize("NFKC", text))
    words = "".join(c if c.isalnum() else " " for c in folded).split(" ")

    def add(h, weight):
        slots[(h >> 8) % size] += weight if h & 1 == 0 else -weight

    seed, previous = 0xCBF29CE484222325, None
    for word in filter(None, words):
        weight = 0.15 if word in FUNCTION_WORDS else 1.0
        h = fnv(seed ^ ord("w"), word.encode())
        add(mixed(h), 2.0 * weight)
        if previous:
            add(mixed(fnv(previous[0], h.to_bytes(8, "little"))), 0.7 * max(weight, previous[1]))
        previous = (h, weight)
        marked = "<" + word[:64] + ">"
        for n in (3, 4, 5):
            for at in range(len(marked) - n + 1):
                add(mixed(fnv(seed ^ ord("c"), marked[at : at + n].encode())), 0.6 * weight)
    return slots


def builtin(sample):
    raw = (ROOT / "assets/space.bin").read_bytes()
    assert raw[:8] == b"karatsp1"
    dim, pieces, pairs, slots, weight, length = struct.unpack("<IIIIfI", raw[8:32])
    names = raw[32 : 32 + length].decode().splitlines()
    at = 32 + length
    scales = np.frombuffer(raw, "<f4", pieces + pairs, at)
    table = np.frombuffer(raw, np.int8, offset=at + 4 * len(scales)).reshape(-1, dim) * scales[:, None].astype(np.float64)
    tokenizer = word_pieces({name: row for row, name in enumerate(names)})
    unknown = names.index("[UNK]")
    source = (ROOT / "src/edge/embed/ngrams.rs").read_text()
    block = source.split("const FUNCTION_WORDS: &[&str] = &[")[1].split("];")[0]
    FUNCTION_WORDS.update(word.strip().strip('"') for word in block.replace("\n", " ").split(",") if word.strip())
    rows = []
    for text in sample:
        ids = [id for id in tokenizer.encode(text, add_special_tokens=False).ids if id != unknown]
        learned = table[ids].sum(0) if ids else np.zeros(dim)
        for a, b in zip(ids, ids[1:]):
            h = ((a * 0x9E3779B1) ^ (b * 0x85EBCA77)) & 0xFFFFFFFF
            learned = learned + table[pieces + (h ^ (h >> 15)) % pairs]
        parts = [learned, ngrams(text, slots)]
        parts = [part / (np.linalg.norm(part) or 1.0) for part in parts]
        rows.append(np.concatenate([parts[0], weight * parts[1]]))
    keep("builtin", rows)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    sample = texts()
    (OUT / "texts.json").write_text(json.dumps(sample, ensure_ascii=False, indent=0) + "\n")
    static_models(sample)
    bert(sample)
    builtin(sample)


if __name__ == "__main__":
    main()
