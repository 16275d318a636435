"""The phrases: their German, their trees, their links, and the sets."""

import re
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from itertools import islice

import pytest

from laidout.phrases.corpus import (
    LONGEST,
    Phrase,
    is_held_out,
    phrase_corpus,
    phrases,
)
from laidout.phrases.grammar import PRAISE, TOO
from laidout.phrases.lexicon import lexicon

MANY = 60_000
SAMPLE = 30_000
SOME = 5_000

NUMBER = rf"(?:{'|'.join(lexicon().numbers)})(?:-\w+)?"

Corpus = tuple[list[Phrase], list[Phrase], list[Phrase], list[Phrase]]


@pytest.fixture(scope="module")
def stream() -> list[Phrase]:
    return list(islice(phrases(), MANY))


@pytest.fixture(scope="module")
def sample(stream: list[Phrase]) -> list[Phrase]:
    return stream[:SAMPLE]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return phrase_corpus()


def plain(sentence: str) -> str:
    return sentence.rstrip(".?").lower()


def tokens(sentence: str) -> list[str]:
    return re.findall(r"\w+", sentence)


# --- always the same ---------------------------------------------------------


def test_the_stream_is_the_same_everywhere() -> None:
    text = "\n".join(
        f"{p.source}\t{p.target}\t{p.tree}" for p in islice(phrases(), 2000)
    )
    assert sha256(text.encode()).hexdigest()[:16] == "8047dd7e1f33805a"


def test_the_stream_does_not_depend_on_the_hashes_of_strings() -> None:
    program = (
        "from itertools import islice; from laidout.phrases import phrases;"
        "print([p.source for p in islice(phrases(5), 200)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_a_seed_gives_the_same_and_another_seed_others() -> None:
    first, again, other = (
        list(islice(phrases(seed), 300)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


# --- the German is right -----------------------------------------------------

TRANSLATIONS = """
I like pizza | Ich mag Pizza
Do you like bread | Magst du Brot
They like to swim | Sie schwimmen gern
You like to work | Du arbeitest gern
My father has a dog | Mein Vater hat einen Hund
I have a book | Ich habe ein Buch
She needs a long dress | Sie braucht ein langes Kleid
You slept | Du hast geschlafen
We swam | Wir sind geschwommen
Yesterday she went to school | Gestern ist sie zur Schule gegangen
I went to the park | Ich bin in den Park gegangen
We did not swim yesterday | Wir sind gestern nicht geschwommen
Did you sleep last week | Hast du letzte Woche geschlafen
He gets up at six every day | Er steht jeden Tag um sechs auf
She got up at nine | Sie ist um neun aufgestanden
You have to get up at five | Du musst um fünf aufstehen
She called her father | Sie hat ihren Vater angerufen
We can swim | Wir können schwimmen
Tomorrow he does not have to work | Morgen muss er nicht arbeiten
They wanted to sleep | Sie wollten schlafen
I am not tired | Ich bin nicht müde
We were at home | Wir waren zu Hause
He is at the market today | Er ist heute auf dem Markt
They are in the city | Sie sind in der Stadt
I am seventy-three years old | Ich bin dreiundsiebzig Jahre alt
The eggs are fresh | Die Eier sind frisch
I sleep when I am tired | Ich schlafe, wenn ich müde bin
When I am sick, I do not work | Wenn ich krank bin, arbeite ich nicht
When he is thirsty, he drinks hot milk \
| Wenn er durstig ist, trinkt er heiße Milch
I like the coat because it is red | Ich mag den Mantel, weil er rot ist
He likes the letter because it is beautiful \
| Er mag den Brief, weil er schön ist
She sold the horse because it was too small \
| Sie hat das Pferd verkauft, weil es zu klein war
Her brother bought thirty-one tomatoes \
| Ihr Bruder hat einunddreißig Tomaten gekauft
On Wednesday our brother and I will buy ninety-nine green books \
| Am Mittwoch werden unser Bruder und ich neunundneunzig grüne Bücher kaufen
I drank our tea | Ich habe unseren Tee getrunken
He wrote seventy long letters to us \
| Er hat siebzig lange Briefe an uns geschrieben
The woman was happy because she wrote the letter to them \
| Die Frau war glücklich, weil sie den Brief an sie geschrieben hat
Last week our sisters went to the market \
| Letzte Woche sind unsere Schwestern zum Markt gegangen
They were happy because a man went to the city with our sister \
| Sie waren glücklich, \
weil ein Mann mit unserer Schwester in die Stadt gegangen ist
Your mother does not have to buy a big dog on Wednesday \
| Deine Mutter muss am Mittwoch keinen großen Hund kaufen
They do not have to buy expensive flowers \
| Sie müssen keine teuren Blumen kaufen
The man cannot go to school with you because he is tired \
| Der Mann kann nicht mit dir zur Schule gehen, weil er müde ist
In the evening you cannot swim because you are sick \
| Am Abend kannst du nicht schwimmen, weil du krank bist
We cannot write a beautiful letter tomorrow \
| Wir können morgen keinen schönen Brief schreiben
They were sad because the old man did not eat a small egg yesterday \
| Sie waren traurig, weil der alte Mann gestern kein kleines Ei gegessen hat
Anna says that the woman got up at eight \
| Anna sagt, dass die Frau um acht aufgestanden ist
Her father says that he wants to get up at five on Sunday \
| Ihr Vater sagt, dass er am Sonntag um fünf aufstehen will
Every Tuesday her father goes to the park at twelve \
| Jeden Dienstag geht ihr Vater um zwölf in den Park
Every morning the old woman goes to his garden \
| Jeden Morgen geht die alte Frau in seinen Garten
Did Anna buy a lamp for me in the evening \
| Hat Anna am Abend eine Lampe für mich gekauft
She can buy the fresh egg | Sie kann das frische Ei kaufen
An old woman does not like the coat because it is too small \
| Eine alte Frau mag den Mantel nicht, weil er zu klein ist
You do not like the tomato because it is too big \
| Du magst die Tomate nicht, weil sie zu groß ist
Yesterday our brothers sold the chair because it was too small \
| Gestern haben unsere Brüder den Stuhl verkauft, weil er zu klein war
The woman sold the apples because they were too small \
| Die Frau hat die Äpfel verkauft, weil sie zu klein waren
Anna and I are not forty years old | Anna und ich sind nicht vierzig Jahre alt
Does the man want to play with my brothers \
| Will der Mann mit meinen Brüdern spielen
I will eat good pizza with his little brother \
| Ich werde mit seinem kleinen Bruder gute Pizza essen
Her mother and Anna drink hot tea with the children \
| Ihre Mutter und Anna trinken mit den Kindern heißen Tee
My sister was in your big garden yesterday \
| Meine Schwester war gestern in deinem großen Garten
An old man says that Tom likes to eat fresh eggs \
| Ein alter Mann sagt, dass Tom gern frische Eier isst
A woman likes to eat good eggs | Eine Frau isst gern gute Eier
Your mother does not like to go to school \
| Deine Mutter geht nicht gern zur Schule
Does he like to work with them | Arbeitet er gern mit ihnen
When our brothers are hungry, they eat old bread with my father \
| Wenn unsere Brüder hungrig sind, essen sie mit meinem Vater altes Brot
When they are sick, they do not swim with Anna \
| Wenn sie krank sind, schwimmen sie nicht mit Anna
My father was sad because our mother did not work in the kitchen \
| Mein Vater war traurig, weil unsere Mutter nicht in der Küche gearbeitet hat
Will your little sister visit his brother on Sunday \
| Wird deine kleine Schwester am Sonntag seinen Bruder besuchen
Will she visit our father on Saturday \
| Wird sie am Samstag unseren Vater besuchen
Are her brothers twenty-eight years old \
| Sind ihre Brüder achtundzwanzig Jahre alt
The woman is not nineteen years old | Die Frau ist nicht neunzehn Jahre alt
Tom often calls the man | Tom ruft oft den Mann an
She thinks that he often works | Sie glaubt, dass er oft arbeitet
Tomorrow they can call your sister | Morgen können sie deine Schwester anrufen
We can sleep at home | Wir können zu Hause schlafen
In the evening the child wanted to buy seventeen big tomatoes in the city \
| Am Abend wollte das Kind in der Stadt siebzehn große Tomaten kaufen
In the evening she was very tired | Am Abend war sie sehr müde
Her father eats bread when he is hungry \
| Ihr Vater isst Brot, wenn er hungrig ist
They say that she gets up at nine every day \
| Sie sagen, dass sie jeden Tag um neun aufsteht
The child did not see a car | Das Kind hat kein Auto gesehen
Last week the old woman did not buy a chair \
| Letzte Woche hat die alte Frau keinen Stuhl gekauft
Did they want to swim with his little sister \
| Wollten sie mit seiner kleinen Schwester schwimmen
"""

PAIRS = [
    tuple(line.split(" | ")) for line in TRANSLATIONS.strip().splitlines()
]


@pytest.fixture(scope="module")
def german(stream: list[Phrase]) -> dict[str, str]:
    return {
        plain(phrase.source): phrase.target.rstrip(".?") for phrase in stream
    }


@pytest.mark.parametrize(("english", "expected"), PAIRS)
def test_translations_written_by_hand(
    german: dict[str, str], english: str, expected: str
) -> None:
    assert german[plain(english)] == expected


def test_i_like_pizza_is_in_the_language(german: dict[str, str]) -> None:
    assert german["i like pizza"] == "Ich mag Pizza"


def test_no_sentence_has_two_translations(stream: list[Phrase]) -> None:
    seen: dict[str, str] = {}
    for phrase in stream:
        target = seen.setdefault(plain(phrase.source), plain(phrase.target))
        assert target == plain(phrase.target), phrase.source
    assert len(seen) > 0.85 * MANY


def test_sentences_look_like_sentences(sample: list[Phrase]) -> None:
    for phrase in sample:
        for text in (phrase.source, phrase.target):
            assert text[0].isupper()
            assert "  " not in text
            assert " ," not in text
            assert re.fullmatch(r"[A-Za-zÄÖÜäöüß ,-]+[.?]?", text)
        assert phrase.source[-1:] == phrase.target[-1:] or (
            phrase.source[-1].isalpha() and phrase.target[-1].isalpha()
        )
        assert len(phrase.source.split()) <= LONGEST


def test_half_of_the_statements_have_a_full_stop(
    sample: list[Phrase],
) -> None:
    ends = Counter(phrase.source[-1] for phrase in sample)
    assert 0.1 < ends["?"] / SAMPLE < 0.16
    assert 0.45 < ends["."] / (SAMPLE - ends["?"]) < 0.55


def test_questions_begin_with_a_verb(sample: list[Phrase]) -> None:
    asked = [p for p in sample if p.source.endswith("?")]
    first = {p.source.split()[0] for p in asked}
    assert first == {
        *("Do", "Does", "Did", "Can", "Will"),
        *("Is", "Are", "Was", "Were"),
    }
    assert all(p.tree.startswith("(SQ (") for p in asked)


def test_a_comma_stands_before_every_german_subordinate_clause(
    sample: list[Phrase],
) -> None:
    for phrase in sample:
        found = re.search(r"(.?) (dass|weil|wenn) ", phrase.target)
        assert found is None or found[1] == ","
        commas = phrase.target.count(",")
        assert commas == len(
            re.findall(r"\b(?:dass|weil|[Ww]enn)\b", phrase.target)
        )


FINITE = {
    *("bin", "bist", "ist", "sind", "war", "warst", "waren"),
    *("habe", "hast", "hat", "haben"),
    *(f for row in lexicon().modals.values() for f in row),
    *(
        verb.particle + form
        for verb in lexicon().verbs.values()
        for form in verb.present
    ),
}


def test_the_finite_verb_ends_a_subordinate_clause(
    sample: list[Phrase],
) -> None:
    for phrase in sample:
        text = plain(phrase.target)
        found = re.search(r"(?:dass|weil|wenn) ([^,]+)", text)
        if found:
            assert found[1].split()[-1] in FINITE, phrase.target


def test_a_participle_ends_its_clause(sample: list[Phrase]) -> None:
    ends = "|".join(
        verb.particle + verb.participle
        for verb in lexicon().verbs.values()
        if (not verb.modes or "past" in verb.modes)
        and verb.participle not in verb.present
    )
    for phrase in sample:
        text = phrase.target.rstrip(".?")
        for found in re.finditer(rf"\b(?:{ends})\b", text):
            rest = text[found.end() :]
            assert not rest or re.match(
                r",| (?:habe|hast|hat|haben|bin|bist|ist|sind)\b", rest
            ), phrase.target


def test_a_time_in_front_turns_subject_and_verb_round(
    sample: list[Phrase],
) -> None:
    fronted = 0
    for phrase in sample:
        found = re.match(
            r"((?:Am|Jeden|Letzte) \w+|Gestern|Heute|Morgen) (\w+)",
            phrase.target,
        )
        if found:
            fronted += 1
            particles = FINITE | {
                form
                for verb in lexicon().verbs.values()
                for form in verb.present
            }
            assert found[2] in particles, phrase.target
    assert fronted > 0.08 * SAMPLE


def test_every_reason_fits(sample: list[Phrase]) -> None:
    for phrase in sample:
        found = re.search(r"because it (?:is|was) (too )?(\w+)", phrase.source)
        if found:
            assert found[2] in (TOO if found[1] else PRAISE)


# --- trees -------------------------------------------------------------------

LABELS = """S SBAR SQ NP VP PP ADVP ADJP WHADVP PRT DT PRP PRP$ NN NNS NNP VBP
VBZ VBD VB MD TO IN JJ CD RB RP CC WRB . ,"""


def test_trees_hold_the_words_in_order(sample: list[Phrase]) -> None:
    for phrase in sample:
        tree = phrase.tree
        assert tree.count("(") == tree.count(")")
        leaves = re.findall(r" ([^() ]+)\)", tree)
        text = " ".join(leaves)
        assert re.sub(r" ([.,?])", r"\1", text) == phrase.source


def test_trees_have_the_labels_of_the_penn_treebank(
    sample: list[Phrase],
) -> None:
    found = set(re.findall(r"\(([^() ]+) ", " ".join(p.tree for p in sample)))
    assert found == set(LABELS.split())


def test_the_tree_of_i_like_pizza(stream: list[Phrase]) -> None:
    trees = {
        p.tree.replace(" (. .)", "")
        for p in stream
        if plain(p.source) == "i like pizza"
    }
    assert trees == {"(S (NP (PRP I)) (VP (VBP like) (NP (NN pizza))))"}


def test_trees_nest_properly(sample: list[Phrase]) -> None:
    for phrase in sample[:SOME]:
        depth = 0
        for place, sign in enumerate(phrase.tree):
            depth += {"(": 1, ")": -1}.get(sign, 0)
            assert depth > 0 or place == len(phrase.tree) - 1


COUPLE = re.compile(
    r"\(NP \(NP [^V]+?\)\) \(CC and\) \(NP [^V]+?\)\)\) \((?:VP|ADVP) "
)


def test_and_joins_two_people_and_nothing_else(sample: list[Phrase]) -> None:
    joined = 0
    for phrase in sample:
        found = tokens(phrase.source).count("and")
        assert found == tokens(phrase.target).count("und")
        assert found == len(COUPLE.findall(phrase.tree)), phrase.tree
        joined += found
    assert joined > 0.02 * SAMPLE


# --- links -------------------------------------------------------------------


def stems() -> dict[str, set[str]]:
    """List for every English content word the beginnings of its German."""
    words = lexicon()
    found: dict[str, set[str]] = {"gern": set()}

    def add(english: str, *german: str) -> None:
        found.setdefault(english, set()).update(german)

    for noun in words.nouns.values():
        add(noun.english, noun.german)
        if noun.plural:
            add(noun.plural, noun.german_plural)
    for adjectives in words.adjectives.values():
        for adjective in adjectives:
            add(adjective.english, adjective.stem, adjective.german)
    for verb in (*words.verbs.values(), *words.reports.values()):
        german = (*verb.present, verb.german, verb.participle, verb.particle)
        for form in (verb.english, verb.third, verb.past):
            whole = f"{form} {verb.up}" if verb.up else form
            parts = [form for form in german if form]
            add(whole, *parts)
    for form in ("like", "likes"):
        add(form, "gern")
    for table in (
        *(words.days, words.parts, words.past, words.future),
        *(words.numbers, words.states),
    ):
        for english, german_word in table.items():
            add(english, german_word)
    for name in words.names:
        add(name, name)
    add("home", "Hause")
    add("years", "Jahre")
    add("day", "Tag")
    add("last", "letzte")
    add("week", "Woche")
    add("often", "oft")
    return found


def test_links_join_words_with_their_translations(
    sample: list[Phrase],
) -> None:
    known = {key.lower(): value for key, value in stems().items()}
    for phrase in sample:
        for start, end, left, right in phrase.links:
            english = phrase.source[start:end].lower()
            german_word = phrase.target[left:right].lower()
            beginnings = tuple(s.lower() for s in known[english])
            assert german_word.startswith(beginnings), phrase


FUNCTION = """i you he she it we they me him her us them my your his our the a
an do does did not can cannot will must have has had want wants wanted to is
are am was were that because when and with for in on at very too
every"""


def test_links_cover_every_content_word(sample: list[Phrase]) -> None:
    for phrase in sample[:SOME]:
        covered = {
            place
            for start, end, _, _ in phrase.links
            for place in range(start, end)
        }
        for found in re.finditer(r"\w+", phrase.source):
            span = set(range(found.start(), found.end()))
            if found[0].lower() not in FUNCTION.split():
                assert span <= covered, (phrase, found[0])


def test_links_of_a_sentence(sample: list[Phrase]) -> None:
    seen: dict[str, set[str]] = {}
    for phrase in sample:
        if re.search(r" bought | got up |twenty-five", phrase.source):
            for start, end, left, right in phrase.links:
                pair = phrase.source[start:end], phrase.target[left:right]
                seen[pair[0]] = seen.get(pair[0], set()) | {pair[1].lower()}
    assert seen["twenty"] == {"zwanzig"}
    assert seen["five"] == {"fünf"}
    assert seen["got up"] == {"aufgestanden"}
    assert seen["bought"] == {"gekauft"}


# --- the size of the language ------------------------------------------------


def test_there_are_more_than_a_million_sentences(
    stream: list[Phrase],
) -> None:
    # 1. One family alone: who "bought" how many of what on which day. Each
    #    of its columns is drawn by itself, and is seen with all it may hold.
    columns = [
        {found[1] for p in stream if (found := re.search(column, p.source))}
        for column in (
            r"^((?:\w+ )?\w+) bought ",
            rf" bought ({NUMBER}) ",
            rf" bought {NUMBER} ((?:\w+ )?\w+s)\b",
            r" bought .* on (\w+)",
        )
    ]
    # 2. With their adjectives there are many times more.
    words = lexicon()
    things = {
        f"{adjective.english} {noun.plural}"
        for noun in words.verbs["buy"].objects
        if noun.english in words.many
        for adjective in words.adjectives[noun.english]
    }
    assert columns[2] & things > set()
    assert columns[3] == set(words.days)
    # 3. The pronouns, the names and the family, each with a possessive.
    subjects = {
        *("I", "You", "He", "She", "We", "They", *words.names),
        *(
            f"{lead} {noun.english}"
            for lead in ("My", "Your", "His", "Her", "Our")
            for noun in words.kinds["family"]
        ),
    }
    assert subjects <= columns[0]
    assert len(columns[1]) > 60
    # 4. All numbers from 2 to 99, the day in front or behind.
    sentences = len(subjects) * 98 * len(things) * len(words.days) * 2
    assert sentences > 1_000_000


def test_the_sample_says_that_the_language_is_large(
    stream: list[Phrase],
) -> None:
    # Two samples of n sentences of N equally likely ones share n * n / N:
    # that bounds N from below, as likelier ones only make it more.
    half = MANY // 2
    first = {plain(p.source) for p in stream[:half]}
    second = {plain(p.source) for p in stream[half:]}
    assert half * half / len(first & second) > 400_000


# --- the sets ----------------------------------------------------------------


def test_the_sets_have_their_sizes(corpus: Corpus) -> None:
    assert [len(part) for part in corpus] == [40_000, 500, 1_000, 1_000]


def test_no_sentence_is_twice_in_the_corpus(corpus: Corpus) -> None:
    sources = [plain(p.source) for part in corpus for p in part]
    assert len(sources) == len(set(sources))


def test_i_like_pizza_is_unseen_but_its_words_are_not(corpus: Corpus) -> None:
    for part in corpus:
        assert all(plain(p.source) != "i like pizza" for p in part)
    pairs = Counter(c for p in corpus[0] for c in p.combinations)
    assert pairs["like", "pizza"] > 20


def test_combinations_are_held_out_of_training(corpus: Corpus) -> None:
    *known, new = corpus
    for part in known:
        assert not any(is_held_out(c) for p in part for c in p.combinations)
    assert all(any(is_held_out(c) for c in p.combinations) for p in new)


def test_what_is_held_out_is_known_in_other_combinations(
    corpus: Corpus,
) -> None:
    train, _, _, new = corpus
    held = {c for p in new for c in p.combinations if is_held_out(c)}
    known = {c for p in train for c in p.combinations}
    assert 0.03 < len(held) / len(held | known) < 0.09
    for place in (0, 1):
        counts = Counter(c[place] for p in train for c in p.combinations)
        assert all(counts[c[place]] >= 100 for c in held)


def test_sets_are_alike(corpus: Corpus) -> None:
    lengths = [
        sum(len(p.source.split()) for p in part) / len(part)
        for part in corpus[:3]
    ]
    assert max(lengths) - min(lengths) < 0.5


def test_every_word_occurs_often_in_training(corpus: Corpus) -> None:
    counts = Counter(
        word.lower() for p in corpus[0] for word in tokens(p.source)
    )
    assert len(counts) < 230
    rare = {word: n for word, n in counts.items() if n < 70}
    assert rare == {}


def test_small_corpora_and_other_seeds() -> None:
    train, valid, test, new = phrase_corpus(50, 10, 20, seed=4)
    assert [len(train), len(valid), len(test)] == [50, 10, 20]
    assert len(new) <= 20
    assert phrase_corpus(50, 10, 20, seed=4) == (train, valid, test, new)
    assert phrase_corpus(50, 10, 20, seed=5)[0] != train


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="got 10, -1, 3"):
        phrase_corpus(10, -1, 3)
