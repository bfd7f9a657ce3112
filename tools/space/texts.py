# /// script
# requires-python = ">=3.11"
# dependencies = ["PyYAML==6.0.3"]
# ///
"""Collects the general English text to which the built-in embedding space is fitted: one sentence or utterance per
line.

    python tools/space/texts.py SOURCES texts.txt

SOURCES is a folder with the bare git clones (`git clone --bare URL NAME.git`) and the unpacked Debian packages (`dpkg
-x FILE.deb NAME`) listed in GIT and DEBIAN below, at the versions given there. No source is an intent-classification
set. Texts have 2 to 40 words and are used once (comparing letters and digits, ignoring case), in the order of their
digests, with requests assembled from frames last, so that the same sources give the same bytes.
"""

import csv
import gettext
import hashlib
import html
import io
import itertools
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import yaml

GIT = {
    "OPUS-MT-testsets": ("github.com/Helsinki-NLP/OPUS-MT-testsets", "ac0f19c0be3cb4e0d9450fcb2d7a9847c4bdd180"),
    "Taskmaster": ("github.com/google-research-datasets/Taskmaster", "d92cb6af3005f1dc09c39e75e7daf4a04905e00b"),
    "Topical-Chat": ("github.com/alexa/Topical-Chat", "7c939229cbcf6f55f6977b341a5a2f2fe982d53f"),
    "UD_English-EWT": ("github.com/UniversalDependencies/UD_English-EWT", "15d613d8447b3478787d4c278730a1e48a945efb"),
    "wiki-split": ("github.com/google-research-datasets/wiki-split", "80f5bddf42d1a68201b7b107ee4b8d86d82e9fde"),
    "natural-questions": (
        "github.com/google-research-datasets/natural-questions",
        "fb26a3073b1fe636c97302890a27b491d6530130",
    ),
    "chatterbot-corpus": ("github.com/gunthercox/chatterbot-corpus", "a01efece26661309b870af0251d96f94ee09fb19"),
}
DEBIAN = {
    "wordnet-base": "3.0-37",
    "libreoffice-help-en-us": "4:7.4.7-1+deb12u14",
    "gnome-user-docs": "43.0-2",
    "gnucash-common": "1:4.13-1",
    "evolution-common": "3.46.4-2+deb12u1",
    "homebank-data": "5.6.2-1",
    "wesnoth-1.16-data": "1:1.16.9-1",
}
SYNTHETIC = 120_000
REQUESTS = 400_000
# The number of other texts, limited by the time the teacher needs to embed them.
GENERAL = 500_000
MAX_CHARS = 280
# Dictionary glosses are numerous, and unlike what people write to each other.
AT_MOST = {"wordnet-base": 150_000}


def git_files(folder, pattern):
    names = subprocess.run(
        ["git", "-C", folder, "ls-tree", "-r", "--name-only", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    for name in sorted(names):
        if re.search(pattern, name):
            shown = subprocess.run(["git", "-C", folder, "show", f"HEAD:{name}"], capture_output=True)
            if shown.returncode == 0:  # A partial clone lacks its largest files; they are excluded by name below.
                yield name, shown.stdout.decode("utf-8", "replace")


def sentences(text):
    return re.split(r"(?<=[.!?])\s+(?=[A-Z\"'])", re.sub(r"\s+", " ", text).strip())


def opus(folder):
    wanted = r"(tatoeba-test-v2021-08-07|newstest20\d\d|newsdiscusstest2015|multi30k_[^/]*|wikipedia\.(dev)?test|tico19-test)\.eng$"
    for _, text in git_files(folder, wanted):
        yield from text.splitlines()


def taskmaster(folder):
    for _, text in git_files(folder, r"TM-4-2024/data/data_\d+\.json$"):
        for dialogue in json.loads(text):
            for utterance in dialogue["utterances"]:
                yield utterance["text"]
    for _, text in git_files(folder, r"TM-3-2020/splits/.*\.tsv$"):
        for line in text.splitlines():
            yield from re.findall(r"<[UA]>([^<]+)", line)


def topical_chat(folder):
    for _, text in git_files(folder, r"conversations/(valid|test)_(freq|rare)\.json$"):
        for dialogue in json.loads(text).values():
            for turn in dialogue["content"]:
                yield turn["message"]
                yield from sentences(turn["message"])


def treebank(folder):
    for _, text in git_files(folder, r"\.conllu$"):
        yield from re.findall(r"^# text = (.+)$", text, re.M)


def wiki_split(folder):
    for _, text in git_files(folder, r"(tune|validation|test)\.tsv$"):
        for row in csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE):
            for part in row[1].split("<::::>"):
                yield re.sub(r"\s+([.,;:!?])", r"\1", part.replace("''", '"'))


def natural_questions(folder):
    for _, text in git_files(folder, r"NQ-open\.(dev|efficientqa\.(dev|test)\.1\.1)\.jsonl$"):
        for line in text.splitlines():
            yield json.loads(line)["question"]


def chatterbot(folder):
    for _, text in git_files(folder, r"data/english/.*\.yml$"):
        for conversation in yaml.safe_load(text)["conversations"]:
            yield from (str(turn) for turn in conversation)


def wordnet_rows(folder):
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"usr/share/wordnet/data.{part}").read_text("latin-1").splitlines():
            if not line.startswith("  "):
                head, _, gloss = line.partition(" | ")
                fields = head.split(" ")
                words = [re.sub(r"\(.*\)", "", w).replace("_", " ") for w in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
                yield part, words, gloss.strip()


def wordnet(folder):
    for _, words, gloss in wordnet_rows(folder):
        for number, part in enumerate(re.split(r'; "|"; |"$', gloss)):
            yield part.strip(' ";')
            if number == 0:
                yield f"{words[0]}: {part.strip()}"
        if len(words) > 1:
            yield " ".join(words[:2])


def html_texts(folder, pattern):
    for path in sorted(folder.rglob(pattern)):
        text = path.read_text("utf-8", "replace")
        for block in re.findall(r"<(?:p|h\d|li|title|td|desc)\b[^>]*>(.*?)</(?:p|h\d|li|title|td|desc)>", text, re.S):
            yield from sentences(html.unescape(re.sub(r"<[^>]+>", "", block)))


def messages(folder):
    """The English messages of a program, which are the keys of its translations."""
    seen = set()
    for path in sorted(folder.rglob("*.mo")):
        with path.open("rb") as file:
            try:
                catalogue = gettext.GNUTranslations(file)._catalog
            except (ValueError, OSError):
                continue
        for key in catalogue:
            key = key[0] if isinstance(key, tuple) else key
            if key not in seen:
                seen.add(key)
                plain = re.sub(r"<[^>]+>|[_&](?=\w)|%\w", " ", key.split("\x04")[-1].replace("^", ": "))
                yield from sentences(plain)


FRAMES = """how do i {v} {a} {n}|how can i {v} my {n}|can you {v} the {n}|please {v} my {n}|i want to {v} {a} {n}|i need to {v} my {n}
what is {a} {n}|what does {n} mean|where is the {n}|where can i find {a} {n}|when is the {n}|who is the {n}|why is my {n} {j}|is the {n} {j}
what is the {n} of the {m}|tell me about {n}|show me the {n}|i have a problem with my {n}|my {n} is {j}|the {n} does not {v}|help me {v} {a} {n}
could you help me with my {n} and {m}|which {n} should i {v}|do you have {a} {j} {n}|i would like {a} {j} {n}|how much is the {n}|how many {n}s are there
how long does it take to {v} the {n}|what time is the {n}|should i {v} the {n} or the {m}|i forgot my {n}|i lost my {n}|change my {n} to {m}
set the {n} to {m}|add {n} to my {m}|remove the {n} from my {m}|cancel the {n}|is there {a} {n} near the {m}|what are the {j} {n}s in {m}
explain {n} to me|what is the difference between {n} and {m}|recommend {a} {j} {n}|thanks for the {n}|stop {v}ing the {n}|turn on the {n}
look up the {n} for me|can i {v} {a} {n} without {a2} {m}|what happens if i {v} the {n}|write {a} {j} {n} about {m}|summarize the {n}|{v} {n}
are you able to {v} {n}|does the {n} {v}|how {j} is the {n}|give me the {n} for the {m}|i am looking for {a} {n} with {m}|check the {n} of my {m}"""


def synthetic(folder):
    """Requests put together from frames and dictionary words: odd as sentences, broad as vocabulary."""
    counts = {}
    for line in (folder / "usr/share/wordnet/cntlist.rev").read_text().splitlines():
        key, _, count = line.split(" ")
        word, _, sense = key.partition("%")
        kind = {"1": "n", "2": "v", "3": "j", "5": "j"}.get(sense[0])
        if kind and re.fullmatch(r"[a-z]{2,}(_[a-z]{2,})?", word):
            entry = (kind, word.replace("_", " "))
            counts[entry] = counts.get(entry, 0) + int(count)
    for part, words, _ in wordnet_rows(folder):
        kind = {"noun": "n", "verb": "v", "adj": "j"}.get(part)
        for word in words:
            if kind and re.fullmatch(r"[a-z]{3,12}( [a-z]{3,10})?", word):
                counts.setdefault((kind, word), 0.05)
    pools = {}
    for (kind, word), count in sorted(counts.items()):
        pools.setdefault(kind, ([], []))
        pools[kind][0].append(word)
        pools[kind][1].append(count**0.4)
    pools = {kind: (words, list(itertools.accumulate(weights))) for kind, (words, weights) in pools.items()}
    frames = FRAMES.replace("\n", "|").split("|")
    draw = random.Random(4)
    article = lambda word: ("an " if word[0] in "aeiou" else "a ").strip()
    for _ in range(SYNTHETIC):
        pick = {kind: draw.choices(words, cum_weights=sums)[0] for kind, (words, sums) in pools.items()}
        pick["m"] = draw.choices(pools["n"][0], cum_weights=pools["n"][1])[0]
        frame = draw.choice(frames)
        first = pick["j"] if "{a} {j}" in frame else pick["n"]
        yield frame.format(**pick, a=article(first), a2=article(pick["m"]))


VERB_FRAMES = """how do i {v}|how can i {v}|how to {v}|what is the best way to {v}|can you {v}|could you {v} for me|please {v}|i want to {v}|i need to {v}
i would like to {v}|help me {v}|i am trying to {v}|is it possible to {v}|am i allowed to {v}|do i have to {v}|should i {v}|when should i {v}
how long does it take to {v}|how much does it cost to {v}|what happens if i {v}|what do i need to {v}|where can i {v}|why can't i {v}|i can't {v}
i forgot to {v}|remind me to {v}|let's {v}|is there a way to {v}|tell me how to {v}|{v}|{v} please|i don't know how to {v}|are you able to {v}
who can {v}|what does it mean to {v}|would you {v}|did you {v}|i wish to {v}|steps to {v}|i've decided to {v}"""

NOUN_FRAMES = """what is {my} {n}|what's {my} {n}|where is {my} {n}|when is {the} {n}|who is {the} {n}|why is {my} {n} not working|tell me about {the} {n}
show me {my} {n}|check {my} {n}|change {my} {n}|update {my} {n}|cancel {my} {n}|i lost {my} {n}|i need {a} {n}|i want {a} {n}|find {a} {n}
recommend {a} {n}|how much is {the} {n}|how many {n} are there|what does {n} mean|define {n}|do you have {a} {n}|is {the} {n} open|is {my} {n} ready
what kind of {n} should i get|which {n} is best|look up {the} {n}|set {my} {n} to {m}|add {n} to {my} {m}|remove {n} from {my} {m}|{my} {n} is broken
there is a problem with {my} {n}|what time is {the} {n}|how old is {the} {n}|how far is {the} {n}|how is {the} {n}|can i get {a} {n}|order {a} {n}
i'd like information about {the} {n}|give me {the} {n}|compare {n} and {m}|what is the difference between {n} and {m}|{n} or {m}|{n}|{my} {n} {m}
turn on {the} {n}|turn off {the} {n}|stop {the} {n}|play {the} {n}|read {my} {n}|send {my} {n} to {the} {m}|where can i buy {a} {n}|is there {a} {n} nearby
what are the requirements for {a} {n}|did {my} {n} arrive|i have a question about {my} {n}|thanks for {the} {n}|do i need {a} {n} for {the} {m}"""


def requests(folder, texts):
    """Requests about what people write about: phrases of the other texts, put into frames."""
    nouns, verbs = set(), set()
    for part, words, _ in wordnet_rows(folder):
        if part in ("noun", "verb"):
            (nouns if part == "noun" else verbs).update(words)
    dull = {"be", "have", "do", "one", "other", "lot", "way", "thing", "kind", "sort", "own"}
    actions, things = set(), set()
    for text in texts:
        text = text.lower()
        for phrase in re.findall(r"\b(?:to|can|will|please|let's|must|should) ((?:[a-z]+ ){1,6}[a-z]+)\b", text):
            words = phrase.split()[:7]
            # A phrase that ends in the middle of something says little.
            while words and words[-1] in ENDINGS:
                words.pop()
            if len(words) > 1 and words[0] in verbs and words[0] not in dull:
                actions.add(" ".join(words))
        for phrase in re.findall(r"\b(?:my|your|the|his|her|our|their|an?) ((?:[a-z]+ )?[a-z]+)\b", text):
            words = phrase.split()
            if words[-1] in nouns and words[0] not in dull and words[-1] not in dull and len(words[-1]) > 2:
                things.add(phrase)
    actions, things = sorted(actions), sorted(things)
    verb_frames = VERB_FRAMES.replace("\n", "|").split("|")
    noun_frames = NOUN_FRAMES.replace("\n", "|").split("|")
    draw = random.Random(7)
    for _ in range(REQUESTS):
        if draw.random() < 0.5:
            yield draw.choice(verb_frames).format(v=draw.choice(actions))
            continue
        noun, other = draw.choice(things), draw.choice(things)
        article = "an" if noun[0] in "aeiou" else "a"
        my, the = draw.choice(["my", "the", "our", "my"]), draw.choice(["the", "this", "the", "your"])
        yield draw.choice(noun_frames).format(n=noun, m=other, my=my, the=the, a=article)


ENDINGS = set(
    """a an the to of and or in on at for with that this it is was be as by from if but so than then when while because
    my your his her our their its very more most such what which who i you he she we they not no""".split()
)

READERS = {
    "OPUS-MT-testsets": opus,
    "Taskmaster": taskmaster,
    "Topical-Chat": topical_chat,
    "UD_English-EWT": treebank,
    "wiki-split": wiki_split,
    "natural-questions": natural_questions,
    "chatterbot-corpus": chatterbot,
    "wordnet-base": wordnet,
    "libreoffice-help-en-us": lambda folder: html_texts(folder, "*.html"),
    "gnome-user-docs": lambda folder: html_texts(folder / "usr/share/help/C", "*.page"),
    "gnucash-common": messages,
    "evolution-common": messages,
    "homebank-data": messages,
    "wesnoth-1.16-data": messages,
    "synthetic": synthetic,
}


def usable(text):
    letters = sum(c.isascii() for c in text)
    words = len(text.split())
    return 2 <= words <= 40 and len(text) <= MAX_CHARS and letters >= 0.95 * len(text) and re.search("[a-zA-Z]{2}", text)


def digest(item):
    return hashlib.sha256(item[0].encode()).digest()


def main(sources, target):
    kept = {}
    for name, read in READERS.items():
        folder = Path(sources) / (f"{name}.git" if name in GIT else "wordnet-base" if name == "synthetic" else name)
        if name in GIT:
            head = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
            if head.stdout.strip() != GIT[name][1]:
                sys.exit(f"{folder} is at {head.stdout.strip()}, not at {GIT[name][1]}")
        new = {}
        for text in read(folder):
            text = re.sub(r"\s+", " ", text).strip()
            key = re.sub(r"[^a-z0-9]+", " ", text.casefold()).strip()
            if key and key not in kept and usable(text):
                new.setdefault(key, text)
        new = sorted(new.items(), key=digest)[: AT_MOST.get(name)]
        kept.update(new)
        print(f"{name}: {len(new)}", file=sys.stderr)
    general = [text for _, text in sorted(kept.items(), key=digest)]
    asked = {text for text in requests(Path(sources) / "wordnet-base", list(kept.values())) if text not in kept}
    print(f"requests: {len(asked)}", file=sys.stderr)
    order = general[:GENERAL] + sorted(asked, key=lambda text: digest((text,)))
    Path(target).write_text("".join(text + "\n" for text in order))


if __name__ == "__main__":
    main(*sys.argv[1:3])
