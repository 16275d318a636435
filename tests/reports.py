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
    says="The weights of a query sum to one.",
    call="scaled_dot_product_attention(query, key, value)",
    difference="weights[0, 1] is 0.25, not 0.5; 50% of its 4 numbers differ.",
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
    message="The scores are not divided by the square root of d_k.",
    mistake="no-scale",
    nudge="How large do the scores get?",
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
)
PASSED = Result(name=NAME, object=OBJECT, status="passed", printed="hello")
NOT_STARTED = Result(
    name=NAME,
    object=OBJECT,
    status="not started",
    message="scaled_dot_product_attention is not written yet.",
)
EVERY = (FAILED, ERROR, PASSED, NOT_STARTED)


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
            got_grid=[[(text, False)]],
            wanted_grid=[[(text, True)]],
            lines=(text,),
        ),
        printed=text,
    )
