"""Results of checks, for the tests of how they are shown."""

from laidout.workshop.results import Evidence, Result

NAME = "attention-scaled-dot-product"
OBJECT = "laidout.attention.scaled_dot_product_attention"

EVIL = (
    "<script>alert(1)</script>",
    "\"double\" & 'single' &amp;",
    "</pre></div><img src=x onerror=alert(1)>",
    "[b]bold[/b] [link=x]y[/link] [/] \\[red]",
    ":cat: :warning:",
    "@click {braces} %s",
)
"""Texts that somebody might obey instead of showing them."""

EVIDENCE = Evidence(
    says="The weights of a query sum to one, as `softmax` makes them.",
    call="scaled_dot_product_attention(query, key, value)",
    difference="weights[0, 1] is 0.25, not 0.5; 50% of its 4 numbers differ.",
    window="in [1], rows 0 to 1 of 0 to 6",
    got="0.25",
    wanted="0.5",
    got_grid=[
        [("1", True), ("0.25", False)],
        [("-7e-05", False), ("0", True)],
    ],
    wanted_grid=[[("1", True), ("0.5", True)], [("0.75", True), ("0", True)]],
    lines=(
        "attention.py:1: one()",
        "attention.py:22: two()",
        "attention.py:333: three()",
        "attention.py:4444: four()",
    ),
)

FAILED = Result(
    name=NAME,
    object=OBJECT,
    status="failed",
    message="The scores are not divided by the square root of `d_k`.",
    mistake="no-scale",
    nudge="How large do the scores get, and what does `softmax` do then?",
    second="Dropout comes before the softmax.",
    evidence=EVIDENCE,
    printed="scores tensor([1., 2.])\nshape (2,)\n",
    seconds=0.25,
)
ERROR = Result(
    name=NAME,
    object=OBJECT,
    status="error",
    message="attention.py, line 3: this is not Python: invalid syntax.",
    evidence=Evidence(lines=("def attend(x:", "            ^")),
)
UNNAMED = Result(
    name=NAME,
    object=OBJECT,
    status="failed",
    message="Not so here: The first token is the best one.",
    evidence=Evidence(
        call="next_tokens(scores)",
        difference="the result, entry 1: got 4, wanted 5.",
        got="[3, 4, 7]",
        wanted="[3, 5, 7]",
    ),
)
RAISED = Result(
    name=NAME,
    object=OBJECT,
    status="failed",
    message="scaled_dot_product_attention raised KeyError: 'x'",
    evidence=Evidence(
        call="scaled_dot_product_attention(query, key, value)",
        got="KeyError",
        lines=("attention.py:7: return x['x']",),
    ),
)
PASSED = Result(name=NAME, object=OBJECT, status="passed", printed="hello")
NOT_STARTED = Result(
    name=NAME,
    object=OBJECT,
    status="not started",
    message="scaled_dot_product_attention is not written yet.",
)
EVERY = (FAILED, UNNAMED, RAISED, ERROR, PASSED, NOT_STARTED)


def everywhere(text: str) -> Result:
    """Make a result that holds a text wherever the reader's may come."""
    return Result(
        name=NAME,
        object=OBJECT,
        status="failed",
        message=text,
        nudge=text,
        evidence=Evidence(
            says=text,
            call=text,
            difference=text,
            window=text,
            got_grid=[[(text, False)]],
            wanted_grid=[[(text, True)]],
            lines=(text,),
        ),
        printed=text,
    )
