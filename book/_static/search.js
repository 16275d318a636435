/* The search of Sphinx, for a book with long pages: it finds questions and
   sections by their words, quotes the text, and says what it did. The page of
   the search loads it after the scripts of Sphinx, before they begin. */
(function () {
  "use strict";

  /* A file cannot be read by a script, so nothing can be quoted from it. */
  if (location.protocol === "file:") {
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  }

  /* Whoever types a heading or a question, or half of it, means that one.
     Sphinx compares it as it is set: with curly quotation marks. */
  Scorer.score = function (result) {
    return result[4] + (result[6] === SearchResultKind.title ? 20 : 0);
  };
  function typeset(query) {
    return query.replace(/"([^"]*)"/g, "\u201c$1\u201d").replace(/'/g, "\u2019");
  }

  /* Headings and questions that have all the words come before the pages that
     have them anywhere. One word alone may mean a page of that title. */
  function titlesWith(terms) {
    var index = Search._index;
    var stemmer = new Stemmer();
    var found = [];
    Object.keys(index.alltitles).forEach(function (title) {
      var words = splitQuery(title.toLowerCase()).map(function (word) {
        return stemmer.stemWord(word);
      });
      var all = terms.every(function (term) {
        return words.some(function (word) { return word.startsWith(term); });
      });
      if (!all) return;
      var score = Scorer.title + terms.length / words.length - (terms.length > 1 ? 0 : 1);
      index.alltitles[title].forEach(function (place) {
        var file = place[0];
        if (place[1]) {
          found.push([index.docnames[file], index.titles[file] + " > " + title, "#" + place[1], null, score, index.filenames[file], "words"]);
        }
      });
    });
    return found;
  }
  var inTexts = Search.performTermsSearch;
  Search.performTermsSearch = function (terms, excluded) {
    var titles = terms.size ? titlesWith(Array.from(terms)) : [];
    return titles.concat(inTexts(terms, excluded));
  };

  /* Quote what a reader reads, in whole words. */
  var FURNITURE = "h1, h2, h3, h4, .eyebrow, .headerlink, svg, .katex-mathml, summary, script, style";
  Search.htmlToText = function (html, anchor) {
    var page = new DOMParser().parseFromString(html, "text/html");
    var article = page.querySelector("article.bd-article") || page.body;
    article.querySelectorAll(FURNITURE).forEach(function (part) {
      if (!part.closest("details.faq > summary")) part.remove();
    });
    var place = page.getElementById(decodeURIComponent((anchor || "").slice(1)));
    return (article.contains(place) ? place : article).textContent
      .replace(/\s+/g, " ").trim();
  };

  var quote = Search.makeSearchSummary;
  Search.makeSearchSummary = function (html, terms, anchor) {
    var quoted = quote(html, terms, anchor);
    if (!quoted) return quoted;
    var words = quoted.textContent.replace(/\S*\.\.\.$/, "\u2026");
    var start = words.replace(/^\.\.\./, "");
    var whole = Search.htmlToText(html, anchor).startsWith(start.slice(0, 99));
    quoted.textContent = whole ? start : words.replace(/^\.\.\.\S*/, "\u2026");
    return quoted;
  };

  /* Say it in the words of the book. */
  Object.assign(Documentation.TRANSLATIONS, {
    "Search finished, found one page matching the search query.": ["Found one place.", "Found ${resultCount} places."],
    "Your search did not match any documents. Please make sure that all words are spelled correctly and that you've selected enough categories.": "No page has all of these words. Are they spelled as the book spells them? Fewer words find more; small ones, such as \u201cthe\u201d, are not looked for."
  });
  var search = Search.query;
  Search.query = function (query) {
    search(typeset(query));
    if (Search.output.children.length) return;
    var link = document.createElement("a");
    link.href = document.documentElement.dataset.content_root + "back/questions.html";
    link.textContent = "all questions of the book";
    Search.status.append(" Or look through ", link, ".");
  };
})();
