"""The index: its list of terms, what is found by it, and what is printed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from book.tiny import BOOK, TinyBook
from docutils import nodes
from pdf.conftest import Pressed, letters, said
from sphinx.util.tags import Tags

from laidout_book.errors import BookError
from laidout_book.latex.index import code_entry, sort_key, word_entry
from laidout_book.latex.mentions import (
    LIMIT,
    Command,
    Mention,
    Object,
    Reader,
    choose,
)
from laidout_book.latex.terms import FILE, Term, Terms, pattern, read_terms

SOME = Terms(
    [
        Term("Adam", ("Adam",)),
        Term("attention", ("attention",)),
        Term("batch", ("batch",)),
        Term("key", ("key",)),
        Term("multi-head attention", ("multi-head attention",)),
        Term("query", ("query",)),
    ]
)


def listed(folder: Path, text: str) -> Terms:
    """Read a list of terms."""
    path = folder / FILE
    path.write_text(text, encoding="utf-8")
    return read_terms(path)


def read(folder: Path, text: str, tags: tuple[str, ...] = ()) -> Reader:
    """Read a chapter."""
    book = TinyBook(folder).write({"index.md": f"# The chapter\n\n{text}\n"})
    reader = Reader(SOME, Tags(tags))
    for section in book.build("dummy").doctree().children:
        if isinstance(section, nodes.section):
            reader.read(section)
    return reader


def counts(reader: Reader, name: str) -> list[int]:
    """Say how often each part that has a subject mentions it."""
    found = reader.mentions().items()
    return [
        mention.count
        for subject, mentions in found
        if getattr(subject, "printed", getattr(subject, "dotted", "")) == name
        for mention in mentions
    ]


# The list


@pytest.mark.parametrize(
    ("spelling", "text"),
    [
        ("query", "queries"),
        ("key", "Keys"),
        ("batch", "batches"),
        ("warm-up", "warmup"),
        ("causal mask", "causal\nmasks"),
        ("feed-forward network", "feed forward network"),
        ("model's size", "model\u2019s size"),
    ],
)
def test_a_spelling_finds_plurals_hyphens_and_capitals(
    spelling: str, text: str
) -> None:
    assert re.fullmatch(pattern(spelling), text)


def test_a_spelling_with_capitals_is_found_as_it_is() -> None:
    assert [t.printed for _, _, t in SOME.find("ADAM met Adam's batches")] == [
        "Adam",
        "batch",
    ]


def test_words_are_whole_and_the_longest_is_found() -> None:
    text = "self-attention, a keyhole, key-value, multi-head attention"
    assert [t.printed for _, _, t in SOME.find(text)] == [
        "multi-head attention"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[terms", "not a TOML file"),
        ('[terms]\n"a" = {}\n"a" = {}', "not a TOML file"),
        ("[term]", "unknown key 'term'; the nearest name is 'terms'"),
        ("terms = 1", "terms must be a table, got 1"),
        ('not_terms = "one"', "not_terms must be a list, got 'one'"),
        ("[terms]\nmask = 3", "'mask': expected a table, got 3"),
        ('[terms]\nmask = {word = ["a"]}', "'mask': unknown key 'word'; the"),
        ("[terms]\nmask = {words = []}", "'mask': words must be a list that"),
        ('[terms]\nmask = {words = [""]}', "'mask': words: expected words"),
        ('[terms]\n"mask, causal" = {}', "'mask, causal': expected the words"),
        ("[terms]\nkey = {}\nKey = {}", "'Key': 'Key' is there twice"),
        ("[terms]\nkey = {}\nkeys = {}", "'keys': its word 'keys' is the"),
        ('[terms]\na = {}\nb = {also = "a"}', "'b': 'a' is there twice"),
        ('[terms]\na = {see = ["b"], also = "c"}', "'a': with see it has"),
        ('[terms]\nkey = {}\na = {see = ["kee"]}', "'a': see 'kee', which is"),
        ('[terms]\na = {see = ["b"]}\nb = {see = ["a"]}', "'a': see 'b'"),
        ('[terms]\na = {see_also = ["c"]}', "'a': see 'c', which is no term"),
    ],
)
def test_a_wrong_list_is_an_error_that_names_term_and_value(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(BookError, match=re.escape(message)) as caught:
        listed(tmp_path, text)
    assert str(tmp_path / FILE) in str(caught.value)


def test_a_book_without_a_list_has_no_terms(tmp_path: Path) -> None:
    assert read_terms(tmp_path / FILE).all == []
    assert list(read_terms(tmp_path / FILE).find("any text")) == []


# Finding


def test_terms_are_found_in_text_and_not_in_what_surrounds_it(
    tmp_path: Path,
) -> None:
    reader = read(
        tmp_path,
        "A key, `key`, $key$, [a key](https://example.org).\n\n"
        "```python\nkey\n```\n\n:::{only} html\nA key.\n:::\n",
    )
    assert counts(reader, "key") == [1]


def test_sections_and_questions_are_read_by_themselves(
    tmp_path: Path,
) -> None:
    reader = read(
        tmp_path,
        "A key.\n\n## One\n\nA key, two keys.\n\n## Two\n\nNothing.\n\n"
        ":::{faq} Why?\nKeys, a key and a key.\n:::\n",
    )
    assert counts(reader, "key") == [1, 2, 3]


def test_a_part_with_a_quiz_is_not_listed(tmp_path: Path) -> None:
    quiz = ":::{quiz} Which?\n- [ ] A\n\n  No.\n- [x] B\n\n  Yes.\n:::"
    reader = read(tmp_path, f"A key.\n\n## Test\n\nA key.\n\n{quiz}")
    assert counts(reader, "key") == [1]


def test_a_bold_word_is_explained_wherever_it_was_mentioned_before(
    tmp_path: Path,
) -> None:
    reader = read(tmp_path, "A batch and a batch, and a **batch**.")
    [[mention]] = reader.mentions().values()
    assert mention.main
    assert mention.count == 3
    assert isinstance(mention.node.parent, nodes.strong)


def test_a_word_of_the_heading_counts_where_the_text_begins(
    tmp_path: Path,
) -> None:
    reader = read(tmp_path, "## The query\n\nNothing. A query.\n")
    [[mention]] = reader.mentions().values()
    assert mention.titled
    assert (mention.node.astext(), mention.offset) == ("Nothing. A query.", 0)


def test_code_counts_without_a_link_if_one_object_has_the_name(
    tmp_path: Path,
) -> None:
    reader = read(
        tmp_path,
        "{py:func}`torch.softmax` and {py:meth}`torch.Tensor.eval`.\n\n"
        "## Two\n\n{py:meth}`torch.nn.Module.eval`.\n\n"
        "## Three\n\n`weights.softmax(dim=-1)`, `softmaxed`, `m.eval()`.",
    )
    assert counts(reader, "torch.softmax") == [1, 1]
    assert counts(reader, "torch.nn.Module.eval") == [1]


def test_commands_are_found_in_lines_and_in_listings(tmp_path: Path) -> None:
    reader = read(
        tmp_path, "Say `laidout check NAME`.\n\n```sh\nlaidout train\n```\n"
    )
    assert set(reader.mentions()) == {Command("check"), Command("train")}


def test_bold_words_that_are_nowhere_filed_are_noted(tmp_path: Path) -> None:
    reader = read(
        tmp_path,
        "A **kee**, a **key**, **multi-head** attention.\n\n"
        "**A heading**: text. **A sentence.** More.\n\n> A **quotation**.",
    )
    assert [word.astext() for word in reader.unfiled] == ["kee"]


# Choosing


def mentions(*numbers: int) -> list[Mention]:
    return [Mention(nodes.Text(str(n)), count=n) for n in numbers]


def test_passing_mentions_are_listed_while_there_are_few() -> None:
    assert len(choose(mentions(*[1] * LIMIT))) == LIMIT


def test_of_many_mentions_those_remain_that_say_most() -> None:
    many = mentions(1, 3, *[1] * LIMIT, 2)
    many[0].asked = True
    assert choose(many) == [many[0], many[1], many[-1]]


def test_what_is_bold_nowhere_is_explained_in_italics_or_under_a_title() -> (
    None
):
    some = mentions(5, 1, 1, 1)
    some[0].asked = some[1].titled = True
    assert [m.count for m in choose(some) if m.main] == [1]
    assert choose(some)[0] is some[1]
    some[1].main, some[2].slanted, some[3].slanted = False, True, True
    assert choose(some)[0] is some[2]
    assert sum(m.main for m in some) == 1


# Writing


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("_private_name_", "private name"),
        ("β", "beta"),
        ("Xavier Glorot's naïve rule", "xavier glorot s naive rule"),
    ],
)
def test_names_are_sorted_as_people_look_for_them(text: str, key: str) -> None:
    assert sort_key(text) == key


def test_code_stands_under_its_last_name() -> None:
    where = {
        "torch.nn.functional.softmax": "softmax (torch.nn.functional)",
        "laidout.attention.MultiHeadAttention": "MultiHeadAttention (laidout)",
        "laidout.tokenizer.BPETokenizer.train": "train (BPETokenizer)",
        "print": "print",
    }
    for dotted, printed in where.items():
        written = code_entry(Object(dotted)).written.partition("@")[2]
        assert plain(written) == printed


def test_signs_of_makeindex_are_hidden_from_it() -> None:
    assert word_entry('a|b!c@"d').written == 'a b c d@a"|b"!c"@""d'


def test_small_words_do_not_decide_where_a_term_stands() -> None:
    assert word_entry("loss", "at the first step").name == "loss!first step"


def test_marks_stand_before_their_words(tmp_path: Path) -> None:
    book = TinyBook(tmp_path).write(
        {
            "index.md": "# T\n\n```{toctree}\none\n```\n",
            "one.md": "# One\n\nText, then a mask. A **causal\nmask**.\n",
            FILE: '[terms]\nmask = {}\n"causal mask" = '
            '{also = "mask, causal", see_also = ["mask"]}\n'
            'cover = {see = ["mask"]}\nnothing = {}\n',
        }
    )
    built = book.build("latex")
    assert built.warnings == ""
    tex = (built.folder / "tiny.tex").read_text("utf-8")
    assert r"then a \bookindex{mask}{mask@mask}mask." in tex
    assert (
        r"\bookindexmain{causal mask}{causal mask@causal mask}"
        r"\bookindexmain{mask!causal}{mask@mask!causal@causal}causal"
    ) in tex
    assert r"\bookindexsee{cover@cover|see{mask}}" in tex
    assert "nothing" not in tex


def test_an_author_is_told_where_a_word_is_not_filed(tmp_path: Path) -> None:
    book = TinyBook(tmp_path).write(
        {
            "index.md": "# T\n\n```{toctree}\none\n```\n",
            "one.md": "# One\n\nA **word**, and **one** more.\n",
            FILE: 'not_terms = ["one"]\n',
        }
    )
    warned = book.build("latex").warnings
    assert re.search(r"one\.md:3: WARNING: 'word' is bold and not in", warned)
    assert warned.count("WARNING") == 1


# The index of a finished book

ITEM = re.compile(r"^\s*\\(item|subitem) (.*)", re.M)
PAGES = re.compile(r"\\hyper(?:page|indexformat\{\\textbf \})\{([^}]*)\}")
MAIN = re.compile(r"\\hyperindexformat\{\\textbf \}\{(\d+)\}")
REQUIRED = """
Adam; add & norm; attention; attention, as a dictionary; attention weight;
averaging of checkpoints; backward pass; batch; beam search; bfloat16; bias
correction; BLEU; causal mask; checkpoint, averaging of; cross-attention;
decoder; dot product; dropout; embedding; encoder; entropy; feed-forward
network; float16; gradient; gradient clipping; half precision; hand model;
head; key; label smoothing; laidout check; laidout start; laidout train;
learning rate; learning rate, too high; learning rate, warm-up; loss; mask;
mask, causal; mask, padding; masked_fill (torch.Tensor); memory; multi-head
attention; NaN; overfitting one batch; padding mask; phrase model; positional
encoding; post-norm; pre-norm; query; residual connection;
scaled_dot_product_attention (laidout); schedule; softmax; softmax, derivative;
softmax (torch); teacher forcing; temperature; token; TransformerLRScheduler
(laidout); unigram entropy; value; vector; vocabulary; warm-up; Xavier
initialisation; zero_grad (torch.optim.Optimizer)
"""


def plain(tex: str) -> str:
    """Take what TeX needs out of an entry."""
    text = re.sub(r"\\sphinxhyphen ?\{\}", "-", tex)
    text = re.sub(r"\\bookbreak ?\{\}|\\indexcode ?\{", "", text)
    return re.sub(r"\}|\\(?=[&_%])", "", text)


@dataclass(frozen=True)
class Line:
    """A printed entry with the pages that it gives."""

    entry: str
    pages: list[int]
    bold: list[int]


@cache
def lines(book: Pressed) -> dict[str, Line]:
    """Read what makeindex wrote, an entry below another as `mask, causal`."""
    ind = book.pdf.parent / "tex" / book.pdf.with_suffix(".ind").name
    found, head = {}, ""
    for kind, text in ITEM.findall(ind.read_text("utf-8").replace("\n\t", "")):
        tex = re.split(r",\s*\\(?:hyper|see)", text)[0]
        entry = plain(tex)
        head = entry if kind == "item" else head
        entry = entry if kind == "item" else f"{head}, {entry}"
        pages: list[int] = []
        for some in PAGES.findall(text):
            for one in some.split(", "):
                first, _, last = one.partition("--")
                pages += range(int(first), int(last or first) + 1)
        bold = [int(page) for page in MAIN.findall(text)]
        assert entry not in found, entry
        found[entry] = Line(entry, pages, bold)
    return found


def running(book: Pressed, page: int) -> Iterator[str]:
    """Yield the text of a page, and where the next begins, in two ways.

    The head of a page is left out. A hyphen that ends a line may be one of
    the word or not.
    """
    bodies = [
        re.sub(r"\A\s*[^\n]*\n", "", text)
        for text in book.pages[page - 1 : page + 1]
    ]
    text = bodies[0].rstrip() + "\n" + bodies[1].lstrip()[:80]
    for joined in ("", "-"):
        yield re.sub(r"-\n\s*", joined, text)


def says(book: Pressed, page: int, entry: str) -> bool:
    """Say if a page has one of the words by which an entry is found."""
    terms = read_terms(BOOK / FILE)
    words = [w for t in terms.all if entry in t.places for w in t.words]
    if not words:
        name = entry.partition(" (")[0]
        return any(letters(name) in letters(t) for t in running(book, page))
    found = re.compile("|".join(rf"\b{pattern(word)}\b" for word in words))
    return any(found.search(text) for text in running(book, page))


def test_every_entry_leads_to_a_page_that_says_it(real: Pressed) -> None:
    assert len(lines(real)) > 150
    wrong = [
        (line.entry, page)
        for line in lines(real).values()
        for page in line.pages
        if not says(real, page, line.entry)
    ]
    assert wrong == []


def test_what_readers_look_for_is_there(real: Pressed) -> None:
    wanted = [" ".join(name.split()) for name in REQUIRED.split(";")]
    assert [name for name in wanted if name not in lines(real)] == []


def test_no_entry_lists_too_many_pages_or_one_of_them_twice(
    real: Pressed,
) -> None:
    for line in lines(real).values():
        assert len(line.pages) <= LIMIT, line
        assert len(set(line.pages)) == len(line.pages), line


def test_names_of_the_package_are_bold_where_their_source_stands(
    real: Pressed,
) -> None:
    drawn = [x for x in lines(real).values() if "(laidout)" in x.entry]
    assert len(drawn) > 3
    for line in drawn:
        name = line.entry.partition(" ")[0]
        [page] = line.bold
        shown = re.compile(rf"^ *(?:class|def) {name}\b", re.M)
        assert shown.search(real.pages[page - 1]), line


def test_the_index_is_printed_as_makeindex_wrote_it(real: Pressed) -> None:
    start = next(p for _, t, p in real.bookmarks if t == "Index")
    printed = letters("".join(real.pages[start - 1 :]))
    assert letters("Bold: where it is explained") in printed
    raw = said("pdftotext", "-raw", "-f", str(start), real.pdf, "-")
    for line in lines(real).values():
        assert letters(line.entry.split(", ")[-1]) in letters(raw)
    assert "--" not in raw


def test_the_columns_of_the_last_page_are_balanced(real: Pressed) -> None:
    last = str(len(real.pages))
    boxes = said("pdftotext", "-bbox", "-f", last, "-l", last, real.pdf, "-")
    found = re.findall(r'xMin="([\d.]+)".*yMax="([\d.]+)">', boxes)
    middle = 595 / 2
    left = max(float(y) for x, y in found if float(x) < middle)
    right = max(float(y) for x, y in found if float(x) >= middle)
    assert abs(left - right) < 60


def test_marks_of_listings_stand_in_them_and_go_to_their_page(
    real: Pressed,
) -> None:
    folder = real.pdf.parent / "tex"
    tex = (folder / real.pdf.with_suffix(".tex").name).read_text("utf-8")
    before = re.compile(
        r"^(.*\n.*?)\\bookindexmain\{\w+ laidout\}", re.MULTILINE
    )
    marks = before.findall(tex)
    assert len(marks) > 3
    for opening in marks:
        assert re.fullmatch(r"\\begin\{bookcode(?:in)?\}\n", opening)


def test_signs_are_printed_and_a_page_that_explains_is_listed_once(
    nasty: Pressed,
) -> None:
    signs, *_, term = list(lines(nasty).values())
    assert signs.entry == '100 % & a_sign, | @ "!"'
    assert term.entry == "term"
    assert term.pages == term.bold
    last = nasty.pages[-1].replace("\u201d", '"')
    assert f"{signs.entry}, {signs.pages[0]}" in last
    assert f"{term.entry}, {term.pages[0]}" in last
