"""`{quiz}`: choices that answer back."""

import pytest
from book.tiny import TinyBook

GOOD = """\
:::{quiz} Why divide by $\\sqrt{d_k}$?
- [ ] For speed

  It is one more step.
- [x] For the **variance**

  It grows with `d_k`:

  - by one for each component
  - so the root keeps it at one
- [ ] `No` reason

  There is one.
:::"""


def test_every_choice_is_a_toggle_with_its_verdict(book: TinyBook) -> None:
    built = book.page(GOOD).build()
    assert built.warnings == ""
    quiz = built.soup().select_one("div.quiz")
    assert quiz is not None
    choices = quiz.find_all("details", recursive=False)
    names = [choice.summary.get_text() for choice in choices]
    assert names == ["For speed", "For the variance", "No reason"]
    verdicts = [c.select_one(".verdict strong").get_text() for c in choices]
    assert verdicts == ["Not quite.", "Right.", "Not quite."]
    classes = [c["class"] for c in choices]
    assert classes == [
        ["choice", "wrong"],
        ["choice", "right"],
        ["choice", "wrong"],
    ]
    assert not any(choice.has_attr("open") for choice in choices)


def test_question_and_choices_keep_their_markup(book: TinyBook) -> None:
    page = book.page(GOOD).build().soup()
    assert page.select_one(".quiz > p.quiz-question .katex") is not None
    assert page.select_one(".quiz summary strong") is not None
    assert page.select_one(".quiz summary code") is not None


def test_a_reply_may_hold_a_list_of_its_own(book: TinyBook) -> None:
    page = book.page(GOOD).build().soup()
    rows = page.select("details.right .toggle-body li")
    assert [row.get_text().strip() for row in rows] == [
        "by one for each component",
        "so the root keeps it at one",
    ]


FORM = "`- [ ] choice` or `- [x] right choice`, then its reply, indented"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", f"expected one list of choices: {FORM}"),
        ("Only words.", f"expected one list of choices: {FORM}"),
        ("1. [x] A\n\n   Yes.", f"expected one list of choices: {FORM}"),
        (
            "- [ ] A\n\n  No.\n\nWords.",
            f"expected one list of choices: {FORM}",
        ),
        ("- A\n\n  No.\n- [x] B\n\n  Yes.", f"expected {FORM}; got 'A\\n\\nN"),
        ("- [y] A\n\n  No.", f"expected {FORM}; got '[y] A"),
        ("-\n- [x] B\n\n  Yes.", f"expected {FORM}; got ''"),
        ("- [ ] A\n- [x] B\n\n  Yes.", "no reply to the choice '[ ] A'"),
        (
            "- [x] A\n\n  Yes.",
            "expected two or more choices, one of them right; "
            "got 1 choices, 1 right",
        ),
        (
            "- [x] A\n\n  Yes.\n- [X] B\n\n  Yes.",
            "expected two or more choices, one of them right; "
            "got 2 choices, 2 right",
        ),
        (
            "- [ ] A\n\n  No.\n- [ ] B\n\n  No.",
            "expected two or more choices, one of them right; "
            "got 2 choices, 0 right",
        ),
    ],
)
def test_a_quiz_of_another_form_stops_the_build(
    book: TinyBook, content: str, reason: str
) -> None:
    message = book.page(f":::{{quiz}} Which?\n{content}\n:::").error_at(3)
    assert message.startswith(f"{{quiz}} {reason}")
