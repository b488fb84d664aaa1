"""The texts of the comparison: W1, 50 queries of readers, and W2, 2,000 descriptions of books of 6 to 256 tokens.

    texts.py TOKENIZER_JSON DATA_DIR      (in the virtual environment)

Made from templates, with invented names so that words fall into pieces as in real blurbs; the same on every machine.
Writes w1.jsonl and w2.jsonl, a line of {"id": ..., "text": ...} each, and texts.json with the counts.
"""

import json
import random
import re
import sys
from pathlib import Path

from tokenizers import Tokenizer

SEED = 20261122
DESCRIPTIONS = 2000
WINDOW = 256

QUERIES = """a lonely lighthouse keeper
books about the history of mathematics for children
cozy mystery set in a small village bakery
science fiction about first contact with alien oceans
memoir of growing up on a dairy farm
how to grow vegetables in a cold climate
epic fantasy with dragons and political intrigue
the fall of the roman empire explained simply
novels narrated by an unreliable detective
poetry about grief and the sea
picture books about sharing toys for toddlers
biography of a forgotten woman astronomer
thriller about a stolen painting in venice
learning to cook with seasonal ingredients
a family saga spanning three generations in india
books similar to stories of arctic exploration
introduction to statistics without heavy mathematics
romance between rival bookshop owners in paris
dystopian future where water is currency
short stories about immigrants in new york
practical guide to repairing old bicycles
a haunted house on the english moors
the invention of the printing press
graphic novels about teenage friendship and music
survival after a plane crash in the andes
philosophy of happiness for busy people
a dog who travels across a continent
victorian orphans and hidden inheritances
history of jazz in the american south
understanding black holes and the big bang
women spies during the second world war
gentle bedtime stories about forest animals
crime novel set in modern lagos
teaching chess to young beginners
gardens and gardeners in english literature
time travel romance in medieval scotland
the psychology of habit and addiction
a shipwreck and a secret island colony
translated japanese fiction about cats and cafes
economics of inequality in the twenty first century
coming of age at a boarding school
cookbooks from the middle east with stories
a lighthouse on the edge of the world
ghost stories for reading aloud at christmas
field guide to birds of northern europe
revolutionary france seen by an ordinary baker
robots who learn to feel emotions
how rivers shaped ancient civilizations
mountaineering disasters and true stories of courage
letters between two old friends""".split("\n")

WORDS = {
    "adjective": """
        young | old | lonely | brilliant | reluctant | forgotten | ambitious | gentle | ruthless | widowed |
        quiet | stubborn | disgraced | wandering | exiled | curious | ageing | penniless | gifted | haunted
        | restless | honest | weary | fearless | clumsy | loyal | bitter | charming | secretive | devout""",
    "role": """
        lighthouse keeper | historian | cartographer | schoolteacher | botanist | physician | soldier |
        baker | detective | violinist | astronomer | farmer | midwife | thief | journalist | archivist |
        sailor | blacksmith | painter | judge | orphan | engineer | translator | beekeeper | priest |
        clockmaker | fisherman | lawyer | geologist | nurse | mathematician | gardener | apprentice |
        diplomat | librarian""",
    "place": """
        a remote island in the North Atlantic | the crowded streets of Victorian London | a village in the
        foothills of the Himalayas | post-war Berlin | the deserts of Namibia | a crumbling manor on the
        Yorkshire moors | a mining town in Patagonia | Constantinople in its last century | the canals of
        Amsterdam | a research station beneath the Antarctic ice | a generation ship bound for Tau Ceti |
        rural Alabama in 1934 | the spice markets of Zanzibar | a monastery high above the Adriatic | the
        flooded suburbs of a near-future Shanghai | a boarding school in Connecticut | the fishing ports of
        Galicia | a small seaside town in Maine | the court of Catherine the Great | the Mississippi delta""",
    "thing": """
        a bundle of unsent letters | an unfinished manuscript | a map that should not exist | a century-old
        murder | the disappearance of her sister | an inheritance nobody wanted | a forbidden archive | a
        mysterious illness | a broken promise | the last working telescope | an encrypted diary | a failed
        revolution | a family recipe | a stolen violin | a photograph of a stranger | the collapse of a dam
        | a rumour of gold | an outbreak of cholera | a forged passport | the secret of her birth | a wager
        between rivals | a manuscript bound in sealskin""",
    "verb": """
        uncover | confront | protect | destroy | understand | repair | abandon | remember | conceal |
        translate | survive | forgive | betray | reclaim | decipher | outwit""",
    "idea": """
        grief | memory | ambition | faith | betrayal | friendship | justice | exile | belonging | motherhood
        | identity | forgiveness | colonialism | inequality | loneliness | desire | resilience |
        superstition | technology | migration | citizenship | photosynthesis | industrialization |
        bureaucracy""",
    "field": """
        evolutionary biology | medieval trade | thermodynamics | number theory | urban planning |
        oceanography | cognitive psychology | constitutional law | fermentation | Renaissance painting |
        epidemiology | cryptography | palaeontology | monetary policy | ornithology | linguistics | machine
        learning | ceramics | beekeeping | astrophysics""",
    "praise": """
        luminous | gripping | unforgettable | meticulously researched | darkly funny | tender | page-turning
        | quietly devastating | richly illustrated | accessible | thought-provoking | spellbinding | wry and
        humane | lyrical | fast-paced | authoritative""",
    "genre": """
        novel | debut | thriller | memoir | history | collection of stories | mystery | biography | fantasy
        | handbook | family saga | introduction | graphic novel | study | guide""",
    "audience": """
        young readers | general readers | students | parents and teachers | book clubs | gardeners |
        scholars | travellers | anyone who has ever lost a friend | beginners""",
}
WORDS = {kind: [" ".join(word.split()) for word in words.split("|")] for kind, words in WORDS.items()}

SYLLABLES = """
    ka ro mi len dor va shi tal bre on el ia mar quin thes ya vor ul an zim be lo hra""".split()
FIRST_NAMES = """
    Margaret Thomas Eleanor Samuel Ingrid Mateo Amara Yusuf Clara Henrik Beatriz Oliver Priya Tobias
    Miriam Dmitri Saoirse Kwame Lucia Walter""".split()
LAST_NAMES = """
    Hale Okafor Lindqvist Moreau Whitlock Tanaka Ferreira Abernathy Rosenthal Petrov Castellanos Mbeki
    Dunmore Ashworth Nakamura Villeneuve Sorensen Blackwood""".split()

# {kind}, {kind:title}, {kind:capitalize}, {name} or {number:least-most}, filled from left to right.
SENTENCES = [
    "When {adjective} {role} {name} discovers {thing}, nothing in {place} will ever be the same.",
    "Set in {place}, this {praise} {genre} follows a {adjective} {role} who must {verb} {thing} before winter comes.",
    "{name} has spent {number:2-60} years trying to {verb} the past; now {thing} threatens everything.",
    "Drawing on the latest work in {field} and {field}, the author explains how {idea} and {idea} shaped the modern "
    "world.",
    "In {number:1503-1999}, the {adjective} {role} {name} arrived in {place} with nothing but {thing}.",
    "A {praise} meditation on {idea}, {idea} and {idea}, it asks what we owe to those who came before us.",
    "Written for {audience}, this {genre} introduces {field} through {number:8-40} short chapters, clear diagrams and "
    "worked examples.",
    "But {name} is not the only one searching, and as old loyalties fracture, the {role} and the {role} are forced to "
    "{verb} what neither of them can name.",
    "\u201cI had never seen a {role} so {adjective},\u201d writes {name} in the opening pages.",
    "From the author of The {role:title}\u2019s {idea:title} comes a {praise}, {praise} {genre}.",
    "It is a story about {idea} \u2014 and about the people who {verb} it.",
    "Includes maps, a glossary, and an afterword by {name}.",
    "Perfect for {audience} and {audience} alike.",
    "As the {role} of {place} will tell you, there are {number:2-9} ways to {verb} {thing}, and all of them end badly.",
]
BRIEF = [
    "A {praise} {genre} about {idea} and {idea}.",
    "{field:capitalize} for {audience}.",
    "A {adjective} {role} must {verb} {thing}.",
]

FORMS = {"": str, "title": str.title, "capitalize": str.capitalize}


def invented_name(chance):
    """A name of syllables that no vocabulary has, or one of familiar parts."""
    if chance.random() < 0.25:
        return "".join(chance.choice(SYLLABLES) for _ in range(chance.randint(2, 3))).capitalize()
    if chance.random() < 0.6:
        return f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}"
    return chance.choice(FIRST_NAMES)


def fill(template, chance):
    """The template with every brace replaced."""

    def word(brace):
        kind, _, form = brace[1].partition(":")
        if kind == "name":
            return invented_name(chance)
        if kind == "number":
            return str(chance.randint(*map(int, form.split("-"))))
        return FORMS[form](chance.choice(WORDS[kind]))

    return re.sub(r"\{(.*?)\}", word, template)


def description(chance, count_tokens):
    """One text: now and then a single short sentence, else sentences up to a length drawn log-normally."""
    if chance.random() < 0.08:
        return fill(chance.choice(BRIEF), chance)
    wanted = min(235.0, max(18.0, chance.lognormvariate(4.47, 0.52)))
    sentences = []
    while not sentences or count_tokens(" ".join(sentences)) < wanted:
        sentences.append(fill(chance.choice(SENTENCES), chance))
    while count_tokens(" ".join(sentences)) > WINDOW:
        sentences.pop()
    return " ".join(sentences)


def main():
    tokenizer_json, data = sys.argv[1], Path(sys.argv[2])
    tokenizer = Tokenizer.from_file(tokenizer_json)
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count_tokens(text):
        return len(tokenizer.encode(text).ids)

    chance = random.Random(SEED)
    descriptions = [description(chance, count_tokens) for _ in range(DESCRIPTIONS)]
    data.mkdir(parents=True, exist_ok=True)
    counts = {}
    for workload, texts in (("w1", QUERIES), ("w2", descriptions)):
        lines = [json.dumps({"id": i, "text": text}, ensure_ascii=False) + "\n" for i, text in enumerate(texts)]
        (data / f"{workload}.jsonl").write_text("".join(lines), encoding="utf-8")
        counts[workload] = {
            "tokens": [count_tokens(text) for text in texts],
            "bytes": sum(len(text.encode()) for text in texts),
        }
    # Last, so that its presence says that the rest is whole.
    (data / "texts.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
