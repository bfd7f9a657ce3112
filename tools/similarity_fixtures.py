# /// script
# requires-python = ">=3.11"
# dependencies = ["rouge-score==0.1.2", "sacrebleu==2.6.0", "rapidfuzz==3.14.6", "nltk==3.10.4", "transformers==4.57.6"]
# ///
"""Writes the reference values of the text metrics.

Run from the repository root, with the versions pinned above:
    python tools/similarity_fixtures.py       # writes tests/fixtures/scoring/similarity.json
Every case contains an answer, references, and the values of rapidfuzz, rouge-score, sacrebleu, nltk, and of the SQuAD
script as included in transformers 4. Metrics of two texts are computed with the first reference; three values are
precision, recall and F1.
"""

import json
import random
from collections import Counter
from pathlib import Path

from nltk.translate.gleu_score import sentence_gleu
from rapidfuzz.distance import Levenshtein
from rouge_score import rouge_scorer
from sacrebleu import sentence_bleu
from sacrebleu.metrics import CHRF
from transformers.data.metrics.squad_metrics import compute_f1, normalize_answer

OUT = Path("tests/fixtures/scoring")
DIGITS = 12

WRITTEN = [
    ("The cat sat on the mat.", ["The cat is on the mat."]),
    ("The cat sat on the mat.", ["The cat sat on the mat."]),
    ("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"]),
    ("", [""]),
    ("", ["not empty"]),
    ("not empty", [""]),
    (" \t\n\u3000\u001c ", ["a"]),
    ("a", ["a"]),
    ("an", ["The"]),
    ("Paris", ["Paris, France", "The city of Paris", "paris"]),
    ("It is a guide to action which ensures that the military always obeys the commands of the party", [
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is the guiding principle which guarantees the military forces always being under the command of the Party",
        "It is the practical guide for the army always to heed the directions of the party",
    ]),
    ("one two three", ["three two one", "one two", "four"]),
    ("a b c d", ["a b c d e f g", "a b", "a b c d e"]),
    ("The U.S. GDP grew 3.5% in Q2, i.e. $1,234.56 bn; that's \"good\" (well-known) -- isn't it?", [
        "U.S. GDP grew by 3.5 % in Q2 -- $1,234.56bn -- and that is 'good' (well known), isn't it?"]),
    ("5-6 or 5 - 6, -7 and 8-, .5 ..5 5.. 5., ,5 1,000.", ["5-6 or 5-6, -7 and 8 -, .5 . .5 5 . . 5., ,5 1000."]),
    ("2020.", ["in 2020.", ".2020"]),
    ("a..b,,c...d.,.e 1..2,,3...4.,.5", ["a.b,c.d.e 1.2,3.4.5"]),
    ("&lt;b&gt;Fish &amp; chips&lt;/b&gt; &quot;hot&quot; &amp;lt;", ["<b>Fish & chips</b> \"hot\" <", "<skipped>&amp;quot;"]),
    ("hyphen-\nated word <skipped>and\nanother line-\n", ["hyphenated word and another line"]),
    ("snake_case and __init__ + x[0] = {1: 'a'} # note @user ~/path^2 |x|", ["snake case and init x[0]={1:'a'} #note @user"]),
    ("First sentence here.\nSecond one follows.\n\nThird and last.", ["Second one follows.\nFirst sentence is here.\nThird."]),
    ("the cat\nthe dog\nthe cat", ["the dog the cat\nthe the"]),
    ("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", ["w1 w2 w3 w4 w5"]),
    ("Das Mädchen aß drei Äpfel in Köln.", ["Das Maedchen ass 3 Äpfel in KÖLN."]),
    ("Où est la bibliothèque ? « Ici », dit-il.", ["Où est la bibliothèque? \"Ici\", dit-il…"]),
    ("Москва — столица России, не так ли?", ["Столица России — Москва.", "Москва"]),
    ("Ο ΟΔΥΣΣΕΥΣ ΓΥΡΙΣΕ ΣΤΗΝ ΙΘΑΚΗ.", ["ο Οδυσσεύς γύρισε στην Ιθάκη"]),
    ("东京是日本的首都，人口约1400万。", ["日本的首都是东京。", "東京"]),
    ("我喜欢Python 3.11，真的！“很好”", ["我很喜欢 Python3.11 , 真的 !"]),
    ("東京タワーは高さ333メートルです。", ["東京タワーの高さは333mです。"]),
    ("대한민국의 수도는 서울이다.", ["서울은 대한민국의 수도입니다."]),
    ("عاصمة مصر هي القاهرة، أليس كذلك؟", ["القاهرة هي عاصمة مصر."]),
    ("הבירה של ישראל היא ירושלים", ["ירושלים היא בירת ישראל"]),
    ("भारत की राजधानी नई दिल्ली है।", ["नई दिल्ली भारत की राजधानी है।"]),
    ("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย", ["เมืองหลวงของไทยคือกรุงเทพ"]),
    ("I ❤️ 🍕 and 👩‍👩‍👧 👍🏽!", ["I love 🍕🍕 and 👨‍👩‍👧 👍", "🍕"]),
    ("cafe\u0301 a\u0301 the\u0301 re\u0301sume\u0301", ["café á thé résumé"]),
    ("\u0301\u0302\u0303", ["\u0301"]),
    ("K İstanbul ﬁne ½ ① Ⅻ ⓐ a ⓐ the² an_a", ["k istanbul fine 1/2 1 XII a the an a"]),
    ("“the” ‘a’ —an— the’s a-an-the A.N. The", ["\"the\" 'a' the's aanthe an the"]),
    ("zero\u200bwidth soft\u00adhyphen nul\u0000byte nbsp\u00a0here line\u2028sep unit\u001fsep", ["zero width soft hyphen nul byte nbsp here"]),
    ("x" * 300, ["x" * 257 + "y" * 10]),
    ("ab" * 70, ["ba" * 65]),
    ("no no no yes " * 12, ["yes no " * 20]),
    ("¿Qué? ¡No!", ["Que? No!", "¿Qué?"]),
    ("１２３ＡＢＣ，全角", ["123ABC, 全角"]),
    ("(hi) \"quoted\" ,comma 'tis rock'n'roll ! !! a.", ["hi quoted comma tis rock'n'roll !!! .a"]),
]

WORDS = """the a an The quick brown fox jumps over lazy dog answer is 42 3.14 1,000 yes no not Paris London U.S. e.g. don't it's well-known
(maybe) "quoted" C++ 100% $5 #7 a/b x_y end. stop, wait; what? stop! ... -- &amp; naïve café Größe снег Москва 雪 東京 東京都。 你好， 안녕 مرحبا
नमस्ते 🙂 👍🏽 5-6 state-of-the-art 'tis 2020. .5 ,""".split()


def rounded(values):
    return [round(float(v), DIGITS) for v in values]


class Words:
    def tokenize(self, text):
        return text.split()


def rouge(candidate, reference, names, tokenizer=None):
    scores = rouge_scorer.RougeScorer(names, use_stemmer=False, tokenizer=tokenizer).score(reference, candidate)
    return [rounded(scores[name]) for name in names]


def squad(candidate, reference):
    """As in the script for SQuAD 1.1; that of transformers is for 2.0, which gives 1 if both texts have no words."""
    ours, theirs = normalize_answer(candidate).split(), normalize_answer(reference).split()
    same = sum((Counter(ours) & Counter(theirs)).values())
    if not same:
        assert not ours or not theirs or compute_f1(reference, candidate) == 0
        return [0.0, 0.0, 0.0]
    return rounded([same / len(ours), same / len(theirs), compute_f1(reference, candidate)])


def case(candidate, references):
    first = references[0]
    rouge1, rouge2, rouge5, rouge_l, rouge_lsum = rouge(
        candidate, first, ["rouge1", "rouge2", "rouge5", "rougeL", "rougeLsum"])
    words1, words_l, words_lsum = rouge(candidate, first, ["rouge1", "rougeL", "rougeLsum"], Words())
    bleu = [
        sentence_bleu(candidate, references, tokenize=name, smooth_method="exp", use_effective_order=True).score / 100
        for name in ("13a", "intl", "zh", "char")
    ]
    chrf = [CHRF(word_order=order).sentence_score(candidate, references).score / 100 for order in (0, 2)]
    return {
        "candidate": candidate,
        "references": references,
        "levenshtein": [Levenshtein.distance(candidate, first),
                        *rounded([Levenshtein.normalized_similarity(candidate, first)])],
        "rouge": [rouge1, rouge2, rouge5, rouge_l, rouge_lsum],
        "rouge_words": [words1, words_l, words_lsum],
        "bleu": rounded(bleu),
        "chrf": rounded(chrf),
        "gleu": rounded([sentence_gleu([r.split() for r in references], candidate.split())])[0],
        "squad": squad(candidate, first),
        "normalized": normalize_answer(candidate),
    }


def edited(draw, words):
    words = list(words)
    for _ in range(draw.randint(0, len(words) // 2 + 1)):
        at = draw.randrange(len(words) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            words.insert(at, draw.choice(WORDS))
        elif kind == 1 and words:
            del words[at - 1]
        elif kind == 2 and words:
            words[at - 1] = draw.choice(WORDS)
        else:
            words[at:] = reversed(words[at:])
    return words


def joined(draw, words):
    return "".join(word + draw.choice([" ", " ", " ", " ", "", "\n", ", "]) for word in words)


def drawn(count):
    draw, pairs = random.Random(31), []
    for _ in range(count):
        words = draw.choices(WORDS, k=draw.randint(1, 25))
        references = [joined(draw, edited(draw, words)) for _ in range(draw.choice([1, 1, 2, 3]))]
        pairs.append((joined(draw, words), references))
    return pairs


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(case(*pair), ensure_ascii=False) for pair in WRITTEN + drawn(50)]
    (OUT / "similarity.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
