# /// script
# requires-python = ">=3.11"
# dependencies = ["model2vec[distill]==0.10.0", "torch==2.15.0"]
# ///
"""Makes a plain Model2Vec distillation of the teacher, with which the built-in embedding space is compared.

    pip install "model2vec[distill]==0.10.0" torch==2.15.0
    python tools/space/plain.py FOLDER
"""

import sys
import tempfile
from pathlib import Path

from model2vec.distill import distill_from_model
from transformers import BertConfig, BertModel, BertTokenizerFast

from teacher import Teacher, folder

CONFIG = dict(vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)


def main(target):
    model = BertModel(BertConfig(**CONFIG), add_pooling_layer=False)
    missing = model.load_state_dict(Teacher().weights, strict=False).missing_keys
    assert all("position_ids" in name for name in missing), missing
    with tempfile.TemporaryDirectory() as place:
        tokenizer = BertTokenizerFast(tokenizer_file=str(folder() / "tokenizer.json"))
        distill_from_model(model, tokenizer, pca_dims=256, device="cpu").save_pretrained(target)
    for extra in ("README.md", "modules.json"):
        (Path(target) / extra).unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1])
