# /// script
# requires-python = ">=3.11"
# dependencies = ["deepdiff==9.1.0", "numpy==2.4.6", "scikit-learn==1.9.1"]
# ///
"""Writes the reference values of the tests of JSON comparison and of formats in answers.

Run from the repository root, with the versions pinned above:
    python tools/extraction_fixtures.py    # writes tests/fixtures/scoring/extraction.json

- `json`: pairs of values. `equal` is the result of a plain recursive comparison that tries every order of arrays, and is
  checked against deepdiff, except that deepdiff has no relative tolerance and none in arrays without order. `counts`
  and `rates` (precision, recall, F1) are those of the fields: the rates by scikit-learn (micro average over pairs of path
  and value), the counts by sets of paths. Without order they are left out, since pairing is a choice.
- `find`: texts, and the first JSON object or array in each: the first bracket from which Python's decoder reads one.
- `xml`: texts, and whether expat takes each as well-formed, without regard to namespaces.
"""

import itertools
import json
import random
from pathlib import Path
from xml.parsers import expat

from deepdiff import DeepDiff
from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

OUT = Path("tests/fixtures/scoring/extraction.json")
RNG = random.Random(20240517)
WORDS = [
    "",
    "a",
    "A",
    "Été",
    "été",
    "東京",
    "москва",
    "Москва",
    "🙂",
    "e\u0301",
    "yes yes yes",
    "straße",
    "null",
    "0",
    "x" * 70,
]
KEYS = ["id", "name", "a.b", "größe", "", "items", "0"]


# Equality


def same_leaf(expected, actual, options):
    numbers = [type(v) in (int, float) for v in (expected, actual)]
    if all(numbers):
        if type(expected) is int and type(actual) is int:
            return expected == actual
        distance = abs(expected - actual)
        return distance <= options["absolute"] or distance <= options["relative"] * abs(expected)
    if type(expected) is not type(actual):
        return False
    if isinstance(expected, str) and options["ignore_case"]:
        return expected.lower() == actual.lower()
    return expected == actual


def same(expected, actual, options):
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(same(v, actual[k], options) for k, v in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return False
        orders = itertools.permutations(actual) if options["ignore_order"] else [actual]
        return any(all(map(lambda e, a: same(e, a, options), expected, order)) for order in orders)
    return same_leaf(expected, actual, options)


def has_bool(value):
    if isinstance(value, dict):
        return any(map(has_bool, value.values()))
    return any(map(has_bool, value)) if isinstance(value, list) else isinstance(value, bool)


def check_deepdiff(expected, actual, options, equal):
    # deepdiff takes true for 1 if number types are ignored.
    if options["relative"] or (options["absolute"] and options["ignore_order"]) or has_bool([expected, actual]):
        return
    diff = DeepDiff(
        {"root": expected},
        {"root": actual},
        math_epsilon=options["absolute"] or None,
        ignore_order=options["ignore_order"],
        report_repetition=True,
        ignore_string_case=options["ignore_case"],
        ignore_numeric_type_changes=True,
    )
    assert (not diff) == equal, (expected, actual, options, diff)


# Fields


def is_empty(value):
    return value in ({}, []) and isinstance(value, (dict, list))


def leaves(value, path=()):
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {}
    for step, child in children:
        found.update(leaves(child, (*path, step)))
    return found or {path: value}


ABSENT = object()


def at(value, path):
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, ABSENT)
        else:
            value = value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else ABSENT
    return value


def without_filled(own, other):
    """Drops the empty containers that have elements on the other side."""
    return {
        p: v for p, v in leaves(own).items() if not (is_empty(v) and type(at(other, p)) is type(v) and at(other, p))
    }


def fields(expected, actual, options):
    wanted, got = without_filled(expected, actual), without_filled(actual, expected)
    for path, value in wanted.items():
        if path in got:
            if same_leaf(value, got[path], options):
                got[path] = value
        elif value is None and at(actual, path) is ABSENT:
            got[path] = None
    got = {p: v for p, v in got.items() if v is not None or p in wanted}
    correct = sum(repr(got.get(p, ABSENT)) == repr(v) for p, v in wanted.items())
    wrong = len(wanted.keys() & got.keys()) - correct
    missing, extra = len(wanted.keys() - got.keys()), len(got.keys() - wanted.keys())
    return (correct, wrong, missing, extra), rates(wanted, got)


def rates(wanted, got):
    if not wanted and not got:
        return [1.0, 1.0, 1.0]
    pairs = [[f"{p}={v!r}" for p, v in side.items()] for side in (wanted, got)]
    table = MultiLabelBinarizer().fit(pairs).transform(pairs)
    return [
        float(v) for v in precision_recall_fscore_support(table[:1], table[1:], average="micro", zero_division=0)[:3]
    ]


# Values


def scalar():
    number = RNG.choice([RNG.randint(-4, 4), RNG.randint(-8, 8) / 4, float(RNG.randint(-4, 4)), 1e20, 2**53 + 1])
    return RNG.choice([RNG.choice(WORDS), RNG.choice(WORDS), number, number, None, True, False])


def value(depth):
    kind = RNG.random()
    if depth == 0 or kind < 0.35:
        return scalar()
    if kind < 0.6:
        return [value(depth - 1) for _ in range(RNG.randint(0, 4))]
    return {key: value(depth - 1) for key in RNG.sample(KEYS, RNG.randint(0, 4))}


def changed(old, rate):
    """A copy in which some values are changed, dropped, added, or moved."""
    if RNG.random() < rate / 3:
        return value(1)
    if isinstance(old, dict):
        new = {k: changed(v, rate) for k, v in old.items() if RNG.random() > rate / 3}
        return new | ({RNG.choice(KEYS): scalar()} if RNG.random() < rate / 3 else {})
    if isinstance(old, list):
        new = [changed(v, rate) for v in old if RNG.random() > rate / 3]
        RNG.random() < rate and RNG.shuffle(new)
        return new
    if type(old) in (int, float) and RNG.random() < rate:
        return RNG.choice([float(old), old + RNG.choice([-0.25, 0.125, 1])])
    if isinstance(old, str) and RNG.random() < rate:
        return RNG.choice([old.upper(), old.lower(), old + " "])
    return old


def json_cases():
    cases = []
    fixed = [({}, {}), ([], {}), (None, None), (0, False), ("", None), ([1, 2, 2], [2, 1, 1]), ({"a": None}, {})]
    made = []
    for number in range(200):
        one = value(3)
        made.append((one, changed(one, RNG.choice([0, 0.1, 0.3, 0.9]))))
    for expected, actual in fixed + made:
        options = {
            "absolute": RNG.choice([0, 0, 0.25]),
            "relative": RNG.choice([0, 0, 0.1]),
            "ignore_case": RNG.random() < 0.3,
            "ignore_order": RNG.random() < 0.4,
        }
        equal = same(expected, actual, options)
        check_deepdiff(expected, actual, options, equal)
        counts, shares = (None, None) if options["ignore_order"] else fields(expected, actual, options)
        cases.append(
            {"expected": expected, "actual": actual, **options, "equal": equal, "counts": counts, "rates": shares}
        )
    assert 40 < sum(case["equal"] for case in cases) < 170
    return cases


# Formats


def no_constant(name):
    raise ValueError(name)


def first_json(text):
    decoder = json.JSONDecoder(parse_constant=no_constant)
    for index, char in enumerate(text):
        if char in "{[":
            try:
                return text[index : decoder.raw_decode(text, index)[1]]
            except ValueError:
                continue
    return None


def find_cases():
    texts = [
        "",
        "none",
        "[1] {}",
        '{"a": NaN} [2]',
        "[[[",
        "[[1], [2]",
        '["[1]", [2], oops',
        'x {"a": "}"} y',
        '["a\tb"] {}',
    ]
    texts += [
        '["\\ud800"]',
        '{"a": 1,} []',
        "[01] [1e5]",
        '["\\x"] {"b": {}}',
        "[-] [-0.5E+3]",
        '{"é🙂": [tru, true]}',
        "[1\u00a0]",
    ]
    pieces = [
        '"',
        '"',
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "1",
        "-",
        "0",
        ".5",
        "e3",
        "true",
        "nul",
        "null",
        " ",
        "\n",
        "\\",
        '\\"',
        "\\u00e9",
        "é",
        "a",
    ]
    texts += ["".join(RNG.choices(pieces, k=RNG.randint(3, 30))) for _ in range(120)]
    for _ in range(120):
        text = json.dumps(value(3), ensure_ascii=RNG.random() < 0.5)
        for _ in range(RNG.randint(0, 3)):
            cut = RNG.randrange(len(text) + 1)
            text = text[:cut] + RNG.choice(pieces) + text[cut + RNG.randint(0, 1) :]
        texts.append(RNG.choice(["", "The result [see below]: ", 'She said "']) + text[:200])
    return [{"text": text, "found": first_json(text)} for text in texts]


XML = [
    "<a/>", "<a></a>", "<a>1</a>", "<a b='1' c=\"2\"/>", "<a><b/><b></b>x</a>", "<?xml version='1.0'?><a/>", "<é:ü ñ='1'/>",
    "<a>&lt;&amp;&#65;&#x1F600;</a>", "<a><![CDATA[<b>&x;]]></a>", "<!-- c --><a/><!-- d -->", "<a><?p q?></a>", " <a/> ",
    "<a>東京🙂</a>", "<a\n b = '1'\n></a >", "<a b='>'/>", "<a-b.c_d/>", "<a>]]&gt;</a>", "<a>]] ></a>", "<_/>", "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<a/>",
    "", "text", "<a>", "</a>", "<a></b>", "<a/><b/>", "<a/>x", "x<a/>", "<a b/>", "<a b=1/>", "<a b='1' b='2'/>", "<a b='<'/>",
    "<a>&nbsp;</a>", "<a>& b</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#xFFFE;</a>", "<a>]]></a>", "<a><!-- -- --></a>", "<a><!--></a>", "<a>\u0001</a>",
    " <?xml version='1.0'?><a/>", "<a><?xml version='1.0'?></a>", "<1a/>", "<a b='1'c='2'/>", "< a/>", "<a/ >", "<a", "<a b='1", "<a><b></a></b>",
    "<a><![CDATA[x]]</a>", "<![CDATA[x]]><a/>", "<a>\ufffe</a>", "<a>&a</a>", "<a b='&'/>", "<a b='&lt;&#9;'/>", "<a><!--x---></a>", "<?xml?><a/>",
    "<?xml version='1.0' standalone='maybe'?><a/>", "<?xml encoding='UTF-8'?><a/>", "<a><?XML x?></a>", "<a><?p?></a>", "<a><??></a>", "<a></a", "<a>&#65</a>", "<a>&#x;</a>", "<a></ a>", "<A></a>",
    "<:a/>", "<a:b:c/>", "<a>&#10;</a>", "<a b=''/>", "<a b='1'/ >", "<a><b/></a><!-- x", "<?xml version='1.0'?>", "<!-- x -->", "&lt;a/>", "<a>\u0085\u2028</a>", "<a·b/>", "<·a/>", "<a\u0301/>",
]  # fmt: skip


def is_xml(text):
    parser = expat.ParserCreate()
    try:
        parser.Parse(text.encode(), True)
        return True
    except expat.ExpatError:
        return False


def xml_cases():
    texts = list(XML)
    pieces = [
        "<",
        ">",
        "/",
        "<b>",
        "</b>",
        "<b/>",
        "&amp;",
        "&",
        ";",
        "'",
        '"',
        " ",
        "c='1'",
        "=",
        "<!--",
        "-->",
        "]]>",
        "<![CDATA[",
        "?>",
        "<?p",
        "é",
        "\n",
    ]
    while len(texts) < 400:
        text = RNG.choice(XML[:20])
        for _ in range(RNG.randint(1, 2)):
            cut = RNG.randrange(len(text) + 1)
            text = text[:cut] + RNG.choice(pieces) + text[cut + RNG.randint(0, 1) :]
        texts.append(text)
    return [{"text": text, "valid": is_xml(text)} for text in dict.fromkeys(texts)]


def main():
    sections = {"json": json_cases(), "find": find_cases(), "xml": xml_cases()}
    lines = {
        name: ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) for name, cases in sections.items()
    }
    text = "{\n" + ",\n".join(f'"{name}": [\n{cases}\n]' for name, cases in lines.items()) + "\n}\n"
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text)


main()
