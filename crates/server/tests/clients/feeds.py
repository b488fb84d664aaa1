"""Feeds as feedparser sees them, and as RFC 4287, OPDS 1.2 and OpenSearch 1.1 have them: `feeds.py ADDRESS`."""

import sys
import urllib.request
import xml.etree.ElementTree as ElementTree
from urllib.parse import quote

import feedparser

BASE = sys.argv[1]
ATOM = "{http://www.w3.org/2005/Atom}"
OPENSEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"
NAVIGATION = "application/atom+xml;profile=opds-catalog;kind=navigation"


def fetch(url):
    with urllib.request.urlopen(url) as reply:
        return reply.headers["content-type"], reply.read()


def check_atom(url):
    """What RFC 4287 asks of every feed and entry; gives the feed as feedparser reads it."""
    media_type, document = fetch(url)
    root = ElementTree.fromstring(document)
    assert root.tag == ATOM + "feed", root.tag
    for element in [root, *root.iter(ATOM + "entry")]:
        for name in ["id", "title", "updated"]:
            assert len(element.findall(ATOM + name)) == 1, (url, name)
        assert element.find(ATOM + "content") is not None or any(
            link.get("rel") == "alternate" for link in element.iter(ATOM + "link")
        ), url
    assert root.find(ATOM + "author") is not None
    own = [link.get("href") for link in root.findall(ATOM + "link") if link.get("rel") == "self"]
    assert len(own) == 1 and fetch(own[0])[1].count(b"<entry>") == document.count(b"<entry>"), (url, own)
    feed = feedparser.parse(url)
    assert not feed.bozo, (url, feed.bozo_exception)
    assert feed.version == "atom10" and feed.feed.updated_parsed, feed.version
    ids = [entry.id for entry in feed.entries]
    assert len(set(ids)) == len(ids), ids
    for entry in feed.entries:
        assert entry.updated_parsed and entry.title and entry.links, entry
    return media_type, feed


def pages(url):
    """All entries of a feed, page by page."""
    entries = []
    while url:
        _, feed = check_atom(url)
        entries += feed.entries
        url = next((link.href for link in feed.feed.links if link.rel == "next"), None)
    return entries


_, description = fetch(BASE + "/opensearch.xml")
templates = {url.get("type"): url.get("template") for url in ElementTree.fromstring(description).iter(OPENSEARCH + "Url")}
search = templates["application/atom+xml"].replace("{searchTerms}", quote("a man and a city"))
media_type, feed = check_atom(search)
assert media_type == "application/atom+xml", media_type
entries = pages(search + "&limit=1")
assert [entry.id for entry in entries] == [entry.id for entry in pages(search)] and entries, entries
assert len({entry.id for entry in entries}) == len(entries), "no book comes twice"
for entry in entries:
    assert fetch(entry.link)[0].startswith("text/html"), entry.link
iliad = check_atom(templates["application/atom+xml"].replace("{searchTerms}", quote("Ἰλιάς")))[1].entries[0]
assert (iliad.title, iliad.author, iliad.title_detail.language) == ("Ἰλιάς", "Homer", "grc"), iliad

media_type, root = check_atom(BASE + "/opds")
assert media_type == NAVIGATION, media_type
assert {"self", "start", "search"} <= {link.rel for link in root.feed.links}, root.feed.links
for entry in root.entries:
    check_atom(entry.links[0].href)
media_type, found = check_atom(templates[NAVIGATION].replace("{searchTerms}", "beetle"))
assert media_type == NAVIGATION and found.entries, media_type
for entry in found.entries:
    links = {link.rel: link for link in entry.links}
    assert links["alternate"].type == "text/html" and links["subsection"].type == NAVIGATION, entry.links
    assert not any("acquisition" in link.rel for link in entry.links), "there are no files"
    check_atom(links["subsection"].href)
print("all is well")
